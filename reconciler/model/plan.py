"""A plan as a value: what would change, why, and what is wrong. Made by core/plan; printed, shown and appended."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Json = Any
"""A JSON value: None, bool, int, float, str, list or dict of them."""


class Action(StrEnum):
    """What a change does to a deployment."""

    CREATE = "create"
    UPDATE = "update"
    PRUNE = "prune"

    @property
    def past(self) -> str:
        """As it is told once it is done."""
        return f"{self.rstrip('e')}ed"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """A fault in a file (or, as a note, something to know): where (1-based), at which key, and what to do."""

    file: str
    line: int
    column: int
    key: str
    """Dotted path such as `deployments[0].schedules[1].cron`; empty for the whole file."""
    message: str

    def __str__(self) -> str:
        """`file:line:column: key: message`, the form editors jump to."""
        key = f"{self.key}: " if self.key else ""
        return f"{self.file}:{self.line}:{self.column}: {key}{self.message}"

    def json(self) -> dict[str, Json]:
        """The object that `plan --json` prints."""
        return {
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "key": self.key,
            "message": self.message,
        }


Note = Problem
"""A located remark that refuses nothing: a key without effect, a signature that could not be read."""


class SourceKind(StrEnum):
    """Which line of history a deployment's source commit is taken from."""

    WHOLE = "whole"
    """All of this repository: moves with the applied revision, one fact for all."""
    SCOPE = "scope"
    """The `directories` of this repository that git_clone names, and the spec file."""
    BRANCH = "branch"
    """Another branch of this repository."""
    COMMIT = "commit"
    """A `commit_sha` in the spec."""
    FOREIGN = "foreign"
    """Another repository, resolved when reconciled."""
    NONE = "none"
    """No git source: the code lies in an image or other storage."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a deployment's code comes from, and the commit it was resolved to."""

    kind: SourceKind
    commit: str | None = None
    """None for WHOLE (the applied revision's whole-repository commit stands for it) and for NONE."""
    repository: str | None = None
    """The URL or path for FOREIGN."""
    branch: str | None = None
    directories: tuple[str, ...] = ()
    note: str | None = None
    """Why the commit is not known, such as `unknown (shallow)`."""
    submodules: bool = False
    """Whether the repositories that the commit names as submodules are laid out too."""

    def json(self) -> dict[str, Json]:
        """As stored in facts; empty fields are left out."""
        items = {
            "kind": str(self.kind),
            "commit": self.commit,
            "repository": self.repository,
            "branch": self.branch,
            "directories": list(self.directories),
            "note": self.note,
            "submodules": self.submodules,
        }
        return {k: v for k, v in items.items() if v}

    def follows(self, preview: str) -> bool:
        """Whether it is the whole repository at the head of a previewed branch: one fact moves all of these."""
        return self.kind is SourceKind.COMMIT and self.branch == preview and not self.directories

    @classmethod
    def load(cls, data: Mapping[str, Json]) -> "Source":
        """The inverse of `json`."""
        return cls(
            SourceKind(data["kind"]),
            data.get("commit"),
            data.get("repository"),
            data.get("branch"),
            tuple(data.get("directories", ())),
            data.get("note"),
            data.get("submodules", False),
        )


@dataclass(frozen=True, slots=True)
class Declared:
    """One deployment as a spec file declares it at a revision: slim; the whole spec lies in `Desired.specs[digest]`."""

    name: str
    """`flow-name/deployment-name`."""
    file: str
    line: int
    digest: str
    """Of the effective spec: every field with its default, and what was read from the code."""
    spec_commit: str | None
    """The newest commit that changed the spec file; None where history is cut before it."""
    source: Source
    overlay: str = ""
    """The overlay that decides something of it."""

    @property
    def where(self) -> str:
        """The files that say it, for people."""
        return f"{self.file} with {self.overlay}" if self.overlay else self.file


