"""The next slots of schedules, before and after a change, by the clock of their zone. Called by _review."""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice, pairwise

from reconciler.model.plan import Json
from reconciler.model.review import Slot, Times
from reconciler.schedules import Schedule, ScheduleError, load

Rules = Sequence[Mapping[str, Json]]
COUNT = 3
DAYS = 7
"""Days looked at for how many runs a day there are."""
MANY = 300
"""More slots a day than this are not counted."""


def times(deployment: str, before: Rules, after: Rules, now: datetime) -> Times:
    """The next slots of both sides."""
    old, new = _loaded(before), _loaded(after)
    first, second = _daily(old, now), _daily(new, now)
    daily = second - first if first is not None and second is not None else None
    return Times(deployment, _next(old, now), _next(new, now), daily)


def _loaded(rules: Rules) -> list[Schedule]:
    found = []
    for rule in rules:
        try:
            found.append(load(rule))
        except ScheduleError:
            continue  # of a log that another version of this program wrote
    return found


def _next(schedules: Sequence[Schedule], now: datetime) -> tuple[Slot, ...]:
    merged = heapq.merge(*(_slots(schedule, now) for schedule in schedules), key=lambda slot: slot.due)
    return tuple(islice(merged, COUNT))


def _slots(schedule: Schedule, now: datetime) -> Iterator[Slot]:
    for due in islice(schedule.slots(now), COUNT):
        local = due.astimezone(schedule.zone)
        shown = local.isoformat(sep=" ", timespec="auto" if due.second or due.microsecond else "minutes")
        yield Slot(due, f"{local:%a} {shown} {schedule.zone.key}")


def _daily(schedules: Sequence[Schedule], now: datetime) -> int | None:
    """How many slots every one of the next days has; None where they differ, or are too many."""
    days = pairwise(now + timedelta(days=number) for number in range(DAYS + 1))
    counts = (sum(schedule.count(first, last, MANY).n for schedule in schedules) for first, last in days)
    first = next(counts)
    return first if first < MANY and all(count == first for count in counts) else None
