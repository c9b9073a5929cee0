"""The clock on the wall: the one rule that turns local times into instants. The base of cron, rrule and whole days.

A local time in a gap shifts forward by the gap; a local time in a fold is the first of the two, and also the second for
a rule that asks for it (`again`); two local times that become one instant are one slot.
"""

from abc import abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from reconciler.schedules import Schedule, Stretch

REACH = timedelta(hours=26)
"""Longer than any jump of any zone's clock (a whole day at the date line)."""
DAY = timedelta(days=1)
# Local times that any zone can turn into an instant and back, with REACH on both sides.
EARLIEST = datetime(1, 1, 5)  # noqa: DTZ001 - local times are naive
LATEST = datetime(9999, 12, 27)  # noqa: DTZ001
_TICK = timedelta(microseconds=1)
_NONE = timedelta()


def utc(moment: datetime) -> datetime:
    """The moment in UTC, kept within what can be converted. Raises ValueError for a naive datetime."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no timezone")
    return min(max(moment, EARLIEST.replace(tzinfo=UTC)), LATEST.replace(tzinfo=UTC)).astimezone(UTC)


def offset(moment: datetime, zone: ZoneInfo) -> timedelta:
    """What the zone's clock is ahead of UTC at an instant."""
    return moment.astimezone(zone).utcoffset() or _NONE


def offsets(moment: datetime, zone: ZoneInfo) -> tuple[timedelta, timedelta, timedelta]:
    """The offsets before, at and after an instant, far enough apart that a change nearby shows."""
    return offset(moment - REACH, zone), offset(moment, zone), offset(moment + REACH, zone)


def first_instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """The instant of a naive local time: shifted forward out of a gap, the first of a fold."""
    # Without a fold, a zone answers a gap with the offset before it, and that offset is what shifts forward.
    return (wall - (wall.replace(tzinfo=zone).utcoffset() or _NONE)).replace(tzinfo=UTC)


def instants(walls: Iterable[datetime], zone: ZoneInfo, *, again: bool) -> Iterator[datetime]:
    """The instants of ascending naive local times, ascending; equal ones may come in a row."""
    waiting: deque[datetime] = deque()
    for wall in walls:
        local = wall.replace(tzinfo=zone)
        before, after = local.utcoffset() or _NONE, local.replace(fold=1).utcoffset() or _NONE
        first = (wall - before).replace(tzinfo=UTC)
        if before < after:
            # Out of a gap: local times after the gap may name earlier instants than this one.
            waiting.append(first)
            continue
        while waiting and waiting[0] <= first:
            yield waiting.popleft()
        yield first
        if again and before > after:
            waiting.append((wall - after).replace(tzinfo=UTC))
    yield from waiting


class WallClock(Schedule):
    """A schedule that names local times; this class makes slots of them."""

    __slots__ = ()

    @property
    def again(self) -> bool:
        """Whether a local time that happens twice is due twice."""
        return False

    @abstractmethod
    def walls(self, start: datetime, stop: datetime) -> Iterator[datetime]:
        """The naive local times of the rule, ascending, start and stop included."""

    def tally(self, start: datetime, stop: datetime) -> int:
        """How many `walls` there are."""
        return sum(1 for _ in self.walls(start, stop))

    def slots(self, after: datetime, *, until: datetime | None = None) -> Iterator[datetime]:
        """See Schedule."""
        done = utc(after)
        end = utc(until) if until else LATEST.replace(tzinfo=UTC)
        # No local time earlier than this can still name an instant after `after`, nor one later than stop one before.
        start = done.replace(tzinfo=None) + min(offsets(done, self.zone))
        stop = end.replace(tzinfo=None) + max(offsets(end, self.zone))
        for slot in instants(self.walls(start, stop), self.zone, again=self.again):
            if slot > end:
                return
            if slot > done:
                done = slot
                yield slot

    def count(self, after: datetime, until: datetime, limit: int) -> Stretch:
        """See Schedule. A day at a time, from one slot to the next day that has one."""
        first = last = None
        n, low, end = 0, after, utc(until)
        while n < limit and (slot := next(self.slots(low, until=end), None)):
            first, last, low = first or slot, slot, min(slot + DAY, end)
            more = self._more(slot, low)
            if n + 1 + more > limit:
                low, more = LATEST.replace(tzinfo=UTC), limit - n - 1
            n += 1 + more
        if last and n > 1:
            rest = self.slots(last, until=min(low, end))
            last = deque([last, *islice(rest, more)], maxlen=1).pop()
        return Stretch(first, last, n)

    def asked(self, slot: datetime) -> datetime:
        """See Schedule."""
        wall = Schedule.asked(self, slot)
        if next(self.walls(wall, wall), None):
            return wall
        return slot.astimezone(UTC).replace(tzinfo=None) + offset(slot - REACH, self.zone)

    def _more(self, slot: datetime, high: datetime) -> int:
        around = {*offsets(slot, self.zone), *offsets(high, self.zone)}
        if len(around) > 1:
            return sum(1 for _ in self.slots(slot, until=high))
        shift = around.pop()
        return self.tally(slot.replace(tzinfo=None) + shift + _TICK, high.replace(tzinfo=None) + shift)
