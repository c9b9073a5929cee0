"""Runs for slots of the past that a person asks for. Called by daemon/requests.

What happened to a slot stays told as it was (run, skipped, missed); a backfill adds a run beside it. Such a run waits
and is cancelled like one asked for by hand: a deployment that is paused or suspended may be backfilled.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice

from reconciler import schedules
from reconciler.core import commands
from reconciler.core.created import pinned_fields
from reconciler.model.errors import InvalidRequestError
from reconciler.model.events import BackfillRequested, RunCreated
from reconciler.model.fact import Fact
from reconciler.model.ids import instant, run_id, run_name
from reconciler.model.plan import Json
from reconciler.model.state import FINAL, Deployment, Observed, Run, Scheduled, State

MOST = 10_000
"""Slots that one span may name, whatever becomes of them."""
REPROCESS = ("none", "failed", "completed")
"""Which slots run again: none that ever had a run; also those whose last run did not complete; all."""

_REACH = timedelta(days=2)
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person asks for; `first` and `last` are included."""

    deployment: str
    first: date | datetime
    """A date is its midnight on the schedule's own clock."""
    last: date | datetime
    key: str
    """Asking again with the same key makes nothing."""
    schedule: str | None = None
    """One schedule by its slug (or the id that `show` prints), active or not; all active ones unless given."""
    limit: int = 100
    """Runs at most."""
    reprocess: str = "none"

    def around(self, now: datetime) -> tuple[datetime, datetime]:
        """A span of time that holds that of every schedule, whatever its zone."""
        return _midnight(self.first) - _REACH, min(now, _midnight(self.last) + _REACH)


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot of the span and what becomes of it."""

    scheduled: Scheduled
    due: datetime
    runs: bool
    """Whether it gets a run."""
    why: str


def slots(deployment: Deployment, wanted: Wanted, now: datetime, runs: Iterable[Run]) -> list[Slot]:
    """Every slot of the span up to `now`, by due; `runs` are those of the deployment's slots in it.

    Raises InvalidRequestError for a span that holds too much or lies ahead, and for a schedule that is not there.
    """
    of: dict[tuple[str, datetime], list[Run]] = {}
    for run in sorted(runs, key=lambda run: run.seq):
        of.setdefault((run.schedule, run.due), []).append(run)
    found: list[Slot] = []
    for scheduled in chosen(deployment, wanted.schedule):
        first, last = span(scheduled, wanted, now)
        dues = schedules.load(scheduled.rule).slots(first - _TICK, until=last)
        names = [scheduled.id, *filter(None, [scheduled.rule.get("replaces")])]
        for due in islice(dues, MOST + 1 - len(found)):
            history = [run for name in names for run in of.get((name, due), [])]
            found.append(Slot(scheduled, due, *_fate(history, wanted.reprocess)))
    if len(found) > MOST:
        raise InvalidRequestError(f"the span holds more than {MOST} slots", hint="give a shorter --from, --to")
    return sorted(found, key=lambda slot: (slot.due, slot.scheduled.id))


def span(scheduled: Scheduled, wanted: Wanted, now: datetime) -> tuple[datetime, datetime]:
    """The first and last moment asked for, on the clock of a schedule; never past `now`. Raises InvalidRequestError."""
    zone = schedules.load(scheduled.rule).zone
    first, last = (
        at if isinstance(at, datetime) else datetime.combine(at, time(), zone).astimezone(UTC)
        for at in (wanted.first, wanted.last)
    )
    if first > last:
        raise InvalidRequestError(f"--from {wanted.first} comes after --to {wanted.last}", hint="swap them")
    if first > now:
        raise InvalidRequestError(f"--from {wanted.first} is ahead: slots to come run by themselves")
    return first, min(last, now)


def _midnight(at: date | datetime) -> datetime:
    return at if isinstance(at, datetime) else datetime.combine(at, time(), UTC)


def chosen(deployment: Deployment, name: str | None) -> list[Scheduled]:
    """The schedule of that name, active or not; all active ones for None. Raises InvalidRequestError for none."""
    if name is not None:
        found = [s for s in deployment.schedules if s.id == name]
    else:
        found = [s for s in deployment.schedules if s.rule.get("active", True)]
    if not found:
        known = ", ".join(s.id for s in deployment.schedules) or "none"
        what = f"schedule {name!r}" if name else "active schedule"
        raise InvalidRequestError(f"{deployment.name} has no {what}", hint=f"its schedules: {known}")
    return found


def _fate(history: Sequence[Run], reprocess: str) -> tuple[bool, str]:
    live = next((run for run in history if run.state not in FINAL), None)
    if live is not None:
        return False, f"run {live.id} is {live.state}"
    if not history:
        return True, "it never ran"
    last = history[-1]
    said = f"run {last.id} {last.state}"
    again = reprocess == "completed" or (reprocess == "failed" and last.state is not State.COMPLETED)
    return again, said


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks, when, and what is needed to make the runs."""

    wanted: Wanted
    now: datetime
    who: str
    parameters: Callable[[Deployment, Mapping[str, Json]], str]
    """The digest of a deployment's parameters with a schedule's own laid over them."""


def facts(observed: Observed, asked: Asked, found: Sequence[Slot]) -> list[Fact]:
    """The request and a run for each slot that gets one; nothing when none does. Raises InvalidRequestError."""
    wanted, deployment = asked.wanted, commands.find(observed, asked.wanted.deployment)
    commands.need_source(observed, deployment)
    picked = [slot for slot in found if slot.runs]
    if len(picked) > wanted.limit:
        raise InvalidRequestError(
            f"{len(picked)} slots would run, more than --limit {wanted.limit}: nothing was created",
            hint=f"give --limit {len(picked)}, or a shorter --from, --to",
        )
    if not picked:
        return []
    request = BackfillRequested(
        deployment=deployment.name,
        key=wanted.key,
        first=instant(picked[0].due),
        last=instant(picked[-1].due),
        count=len(picked),
        reprocess=wanted.reprocess,
        who=asked.who,
    )
    return [request, *(_created(observed, deployment, asked, slot) for slot in picked)]


def _created(observed: Observed, deployment: Deployment, asked: Asked, slot: Slot) -> RunCreated:
    key, schedule = asked.wanted.key, slot.scheduled
    # A NUL is in no schedule's identity and no request of another kind: see commands.run.
    run = run_id(deployment.name, f"backfill\0{key}\0{schedule.id}", slot.due)
    return RunCreated(
        run=run,
        name=run_name(run),
        due=instant(slot.due),
        trigger="backfill",
        cause=key,
        who=asked.who,
        reason=f"backfilled: {slot.why}",
        schedule=schedule.id,
        # Its turn among the runs that wait is that of the moment it was asked for, and so is being Late.
        start_at=instant(asked.now),
        parameters=asked.parameters(deployment, schedule.rule.get("parameters") or {}),
        **pinned_fields(observed, deployment),
    )
