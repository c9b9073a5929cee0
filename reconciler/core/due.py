"""Which slots are due, and when to look again. Called by the loop with its clock's now.

A slot found at most `GRACE` after its due runs; an older one follows the schedule's `catchup`: `none` tells it as
missed, `latest` runs the newest one and tells those before, `all` runs every one, oldest first and a few at a time.
Neither reaches further back than `catchup_window` (DESIGN section 5, Schedules).
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from reconciler import schedules
from reconciler.core.created import pinned_fields
from reconciler.core.project import SET_BACK
from reconciler.core.rest import first_due, next_after, resting, stretch
from reconciler.model.duration import seconds
from reconciler.model.events import RunCreated, SlotsMissed, SlotsSkipped
from reconciler.model.fact import Fact
from reconciler.model.ids import instant, run_id, run_name
from reconciler.model.plan import Json
from reconciler.model.state import Deployment, Observed, Scheduled

GRACE = timedelta(seconds=60)
"""How late a slot may be found and still run whatever `catchup` says."""
WINDOW = timedelta(days=1)
"""How old a slot may be that is caught up, unless `catchup_window` says otherwise."""
PACE = 250
"""Runs that catch up created in one turn, so that the loop answers in between."""
STEP = 25
"""Of them, those of one schedule: the schedule furthest behind goes on next."""
BACKLOG = 1_000
"""While so many runs are not over, slots wait to be caught up: a year of seconds must not fill the memory."""
HOLD = timedelta(seconds=1)
"""How long they wait then before it is looked again."""

_TICK = timedelta(microseconds=1)

Parameters = Callable[[Deployment, dict[str, object]], str]
"""The digest of a deployment's parameters with a schedule's own laid over them."""
Ran = Callable[[str], bool]
"""Whether a run of this id exists, finished ones included; asked only after the clock was set back."""


@dataclass(frozen=True, slots=True)
class Due:
    """What is due now, and the next instant at which something will be."""

    facts: tuple[Fact, ...]
    wakes: Mapping[str, datetime | None]
    """Of each deployment looked at: its next slot; None when none is ahead."""

    @property
    def wake_at(self) -> datetime | None:
        """The earliest of `wakes`."""
        return min(filter(None, self.wakes.values()), default=None)


def due(
    observed: Observed,
    now: datetime,
    parameters: Parameters,
    names: Iterable[str] | None = None,
    *,
    ran: Ran = lambda _run: False,
) -> Due:
    """Runs created and slots missed by `now`, of all deployments or those named, and when to look again."""
    look = _Look(observed, now, parameters, ran)
    for name in observed.deployments if names is None else names:
        look.wakes[name] = None
        deployment = observed.deployments.get(name)
        for scheduled in deployment.schedules if deployment else ():
            if deployment is not None and not resting(deployment, scheduled):
                look.at(deployment, scheduled)
    look.catch_up()
    return Due(tuple(look.facts), look.wakes)


class _Look:
    """One look at some deployments."""

    def __init__(self, observed: Observed, now: datetime, parameters: Parameters, ran: Ran) -> None:
        self.facts: list[Fact] = []
        self.wakes: dict[str, datetime | None] = {}
        self._observed = observed
        self._now = now
        self._parameters = parameters
        self._ran = ran
        self._behind: list[tuple[datetime, Deployment, Scheduled]] = []

    def at(self, deployment: Deployment, scheduled: Scheduled) -> None:
        """What is due of a schedule; one that is to run all it missed is left for `catch_up`."""
        now = self._now
        if scheduled.accounted > now + SET_BACK:
            self._again(deployment, scheduled)
            return
        first = first_due(scheduled)
        if first is not None and first <= now:
            if first < now - GRACE and scheduled.rule.get("catchup") == "all":
                self._behind.append((first, deployment, scheduled))
                return
            start = scheduled.accounted if first >= now - GRACE else self._old(deployment, scheduled)
            slots = [first] if _alone(scheduled, now, start) else _rule(scheduled).slots(start, until=now)
            self.facts += [self._run(deployment, scheduled, slot) for slot in slots]
            first = _after(scheduled, now)
        self._wake(deployment, first)

    def _old(self, deployment: Deployment, scheduled: Scheduled) -> datetime:
        """Tell what is past the grace, and catch up the latest of it where that is wanted; up to when it was told."""
        until, why = self._now - GRACE - _TICK, "nobody looked within the grace of 60 s"
        newest = None
        if scheduled.rule.get("catchup") == "latest":
            after = max(scheduled.accounted, self._now - _window(scheduled) - _TICK)
            newest = next(iter(schedules.newest(_rule(scheduled), after, until, 1)), None)
            why += (
                "; only the latest is caught up"
                if newest
                else f"; older than the catchup_window of {said(_window(scheduled))}"
            )
        missed_until = newest - _TICK if newest else until
        self.facts += stretch(SlotsMissed, deployment, scheduled, missed_until, why)
        if newest:
            self.facts.append(self._run(deployment, scheduled, newest))
        return until

    def catch_up(self) -> None:
        """Go on with the schedules that are to run all they missed, that furthest behind first."""
        room = max(0, min(PACE, BACKLOG - len(self._observed.runs)))
        for _, deployment, scheduled in sorted(self._behind, key=lambda each: (each[0], each[1].name, each[2].id)):
            oldest, share = self._now - _window(scheduled), min(STEP, room)
            why = f"nobody looked in time; older than the catchup_window of {said(_window(scheduled))}"
            self.facts += stretch(SlotsMissed, deployment, scheduled, min(oldest, self._now - GRACE) - _TICK, why)
            start = max(scheduled.accounted, min(oldest, self._now - GRACE) - _TICK)
            slots = list(islice(_rule(scheduled).slots(start, until=self._now), share + 1))
            self.facts += [self._run(deployment, scheduled, slot) for slot in slots[:share]]
            room -= len(slots[:share])
            if len(slots) <= share:
                self._wake(deployment, _after(scheduled, self._now))
            else:
                self._wake(deployment, slots[share] if share else self._now + HOLD)

    def _again(self, deployment: Deployment, scheduled: Scheduled) -> None:
        """The clock was set back by more than a day, so it was wrong before: go on now, and run nothing twice.

        All up to `accounted` was told by the wrong clock and is not told again; a slot that has no run gets one.
        """
        if next_after(scheduled, self._now - GRACE - _TICK) is None:
            return
        slots = _rule(scheduled).slots(self._now - GRACE - _TICK, until=self._now)
        told = [self._run(deployment, scheduled, slot) for slot in slots]
        self.facts += [fact for fact in told if isinstance(fact, RunCreated)]
        self._wake(deployment, next_after(scheduled, self._now))

    def _wake(self, deployment: Deployment, at: datetime | None) -> None:
        known = self.wakes.get(deployment.name)
        if at is not None and (known is None or at < known):
            self.wakes[deployment.name] = at

    def _run(self, deployment: Deployment, scheduled: Scheduled, slot: datetime) -> Fact:
        run = run_id(deployment.name, scheduled.id, slot)
        if self._maybe_ran(scheduled, slot) and self._ran(run):
            return SlotsSkipped(
                deployment=deployment.name,
                schedule=scheduled.id,
                first=instant(slot),
                last=instant(slot),
                count=1,
                reason=f"run {run} is of this slot: it ran before the clock was set back",
            )
        late = self._now - slot
        starts = _start(deployment, scheduled, slot)
        return RunCreated(
            run=run,
            name=run_name(run),
            due=instant(slot),
            trigger="schedule",
            cause=scheduled.id,
            reason=f"caught up {said(late)} after its due" if late > GRACE else "",
            start_at=instant(starts) if starts else None,
            parameters=self._parameters(deployment, scheduled.rule.get("parameters") or {}),
            **pinned_fields(self._observed, deployment),
        )

    def _maybe_ran(self, scheduled: Scheduled, slot: datetime) -> bool:
        """Whether only the log can tell: a schedule that is gone, or this one, was accounted for past the slot."""
        left = self._observed.left
        return slot <= scheduled.accounted or (left is not None and slot <= left)


def _rule(scheduled: Scheduled) -> schedules.Schedule:
    return schedules.load(scheduled.rule)


def _window(scheduled: Scheduled) -> timedelta:
    given: Json = scheduled.rule.get("catchup_window")
    return WINDOW if given is None else timedelta(seconds=seconds(given))


def _start(deployment: Deployment, scheduled: Scheduled, slot: datetime) -> datetime | None:
    """When the run may start, where jitter spreads the runs: always the same for the same schedule of a deployment."""
    most = seconds(scheduled.rule.get("jitter") or 0)
    if not most:
        return None
    drawn = hashlib.sha256(f"{deployment.name}\0{scheduled.id}".encode()).digest()
    return slot + timedelta(seconds=most * int.from_bytes(drawn[:6], "big") / (2**48 - 1))


def said(length: timedelta) -> str:
    """A length of time for people, two units at most: `1 day`, `3 h 5 min`, `90 s`."""
    whole = int(length.total_seconds())
    if whole <= 90:  # noqa: PLR2004 - the grace, and a bit more, reads best in seconds
        return f"{whole} s"
    days, hours, minutes = whole // 86_400, whole // 3600 % 24, whole // 60 % 60
    units = ((days, "day" if days == 1 else "days"), (hours, "h"), (minutes, "min"))
    return " ".join(f"{n} {unit}" for n, unit in units if n)


def _alone(scheduled: Scheduled, now: datetime, start: datetime) -> bool:
    """Whether the next slot is known to be the only one due: no schedule needs computing while slots wait."""
    return (
        scheduled.next_due is not None
        and scheduled.next_due > start
        and scheduled.following is not None
        and scheduled.following > now
    )


def _after(scheduled: Scheduled, now: datetime) -> datetime | None:
    if scheduled.following is not None and scheduled.following > now:
        return scheduled.following
    scheduled.following = next_after(scheduled, now)
    return scheduled.following
