"""What a look at git can say: the messages from daemon/reconcile to the loop."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from reconciler.core.preview import Head
from reconciler.model.plan import Desired, Json


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The objects that hold a source which does not follow the tracked branch, and its commit there."""

    git_dir: str
    commit: str


CACHE = "specs"
"""The kind under which the observer's rows are cached in the store."""
FORMAT = 5
"""Of what is kept between starts; raised when reading the same bytes would say something else."""


@dataclass(frozen=True, slots=True)
class Environment:
    """What the spec files are read as."""

    name: str | None = None
    """Of the overlay, if any."""
    variables: Mapping[str, Json] = field(default_factory=dict)
    """The operator's own, over those of overlay and files."""
    branch: str | None = None
    """The tracked one, where it is known: a `git_clone` of it is of the revision that is read."""

    remote: str | None = None
    """The tracked branch is one of this remote: its branches count before those of the clone, which nobody moves."""

    @classmethod
    def of(
        cls, name: str | None, variables: Mapping[str, Json], branch: str | None = None, remote: str | None = None
    ) -> "Environment":
        """As set; an empty name is none."""
        return cls(name or None, variables, branch, remote)


BASE = Environment()
"""No environment: the spec files as they are."""


def stamp(specs: str, revision: str | None, env: Environment = BASE) -> dict[str, Json]:
    """What must be the same for what was kept to be of use."""
    return {
        "format": FORMAT, "specs": specs, "env": env.name, "variables": dict(env.variables), "branch": env.branch,
        "remote": env.remote, "revision": revision,
    }  # fmt: skip


def still_says(kept: bytes | None, specs: str, head: str, env: Environment = BASE) -> bool:
    """Whether reading `head` would say what was kept: then nothing needs to be read."""
    said = json.loads(kept or b"{}")
    wanted = stamp(specs, head, env) | {"elsewhere": False}
    return all(said.get(key) == value for key, value in wanted.items())


class Layered(Mapping[str, Mapping[str, Json]]):
    """Effective specs by digest: those just read, then those that are stored."""

    def __init__(
        self, new: Mapping[str, Mapping[str, Json]], stored: Callable[[str], Mapping[str, Json] | None]
    ) -> None:
        self._new = new
        self._stored = stored

    def __getitem__(self, key: str) -> Mapping[str, Json]:
        found = self._new[key] if key in self._new else self._stored(key)
        if found is None:
            raise KeyError(key)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._new)

    def __len__(self) -> int:
        return len(self._new)


class Texts(Mapping[str, Mapping[str, Json]]):
    """Effective specs by digest, parsed when asked for."""

    def __init__(self, texts: Mapping[str, bytes]) -> None:
        self.texts = texts

    def __getitem__(self, key: str) -> Mapping[str, Json]:
        found: Mapping[str, Json] = json.loads(self.texts[key])
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self.texts)

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True, slots=True)
class Read:
    """Git was read: the desired state at its newest revision."""

    desired: Desired
    texts: Mapping[str, bytes]
    """Effective specs as canonical JSON by digest: those that may not be in the store yet."""
    rows: Mapping[str, bytes]
    """What to keep for the next start once this is applied, by path; empty for what is gone."""


@dataclass(frozen=True, slots=True)
class Branches:
    """The branches that may be previewed."""

    heads: Mapping[str, Head] | None
    """Their newest commits; None where git did not say: then nothing is known of them."""


@dataclass(frozen=True, slots=True)
class Previewed:
    """A previewed branch was read at a commit."""

    branch: str
    revision: str
    desired: Desired | None
    """None where it cannot be read."""
    texts: Mapping[str, bytes]
    """As in Read."""
    reason: str = ""
    """Why it cannot be read."""


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Git says what is applied."""

    revision: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Git could not be read, and why."""

    reason: str
