"""Which slots are due, and when to look again. Called by the loop with its clock's now.

A slot found at most `GRACE` after its due still runs; an older one is missed. Slots of a deployment that is paused or
suspended, or of an inactive schedule, are skipped, told as one stretch when it ends (DESIGN section 5, Schedules).
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from reconciler import schedules
from reconciler.model.events import Fact, RunCreated, SlotsMissed, SlotsSkipped
from reconciler.model.ids import instant, moment, run_id, run_name
from reconciler.model.plan import Json
from reconciler.model.state import Deployment, Observed, Scheduled

GRACE = timedelta(seconds=60)
"""How late a slot may be found and still run."""

MANY = 10_000_000
"""No stretch counts more slots than this: a year of seconds is 31 million, and nobody asks for that twice."""

Parameters = Callable[[Deployment, dict[str, object]], str]
"""The digest of a deployment's parameters with a schedule's own laid over them."""


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


def due(observed: Observed, now: datetime, parameters: Parameters, names: Iterable[str] | None = None) -> Due:
    """Runs created and slots missed by `now`, of all deployments or those named, and when to look again."""
    facts: list[Fact] = []
    wakes: dict[str, datetime | None] = {}
    for name in observed.deployments if names is None else names:
        deployment = observed.deployments.get(name)
        firsts = []
        for scheduled in deployment.schedules if deployment and not _still(deployment) else ():
            if not scheduled.rule.get("active", True):
                continue
            first = first_due(scheduled)
            if first is not None and first <= now and deployment is not None:
                facts += _slots_due(observed, deployment, scheduled, now, parameters)
                first = _after(scheduled, now)
            if first is not None:
                firsts.append(first)
        wakes[name] = min(firsts, default=None)
    return Due(tuple(facts), wakes)


class Agenda:
    """When to look at which deployment, so that what is due costs what is due and not what is deployed."""

    def __init__(self, names: Iterable[str]) -> None:
        self._unknown = set(names)
        self._at: dict[str, datetime | None] = {}
        self._heap: list[tuple[datetime, str]] = []

    def touch(self, names: Iterable[str]) -> None:
        """These changed: their next slots are to be looked at again."""
        self._unknown.update(names)

    def ripe(self, now: datetime) -> list[str]:
        """The deployments to look at now."""
        while self._heap and (self._heap[0][0] <= now or self._at.get(self._heap[0][1]) != self._heap[0][0]):
            at, name = heapq.heappop(self._heap)
            if self._at.get(name) == at:
                self._unknown.add(name)
        return sorted(self._unknown)

    def learn(self, wakes: Mapping[str, datetime | None]) -> None:
        """What looking at them said."""
        for name, at in wakes.items():
            self._unknown.discard(name)
            self._at[name] = at
            if at is not None:
                heapq.heappush(self._heap, (at, name))

    def wake_at(self, now: datetime) -> datetime | None:
        """When the next one is to be looked at: now, a later instant, or never."""
        if self._unknown:
            return now
        return self._heap[0][0] if self._heap else None


def first_due(scheduled: Scheduled) -> datetime | None:
    """The first slot after what is accounted for, computed once and kept in the schedule."""
    if scheduled.next_due is None and not scheduled.ended:
        scheduled.next_due = _next(scheduled, scheduled.accounted)
        scheduled.ended = scheduled.next_due is None
    return scheduled.next_due


def _next(scheduled: Scheduled, after: datetime) -> datetime | None:
    """The first slot after an instant; none of a rule that this machine cannot read (any more)."""
    try:
        return schedules.next_slot(schedules.load(scheduled.rule), after)
    except schedules.ScheduleError:
        return None


def look_ahead(observed: Observed) -> Iterator[None]:
    """Compute the slot after each next one, a schedule a step: the loop does this while nothing else is to do."""
    for deployment in list(observed.deployments.values()):
        for scheduled in deployment.schedules if not _still(deployment) else ():
            if scheduled.following is None and not scheduled.ended and scheduled.rule.get("active", True):
                first = first_due(scheduled)
                if first is not None:
                    scheduled.following = _next(scheduled, first)
                yield


# --- a restart ------------------------------------------------------------------------------------------------------


def known(observed: Observed) -> dict[str, Json]:
    """The next slots that were computed, as JSON by deployment: a cache for the next start."""
    return {
        d.name: [d.digest, [[s.id, instant(s.accounted), instant(s.next_due)] for s in d.schedules if s.next_due]]
        for d in observed.deployments.values()
        if any(s.next_due for s in d.schedules)
    }


def remember(observed: Observed, kept: Mapping[str, Json]) -> None:
    """Take up what an earlier process computed, where the deployment and its place are still the same."""
    for name, (digest, slots) in kept.items():
        deployment = observed.deployments.get(name)
        if deployment is None or deployment.digest != digest:
            continue
        by_id = {ident: (accounted, following) for ident, accounted, following in slots}
        for scheduled in deployment.schedules:
            accounted, following = by_id.get(scheduled.id, ("", ""))
            if accounted == instant(scheduled.accounted):
                scheduled.next_due = moment(following)


def _after(scheduled: Scheduled, now: datetime) -> datetime | None:
    if scheduled.following is not None and scheduled.following > now:
        return scheduled.following
    scheduled.following = _next(scheduled, now)
    return scheduled.following


def _still(deployment: Deployment) -> bool:
    return deployment.paused or deployment.suspended is not None


def _slots_due(
    observed: Observed, deployment: Deployment, scheduled: Scheduled, now: datetime, parameters: Parameters
) -> list[Fact]:
    rule = schedules.load(scheduled.rule)
    facts: list[Fact] = []
    first_fresh = now - GRACE
    start = scheduled.accounted
    if scheduled.next_due is not None and scheduled.next_due < first_fresh:
        facts += _stretch(
            SlotsMissed,
            deployment,
            scheduled,
            first_fresh - timedelta(microseconds=1),
            "nobody looked within the grace of 60 s",
        )
        start = first_fresh - timedelta(microseconds=1)
    slots = [scheduled.next_due] if _alone(scheduled, now, start) else rule.slots(start, until=now)
    facts += [_run(observed, deployment, scheduled, slot, parameters) for slot in slots if slot]
    return facts


def _alone(scheduled: Scheduled, now: datetime, start: datetime) -> bool:
    """Whether the next slot is known to be the only one due: no schedule needs computing while slots wait."""
    return (
        scheduled.next_due is not None
        and scheduled.next_due > start
        and scheduled.following is not None
        and scheduled.following > now
    )


def _stretch(
    kind: type[SlotsSkipped], deployment: Deployment, scheduled: Scheduled, until: datetime, reason: str
) -> list[Fact]:
    """The slots after those accounted for, up to `until`, as one fact; none when there are none."""
    found = schedules.count(schedules.load(scheduled.rule), scheduled.accounted, until, MANY)
    if found.first is None or found.last is None:
        return []
    told = kind(
        deployment=deployment.name,
        schedule=scheduled.id,
        first=instant(found.first),
        last=instant(found.last),
        count=found.n,
        reason=reason,
    )
    return [told]


def _run(
    observed: Observed, deployment: Deployment, scheduled: Scheduled, slot: datetime, parameters: Parameters
) -> RunCreated:
    run = run_id(deployment.name, scheduled.id, slot)
    return RunCreated(
        run=run,
        deployment=deployment.name,
        name=run_name(run),
        due=instant(slot),
        trigger="schedule",
        cause=scheduled.id,
        parameters=parameters(deployment, scheduled.rule.get("parameters") or {}),
        spec=deployment.digest,
        spec_commit=deployment.spec_commit,
        source_commit=deployment.source_commit(observed.whole_commit),
        version=deployment.version(observed.whole_commit),
        generation=deployment.generation,
        tags=deployment.tags,
        pool=deployment.pool,
        queue=deployment.queue,
        retries=deployment.retries,
    )


def skipped(deployment: Deployment, until: datetime, reason: str, *, inactive_only: bool = False) -> list[Fact]:
    """The slots that passed while the deployment, or only its inactive schedules, stood still; told when that ends."""
    facts: list[Fact] = []
    for scheduled in deployment.schedules:
        if inactive_only and scheduled.rule.get("active", True):
            continue
        first = first_due(scheduled)
        if first is None or first > until:
            continue
        facts += _stretch(SlotsSkipped, deployment, scheduled, until, reason)
    return facts
