"""A deployment as the fields of a fact describe it, its schedules where they were. Called by core/project."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from reconciler.model.names import DEFAULT_POOL, DEFAULT_QUEUE
from reconciler.model.plan import Json, Source
from reconciler.model.state import Deployment, Scheduled


def written(
    name: str, data: Mapping[str, Json], before: Iterable[Scheduled], at: datetime, start: datetime
) -> Deployment:
    """The deployment that a fact's fields describe; `before` are the schedules whose place is kept."""
    kept = {s.id: s for s in before}
    return Deployment(
        name=name,
        file=data["file"],
        line=data.get("line", 1),
        digest=data["spec"],
        spec_commit=data.get("spec_commit"),
        source=Source.load(data["source"]),
        label=data.get("version"),
        generation=data.get("generation", 1),
        paused=data.get("paused", False),
        schedules=tuple(placed(dict(rule), kept, at, start) for rule in data.get("schedules", ())),
        limit=data.get("limit"),
        collision=data.get("collision", "ENQUEUE"),
        pool=data.get("pool", DEFAULT_POOL),
        queue=data.get("queue", DEFAULT_QUEUE),
        tags=tuple(data.get("tags", ())),
        retries=data.get("retries", 0),
        created_at=at,
        updated_at=at,
        preview=data.get("preview", ""),
    )


def placed(rule: dict[str, Json], kept: dict[str, Scheduled], at: datetime, start: datetime) -> Scheduled:
    """A schedule that stays keeps its place; a new one begins at `start`, one with other times at the applying."""
    old = kept.get(rule["id"]) or kept.get(rule.get("replaces") or "")
    if old is None:
        return Scheduled(rule["id"], rule, start)
    if _same_times(old.rule, rule):
        return Scheduled(rule["id"], rule, old.accounted, old.next_due)
    # Never before what is accounted for, should the clock have gone back.
    return Scheduled(rule["id"], rule, max(old.accounted, at))


def _same_times(a: dict[str, Json], b: dict[str, Json]) -> bool:
    return all(a.get(k) == b.get(k) for k in ("cron", "interval", "rrule", "timezone", "day_or", "anchor_date"))
