"""Observed state as the rows that the store keeps, and back. Called by the ledger and by every surface."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from reconciler.model.errors import StoreError
from reconciler.model.ids import instant, moment
from reconciler.model.plan import Json, Source, SourceKind
from reconciler.model.state import Deployment, Hold, Observed, Preview, Quarantine, Run, Scheduled, State

FORMAT = 4
"""Of these rows: raised when they change, so that a daemon makes them anew from the log."""


def _text(at: datetime | None) -> str | None:
    return instant(at) if at else None


def _time(text: str | None) -> datetime | None:
    return moment(text) if text else None


def repository_row(observed: Observed) -> dict[str, Json]:
    """The repository's own row."""
    return {
        "format": FORMAT,
        "branch": observed.branch,
        "remote": observed.remote,
        "env": observed.env,
        "revision": observed.revision,
        "tree": observed.tree,
        "whole_commit": observed.whole_commit,
        "applied_at": _text(observed.applied_at),
        "left": _text(observed.left),
        "problems": observed.problems,
        "pools": observed.pools,
        "refused": observed.refused,
        "confirmed": observed.confirmed,
        "stale": observed.stale,
        "isolated": observed.isolated,
        "previews": {branch: _preview_row(p) for branch, p in observed.previews.items()},
    }


def _preview_row(p: Preview) -> dict[str, Json]:
    return {
        "revision": p.revision,
        "at": instant(p.at),
        "until": instant(p.until),
        "problems": p.problems,
        "suffix": p.suffix,
        "over": p.over,
    }


def _preview_of(row: dict[str, Any]) -> Preview:
    return Preview(**(row | {"at": moment(row["at"]), "until": moment(row["until"])}))


def deployment_row(d: Deployment) -> dict[str, Json]:
    """A deployment as the store keeps it."""
    row: dict[str, Json] = {
        "name": d.name,
        "file": d.file,
        "line": d.line,
        "digest": d.digest,
        "spec_commit": d.spec_commit,
        "source": d.source.json(),
        "label": d.label,
        "generation": d.generation,
        "schedules": [_scheduled_row(s) for s in d.schedules],
        "limit": d.limit,
        "collision": d.collision,
        "pool": d.pool,
        "queue": d.queue,
        "tags": list(d.tags),
        "retries": d.retries,
        "created_at": instant(d.created_at),
        "updated_at": instant(d.updated_at),
        "paused": d.paused,
        "invalid": d.invalid,
        "last_run": d.last_run,
        "last_state": d.last_state,
        "last_at": _text(d.last_at),
    }
    if d.preview:
        row["preview"] = d.preview
    if d.suspended:
        row["suspended"] = {"reason": d.suspended.reason, "who": d.suspended.who, "at": instant(d.suspended.at)}
    if d.quarantine:
        row["quarantine"] = _quarantine_row(d.quarantine)
    return row


def _quarantine_row(q: Quarantine) -> dict[str, Json]:
    return {
        "version": q.version,
        "reason": q.reason,
        "who": q.who,
        "at": instant(q.at),
        "wanted": deployment_row(q.wanted),
    }


def _scheduled_row(s: Scheduled) -> dict[str, Json]:
    return {"id": s.id, "rule": s.rule, "accounted": instant(s.accounted)}


def deployment_of(row: dict[str, Any]) -> Deployment:
    """The inverse of `deployment_row`. Written out field by field: a start makes thousands of them."""
    hold, last_at, source, held = row.get("suspended"), row["last_at"], row["source"], row.get("quarantine")
    return Deployment(
        row["name"],
        row["file"],
        row["line"],
        row["digest"],
        row["spec_commit"],
        _WHOLE if source == _WHOLE_ROW else Source.load(source),
        row["label"],
        row["generation"],
        row["paused"],
        tuple([Scheduled(s["id"], s["rule"], moment(s["accounted"])) for s in row["schedules"]]),
        row["limit"],
        row["collision"],
        row["pool"],
        row["queue"],
        tuple(row["tags"]),
        row["retries"],
        moment(row["created_at"]),
        moment(row["updated_at"]),
        Hold(hold["reason"], hold["who"], moment(hold["at"])) if hold else None,
        row["invalid"],
        row["last_run"],
        row["last_state"],
        moment(last_at) if last_at else None,
        _quarantine_of(held) if held else None,
        row.get("preview", ""),
    )


def _quarantine_of(row: dict[str, Any]) -> Quarantine:
    return Quarantine(row["version"], row["reason"], row["who"], moment(row["at"]), deployment_of(row["wanted"]))


_WHOLE = Source(SourceKind.WHOLE)
_WHOLE_ROW = _WHOLE.json()


def run_row(r: Run) -> dict[str, Json]:
    """A run as the store keeps it, finished or not."""
    row = {k: getattr(r, k) for k in _RUN_PLAIN}
    return row | {
        "state": str(r.state),
        "final": r.final,
        "since": instant(r.since),
        "due": instant(r.due),
        "created_at": instant(r.created_at),
        "until": _text(r.until),
        "started_at": _text(r.started_at),
        "finished_at": _text(r.finished_at),
        "start_at": _text(r.start_at),
        "tags": list(r.tags),
    }


def is_of_another_version(repository: dict[str, Any] | None) -> bool:
    """Whether the rows that this one is of are of another format: until a daemon makes them anew."""
    return repository is not None and repository.get("format") != FORMAT


def _of_another_version() -> StoreError:
    return StoreError(
        "the projections of this log are of another version", hint="start `reconciler serve`: it makes them anew"
    )


def run_of(row: dict[str, Any]) -> Run:
    """The inverse of `run_row`. Raises StoreError for a row of an older format."""
    try:
        plain = {k: row[k] for k in _RUN_PLAIN}
    except KeyError:
        raise _of_another_version() from None
    return Run(
        **plain,
        state=State(row["state"]),
        since=moment(row["since"]),
        due=moment(row["due"]),
        created_at=moment(row["created_at"]),
        until=_time(row["until"]),
        started_at=_time(row["started_at"]),
        finished_at=_time(row["finished_at"]),
        start_at=_time(row["start_at"]),
        tags=tuple(row["tags"]),
    )


_RUN_PLAIN = (
    "id name deployment trigger cause who parameters spec spec_commit source_commit version generation pool queue "
    "retries seq attempt reason detail origin schedule variables labels made_for "
    "resumes unlaunched preview"
).split()


def restore(repository: dict[str, Any] | None, deployments: Iterable[dict[str, Any]], runs: Iterable[dict[str, Any]],
            seq: int) -> Observed:  # fmt: skip
    """Observed state from rows: what a restart reads instead of the log.

    Raises StoreError for rows of another format: then they are to be made anew from the log.
    """
    observed = Observed(seq=seq)
    if seq and (repository or {}).get("format") != FORMAT:
        raise _of_another_version()
    if repository:
        for key in (
            "branch",
            "remote",
            "revision",
            "tree",
            "whole_commit",
            "refused",
            "confirmed",
            "stale",
            "isolated",
        ):
            setattr(observed, key, repository[key])
        observed.env = repository.get("env")
        observed.applied_at = _time(repository["applied_at"])
        observed.left = _time(repository["left"])
        observed.problems, observed.pools = repository["problems"], repository["pools"]
        observed.previews = {branch: _preview_of(row) for branch, row in repository["previews"].items()}
    observed.deployments = {row["name"]: deployment_of(row) for row in deployments}
    observed.any_invalid = any(d.declared.invalid and not d.preview for d in observed.deployments.values())
    for row in runs:
        observed.place(run_of(row))
    return observed
