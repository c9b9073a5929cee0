"""A schedule's place among its slots, and stretches of slots that do not run, each told once. Called by due and pinned.

A schedule rests while its deployment is suspended (an operator) or paused (git), or while it is inactive (git). What
passed is told when that state ends or another begins, so that every stretch carries the reason that held at its time.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime

from reconciler import schedules
from reconciler.model.events import SlotsMissed, SlotsSkipped
from reconciler.model.fact import Fact
from reconciler.model.ids import instant
from reconciler.model.plan import Json
from reconciler.model.state import Deployment, Scheduled

MANY = 10_000_000
"""No fact counts more slots than this; a longer stretch (four months of seconds) is several."""


def first_due(scheduled: Scheduled) -> datetime | None:
    """The first slot after what is accounted for, computed once and kept in the schedule."""
    if scheduled.next_due is None and not scheduled.ended:
        scheduled.next_due = next_after(scheduled, scheduled.accounted)
        scheduled.ended = scheduled.next_due is None
    return scheduled.next_due


def next_after(scheduled: Scheduled, after: datetime) -> datetime | None:
    """The first slot after an instant; none of a rule that this machine cannot read (any more)."""
    try:
        return schedules.next_slot(schedules.load(scheduled.rule), after)
    except schedules.ScheduleError:
        return None


def resting(deployment: Deployment, scheduled: Scheduled) -> str:
    """Why the slots of a schedule are skipped now; empty when they run."""
    if deployment.suspended:
        return f"suspended by {deployment.suspended.who}: {deployment.suspended.reason}"
    if deployment.paused:
        return "paused in git"
    return "" if scheduled.rule.get("active", True) else "the schedule was inactive"


def stretch(
    kind: type[SlotsSkipped], deployment: Deployment, scheduled: Scheduled, until: datetime, reason: str
) -> Iterator[Fact]:
    """The slots after those accounted for, up to `until`, as one fact (see MANY); none when there are none."""
    after = scheduled.accounted
    while (found := schedules.count(schedules.load(scheduled.rule), after, until, MANY)).first and found.last:
        yield kind(
            deployment=deployment.name,
            schedule=scheduled.id,
            first=instant(found.first),
            last=instant(found.last),
            count=found.n,
            reason=reason,
        )
        if found.n < MANY:
            return
        after = found.last


def skipped(deployment: Deployment, now: datetime) -> list[Fact]:
    """The slots that passed while schedules rested; told before anything changes about why they rest."""
    facts: list[Fact] = []
    for scheduled in deployment.schedules:
        reason = resting(deployment, scheduled)
        if reason and _passed(scheduled, now):
            facts += stretch(SlotsSkipped, deployment, scheduled, now, reason)
    return facts


def given_up(deployment: Deployment, now: datetime, why: str, rules: Mapping[str, Mapping[str, Json]]) -> list[Fact]:
    """The slots that still waited to be caught up when schedules end; `rules` are those that go on, by identity."""
    facts: list[Fact] = []
    for scheduled in deployment.schedules:
        if resting(deployment, scheduled) or _goes_on(scheduled, rules) or not _passed(scheduled, now):
            continue
        facts += stretch(SlotsMissed, deployment, scheduled, now, f"{why} before they were caught up")
    return facts


def _goes_on(scheduled: Scheduled, rules: Mapping[str, Mapping[str, Json]]) -> bool:
    rule = rules.get(scheduled.id)
    if rule is None:
        rule = next((r for r in rules.values() if r.get("replaces") == scheduled.id), None)
    return (
        rule is not None
        and bool(rule.get("active", True))
        and all(rule.get(key) == scheduled.rule.get(key) for key in schedules.DECIDES)
    )


def _passed(scheduled: Scheduled, now: datetime) -> bool:
    first = first_due(scheduled)
    return first is not None and first <= now
