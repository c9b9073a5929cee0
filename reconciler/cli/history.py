"""Show the versions that a deployment had: commit, author, what changed, and how many runs each made."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import click

from reconciler.cli._log import deployment, reading
from reconciler.cli._place import Place
from reconciler.cli._print import print_json, progress, table, when
from reconciler.git.repository import Repository
from reconciler.model.errors import NotFoundError, ReconcilerError
from reconciler.model.fact import Event
from reconciler.model.ids import instant
from reconciler.model.plan import Json, Source, SourceKind
from reconciler.stores import Log, RunFilter

PAGE = 1000
OWN = ("DeploymentCreated", "DeploymentUpdated", "DeploymentMoved", "DeploymentPruned")


@click.command("history")
@click.argument("name")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many versions at most.")
@click.option("--json", "as_json", is_flag=True, help="A JSON list.")
@click.pass_obj
def command(obj: dict[str, Any], name: str, limit: int, as_json: bool) -> None:
    """Show the versions that a deployment had, newest first; a pruned one keeps its history.

    \b
    JSON: a list of {version, source_commit, spec_commit, generation, revision, at, what, changed, author, committed_at,
    subject, runs}; what is created, updated, moved or pruned.
    """
    place = Place.of(obj)
    with reading(place) as log, progress("reading the history"):
        found = list(steps(log, name))
        if not found:
            deployment(log, name)
            raise NotFoundError(f"nothing is recorded of {name!r}")
        runs = _runs(log, name)
    rows = _described(place, found[::-1][:limit], runs)
    if as_json:
        print_json(rows)
        return
    titles = ("AT", "VERSION", "COMMIT", "GEN", "WHAT", "RUNS", "AUTHOR", "SUBJECT", "CHANGED")
    table(titles, [_line(row) for row in rows])


@dataclass(frozen=True, slots=True)
class Step:
    """One version of a deployment: from this event on."""

    what: str
    at: str
    revision: str | None
    generation: int
    label: str | None
    source: Source
    spec_commit: str | None
    commit: str | None = None
    changed: tuple[str, ...] = ()

    @property
    def version(self) -> str:
        """As the deployment showed it."""
        return self.label or (self.commit[:8] if self.commit else self.source.note or "none")


def steps(log: Log, name: str) -> Iterator[Step]:
    """Every version in order: the deployment's own facts joined with the applied revisions of its time."""
    now: Step | None = None
    waiting: Step | None = None
    for event in _merged(log, name):
        data = event.data
        if event.type == "RevisionApplied":
            whole = data.get("whole_commit")
            if waiting is not None:
                now = replace(waiting, revision=data["revision"], commit=_commit(waiting.source, whole))
                yield now
            elif now is not None and _follows(now, name, data):
                now = replace(
                    now, what="moved", at=instant(event.at), revision=data["revision"], commit=whole, changed=()
                )
                yield now
            waiting = None
        elif event.type == "DeploymentPruned":
            if now is not None:
                yield replace(now, what="pruned", at=instant(event.at), changed=())
            now = None
        else:
            waiting = _own(event, now)


def _follows(now: Step, name: str, data: Mapping[str, Json]) -> bool:
    """Whether an applied revision moved the deployment with the whole repository."""
    moved = data.get("whole_commit") != now.commit
    return moved and now.source.kind is SourceKind.WHOLE and name not in data.get("held", ())


def _own(event: Event, now: Step | None) -> Step:
    data, at = event.data, instant(event.at)
    source = Source.load(data["source"])
    if event.type == "DeploymentMoved" and now is not None:
        return replace(now, what="moved", at=at, source=source, changed=())
    what = "created" if event.type == "DeploymentCreated" else "updated"
    generation, changed = data.get("generation", 1), tuple(data.get("changed", ()))
    return Step(what, at, None, generation, data.get("version"), source, data.get("spec_commit"), None, changed)


def _commit(source: Source, whole: str | None) -> str | None:
    return whole if source.kind is SourceKind.WHOLE and source.commit is None else source.commit


def _merged(log: Log, name: str) -> Iterator[Event]:
    """The facts about the deployment and the applied revisions, by number."""
    own = (e for e in _paged(log, subject=name, types=OWN))
    applied = _paged(log, subject="repository", types=("RevisionApplied",))
    left, right = next(own, None), next(applied, None)
    while left or right:
        if right is None or (left is not None and left.seq < right.seq):
            assert left is not None  # noqa: S101 - one of them is there
            yield left
            left = next(own, None)
        else:
            yield right
            right = next(applied, None)


def _paged(log: Log, *, subject: str, types: tuple[str, ...]) -> Iterator[Event]:
    seq = 0
    while page := log.events(seq, limit=PAGE, types=types, subject=subject):
        yield from page
        seq = page[-1].seq


def _runs(log: Log, name: str) -> Counter[tuple[int, str | None]]:
    """How many runs each generation and source commit made."""
    counts: Counter[tuple[int, str | None]] = Counter()
    before: int | None = None
    while page := log.runs(RunFilter(deployment=name), before_seq=before, limit=PAGE):
        counts.update((row["generation"], row["source_commit"]) for row in page)
        before = page[-1]["seq"]
    return counts


def _described(place: Place, found: list[Step], runs: Counter[tuple[int, str | None]]) -> list[dict[str, Json]]:
    try:
        repo: Repository | None = Repository.open(place.repo, trust_owner=True)
    except ReconcilerError:
        repo = None
    try:
        return [_row(step, repo, runs) for step in found]
    finally:
        if repo is not None:
            repo.close()


def _row(step: Step, repo: Repository | None, runs: Counter[tuple[int, str | None]]) -> dict[str, Json]:
    return {
        "version": step.version,
        "source_commit": step.commit,
        "spec_commit": step.spec_commit,
        "generation": step.generation,
        "revision": step.revision,
        "at": step.at,
        "what": step.what,
        "changed": list(step.changed),
        **_authored(repo, step.commit),
        "runs": 0 if step.what == "pruned" else runs[step.generation, step.commit],
    }


def _authored(repo: Repository | None, commit: str | None) -> dict[str, Json]:
    """Who made a commit, and why; nulls where it is not in this repository (any more)."""
    try:
        found = repo.commit(commit) if repo and commit else None
    except ReconcilerError:
        found = None
    if found is None:
        return {"author": None, "committed_at": None, "subject": None}
    return {"author": found.author, "committed_at": instant(found.committed_at), "subject": found.subject}


def _line(row: dict[str, Json]) -> tuple[object, ...]:
    commit, changed = (row["source_commit"] or "")[:8], ", ".join(row["changed"])
    return (
        when(row["at"]), row["version"], commit, row["generation"], row["what"], row["runs"], row["author"],
        row["subject"], changed,
    )  # fmt: skip
