"""Which slots are due, and when to look again. Called by the loop with its clock's now.

A slot found at most `GRACE` after its due still runs; an older one is missed. Slots of a deployment that is paused or
suspended, or of an inactive schedule, are skipped, told as one stretch when it ends (DESIGN section 5, Schedules).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from reconciler import schedules
from reconciler.model.events import Fact, RunCreated, SlotsMissed, SlotsSkipped
from reconciler.model.ids import instant, run_id, run_name
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
    wake_at: datetime | None


def due(observed: Observed, now: datetime, parameters: Parameters) -> Due:
    """Runs created and slots missed by `now`, and the next wake-up; None when no slot is ahead."""
    facts: list[Fact] = []
    wake: datetime | None = None
    for deployment in observed.deployments.values():
        if deployment.schedules and not _still(deployment):
            for scheduled in deployment.schedules:
                if not scheduled.rule.get("active", True):
                    continue
                first = first_due(scheduled)
                if first is not None and first <= now:
                    facts += _slots_due(observed, deployment, scheduled, now, parameters)
                    first = _after(scheduled, now)
                if first is not None and (wake is None or first < wake):
                    wake = first
    return Due(tuple(facts), wake)


def first_due(scheduled: Scheduled) -> datetime | None:
    """The first slot after what is accounted for, computed once and kept in the schedule."""
    if scheduled.next_due is None and not scheduled.ended:
        scheduled.next_due = schedules.next_slot(schedules.load(scheduled.rule), scheduled.accounted)
        scheduled.ended = scheduled.next_due is None
    return scheduled.next_due


def look_ahead(observed: Observed) -> Iterator[None]:
    """Compute the slot after each next one, a schedule a step: the loop does this while nothing else is to do."""
    for deployment in list(observed.deployments.values()):
        for scheduled in deployment.schedules:
            if scheduled.following is None and not scheduled.ended:
                first = first_due(scheduled)
                if first is not None:
                    scheduled.following = schedules.next_slot(schedules.load(scheduled.rule), first)
                yield


def _after(scheduled: Scheduled, now: datetime) -> datetime | None:
    if scheduled.following is not None and scheduled.following > now:
        return scheduled.following
    scheduled.following = schedules.next_slot(schedules.load(scheduled.rule), now)
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