@dataclass(frozen=True, slots=True)
class Desired:
    """What the spec files say at one revision."""

    revision: str
    tree: str
    whole_commit: str | None
    """The source commit of every deployment scoped to the whole repository; None where history is cut."""
    deployments: Mapping[str, Declared]
    specs: Mapping[str, Mapping[str, Json]]
    """Effective specs by digest: the new ones here, and (lazily, from the store) those observed."""
    broken: frozenset[str] = frozenset()
    """Files with a problem in them or in code they name: what they held stays, spec and source commit alike."""
    unsure: bool = False
    """Whether what decides for many files is broken, as an overlay: nothing is pruned, whatever file held it."""
    problems: tuple[Problem, ...] = ()
    notes: tuple[Note, ...] = ()
    rewound_from: str | None = None
    """The applied revision, when this one does not descend from it."""
    pools: Mapping[str, Json] = field(default_factory=dict)
    """Every declared work pool by name: its type, `file`, limit, paused, job variables, and `work_queues` by name."""


@dataclass(frozen=True, slots=True)
class FieldDiff:
    """One field of a spec: its dotted path, and the values before and after (None for absent)."""

    field: str
    before: Json
    after: Json

    def json(self) -> dict[str, Json]:
        """The object that `plan --json` prints."""
        return {"field": self.field, "from": self.before, "to": self.after}


@dataclass(frozen=True, slots=True)
class Change:
    """One deployment created, updated or pruned, and why."""

    action: Action
    deployment: str
    version: str | None
    source_commit: str | None
    reason: str
    diff: tuple[FieldDiff, ...] = ()
    declared: Declared | None = None

    def json(self) -> dict[str, Json]:
        """The object that `plan --json` prints."""
        return {
            "action": str(self.action),
            "deployment": self.deployment,
            "version": self.version,
            "source_commit": self.source_commit,
            "reason": self.reason,
            "diff": [d.json() for d in self.diff],
        }


@dataclass(frozen=True, slots=True)
class PoolChange:
    """One work pool created, updated or pruned, and why."""

    action: Action
    pool: str
    reason: str
    diff: tuple[FieldDiff, ...] = ()
    declared: Mapping[str, Json] = field(default_factory=dict)

    def json(self) -> dict[str, Json]:
        """The object that `plan --json` prints."""
        return {
            "action": str(self.action),
            "pool": self.pool,
            "reason": self.reason,
            "diff": [d.json() for d in self.diff],
        }


@dataclass(frozen=True, slots=True)
class Moved:
    """The source commits that move without a change of spec."""

    before: str | None
    after: str | None
    """Of the deployments scoped to the whole repository; equal when they stay."""
    deployments: tuple[str, ...] = ()
    """Every deployment whose source commit moves."""
    own: Mapping[str, Source] = field(default_factory=dict)
    """New sources of those that have a scope of their own."""
    spec_commits: Mapping[str, str | None] = field(default_factory=dict)
    """Spec files whose newest change is another commit than the applied one: a comment, a sibling, a rewind."""
    held: tuple[str, ...] = ()
    """Those that would move and are held back because they are invalid."""
    invalid: frozenset[str] = frozenset()
    """Every deployment that stays as it is because its file or code is broken."""

    def json(self) -> dict[str, Json]:
        """The object that `plan --json` prints."""
        return {
            "from": self.before,
            "to": self.after,
            "deployments": list(self.deployments),
            "held": list(self.held),
        }


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a revision is not applied, and what makes it so."""

    reason: str
    prunes: tuple[str, ...]
    confirm: str
    """The command that a person runs to apply it all the same."""

    def json(self) -> dict[str, Json]:
        """The object that `plan --json` prints."""
        return {"reason": self.reason, "prunes": list(self.prunes), "confirm": self.confirm}


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that applying a revision would do."""

    revision: str
    base: str | None
    moved: Moved
    changes: tuple[Change, ...] = ()
    pools: tuple[PoolChange, ...] = ()
    refused: Refusal | None = None
    problems: tuple[Problem, ...] = ()
    notes: tuple[Note, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether applying would change no deployment and no work pool."""
        return not self.changes and not self.pools and not self.moved.deployments

    @property
    def counts(self) -> dict[Action, int]:
        """How many deployments are created, updated and pruned."""
        return {action: sum(change.action is action for change in self.changes) for action in Action}

    def json(self) -> dict[str, Json]:
        """The object that `plan --json` prints."""
        return {
            "revision": self.revision,
            "base": self.base,
            "refused": self.refused.json() if self.refused else None,
            "moved": self.moved.json(),
            "changes": [c.json() for c in self.changes],
            "pools": [c.json() for c in self.pools],
            "problems": [p.json() for p in self.problems],
            "notes": [n.json() for n in self.notes],
        }
