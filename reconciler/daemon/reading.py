"""What a look at git can say: the messages from daemon/reconcile to the loop."""

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.model.plan import Desired, Json


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The objects that hold a source which does not follow the tracked branch, and its commit there."""

    git_dir: str
    commit: str


FORMAT = 1
"""Of what is kept between starts; raised when reading the same bytes would say something else."""


def stamp(specs: str, revision: str | None) -> dict[str, Json]:
    """What must be the same for what was kept to be of use."""
    return {"format": FORMAT, "specs": specs, "revision": revision}


@dataclass(frozen=True, slots=True)
class Read:
    """Git was read: the desired state at its newest revision."""

    desired: Desired
    pools: Mapping[str, Json]
    """Every declared work pool by name."""
    texts: Mapping[str, bytes]
    """Effective specs as canonical JSON by digest: those that may not be in the store yet."""
    rows: Mapping[str, bytes]
    """What to keep for the next start once this is applied, by path; empty for what is gone."""


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Git says what is applied."""

    revision: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Git could not be read, and why."""

    reason: str
