"""Days times times of day: local times as a grid, entered anywhere and counted by the day. For cron and rrule."""

from abc import ABC, abstractmethod
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import lru_cache

_SECOND = timedelta(seconds=1)
CENTURY = 36_525
"""Days. A rule that names no time for so long names none any more: what never happens must end too."""


class Grid(ABC):
    """Local times made of days (proleptic ordinals) and of times of the day (seconds since midnight)."""

    __slots__ = ()

    @abstractmethod
    def days(self, start: int, stop: int) -> Iterator[int]:
        """The ordinals of the days of the grid, ascending, start and stop included."""

    @abstractmethod
    def times(self, day: int) -> Sequence[int]:
        """The seconds since midnight on such a day, ascending."""

    def walls(self, start: datetime, stop: datetime) -> Iterator[datetime]:
        """The naive local times from start to stop, both included, ascending."""
        for midnight, times, low, high in self._rows(start, stop):
            for at in range(low, high):
                yield midnight + timedelta(seconds=times[at])

    def tally(self, start: datetime, stop: datetime) -> int:
        """How many `walls` there are, at the cost of the days only."""
        return sum(max(high - low, 0) for _, _, low, high in self._rows(start, stop))

    def _rows(self, start: datetime, stop: datetime) -> Iterator[tuple[datetime, Sequence[int], int, int]]:
        begin, end = start.toordinal(), stop.toordinal()
        found = begin
        for day in self.days(begin, end):
            midnight, times = datetime.fromordinal(day), self.times(day)
            if day - found > CENTURY:
                return
            found = day if times else found
            low = bisect_left(times, -((midnight - start) // _SECOND)) if day == begin else 0
            high = bisect_right(times, (stop - midnight) // _SECOND) if day == end else len(times)
            yield midnight, times, low, high


@lru_cache(maxsize=64)
def product(hours: tuple[int, ...], minutes: tuple[int, ...], seconds: tuple[int, ...]) -> Sequence[int]:
    """Every such hour, minute and second as seconds since midnight, ascending. Arguments ascending."""
    return array("I", (h * 3600 + m * 60 + s for h in hours for m in minutes for s in seconds))
