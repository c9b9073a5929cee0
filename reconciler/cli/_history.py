"""Versions of a deployment: who made them, what changed, how their runs ended. Called by history and diff."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reconciler.cli import _log
from reconciler.cli._place import Place
from reconciler.core import rows
from reconciler.core.diff import diff
from reconciler.core.versions import Version
from reconciler.daemon import past
from reconciler.git.repository import Repository
from reconciler.model.errors import NotFoundError, ReconcilerError, StoreError
from reconciler.model.ids import instant
from reconciler.model.plan import FieldDiff, Json
from reconciler.model.state import FINAL, State
from reconciler.stores import Log

Runs = Mapping[tuple[int, str | None], Mapping[str, int]]


def versions(log: Log, name: str) -> list[Version]:
    """Every version, oldest first. Raises NotFoundError, naming the nearest; StoreError for a log of another age."""
    found = list(past.read(log, name))
    if not found:
        _log.deployment(log, name)
        raise NotFoundError(f"nothing is recorded of {name!r}")
    if (log.meta(_log.REPOSITORY) or {}).get("format") != rows.FORMAT:
        raise StoreError(
            "the projections of this log are of another version", hint="start `reconciler serve`: it makes them anew"
        )
    return found


@dataclass(frozen=True, slots=True)
class Ends:
    """How the runs of a version ended."""

    runs: int = 0
    live: int = 0
    completed: int = 0

    @classmethod
    def of(cls, version: Version, runs: Runs) -> "Ends":
        """Those of one version."""
        states = runs.get((version.generation, version.commit), {})
        live = sum(n for state, n in states.items() if state not in FINAL)
        return cls(sum(states.values()), live, states.get(State.COMPLETED, 0))

    @property
    def rate(self) -> float | None:
        """Completed of those that are over, 0 to 1; None while none is."""
        over = self.runs - self.live
        return round(self.completed / over, 4) if over else None

    def json(self) -> dict[str, Json]:
        """As `--json` prints it."""
        return {"runs": self.runs, "live": self.live, "completed": self.completed, "success_rate": self.rate}


def described(place: Place, log: Log, name: str, found: Sequence[Version]) -> list[dict[str, Json]]:
    """A row for each version: what it is, who made it and how its runs ended."""
    runs = log.versions(name)
    try:
        repo: Repository | None = Repository.open(place.repo, trust_owner=True)
    except ReconcilerError:
        repo = None
    try:
        return [_row(version, repo, runs) for version in found]
    finally:
        if repo is not None:
            repo.close()


def _row(version: Version, repo: Repository | None, runs: Runs) -> dict[str, Json]:
    ends = Ends() if version.what == "pruned" else Ends.of(version, runs)
    return {
        "version": version.name,
        "source_commit": version.commit,
        "spec_commit": version.spec_commit,
        "generation": version.generation,
        "revision": version.revision,
        "at": version.at,
        "what": version.what,
        "applied": version.applied,
        "reason": version.reason,
        "changed": list(version.changed),
        **authored(repo, version.commit),
        **ends.json(),
    }


def ended(row: Mapping[str, Json]) -> str:
    """How runs ended, for a cell: `12 of 14 (1 live)`."""
    if not row["runs"]:
        return ""
    live = f" ({row['live']} live)" if row["live"] else ""
    return f"{row['completed']} of {row['runs'] - row['live']}{live}"


def authored(repo: Repository | None, commit: str | None) -> dict[str, Json]:
    """Who made a commit, and why; nulls where it is not in this repository (any more)."""
    try:
        found = repo.commit(commit) if repo and commit else None
    except ReconcilerError:
        found = None
    if found is None:
        return {"author": None, "committed_at": None, "subject": None}
    return {"author": found.author, "committed_at": instant(found.committed_at), "subject": found.subject}


def changes(log: Log, before: Version, after: Version) -> tuple[FieldDiff, ...] | None:
    """The fields in which the effective specs of two versions differ; None where one of them was purged."""
    sides = [_log.payload(log, version.spec) for version in (before, after)]
    if before.spec == after.spec:
        return ()
    if None in sides:
        return None
    moved = before.fields.get("file"), after.fields.get("file")
    extra = (FieldDiff("file", *moved),) if moved[0] != moved[1] else ()
    return (*diff(*sides), *extra)
