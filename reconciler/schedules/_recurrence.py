"""One recurrence (`FREQ=WEEKLY;BYDAY=MO`) as a grid of local times. Called by rrule.

dateutil says which days of one year fit the BY... parts; periods, times of day and BYSETPOS are arithmetic. So a
question about today costs today's year, however long ago the rule began, and what never fits ends after a century.
"""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import groupby

from dateutil import rrule as ical

from reconciler.schedules._grid import CENTURY, Grid, product

Masks = tuple[tuple[str, tuple[object, ...]], ...]
"""dateutil's by... arguments that choose days, as (name, values); weekdays as (weekday, nth)."""

_YEARS = 100
"""No day within so many years: there is none."""
_UNITS = {ical.HOURLY: 3600, ical.MINUTELY: 60, ical.SECONDLY: 1}
_DAY = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurrence(Grid):
    """A frequency with its parts, all explicit: nothing is derived from `start` any more but the phase."""

    freq: int
    """One of dateutil's YEARLY (0) to SECONDLY (6)."""
    interval: int
    start: datetime
    """DTSTART, a naive local time."""
    week: int
    """The first day of the week, Monday 0."""
    masks: Masks
    clock: tuple[tuple[int, ...] | None, tuple[int, ...] | None, tuple[int, ...] | None]
    """Hours, minutes and seconds of the day; None where a frequency finer than the day takes all."""
    places: tuple[int, ...]
    """BYSETPOS: which of a period's times, from 1, or from -1 backwards; empty for all."""

    def days(self, start: int, stop: int) -> Iterator[int]:
        """See Grid."""
        if not self.masks:
            step = self.interval if self.freq == ical.DAILY else 1
            return iter(range(start + (self.start.toordinal() - start) % step, stop + 1, step))
        return (day for day in self._fitting(start, stop) if start <= day <= stop and self._in_phase(day))

    def times(self, day: int) -> Sequence[int]:
        """See Grid."""
        if self.freq <= ical.DAILY:
            hours, minutes, seconds = self.clock
            return product(hours or (), minutes or (), seconds or ())
        unit = _UNITS[self.freq]
        begin = self.start.hour * 3600 + self.start.minute * 60 + self.start.second
        base = (self.start.toordinal() - day) * _DAY + begin // unit * unit
        return _progression(base % (self.interval * unit), self.interval * unit, unit, self.clock, self.places)

    def walls(self, start: datetime, stop: datetime) -> Iterator[datetime]:
        """See Grid."""
        start = max(start, self.start)
        if not self.places or self.freq > ical.DAILY:
            return Grid.walls(self, start, stop)
        return (wall for wall in self._placed(start, stop) if start <= wall <= stop)

    def tally(self, start: datetime, stop: datetime) -> int:
        """See Grid."""
        if self.places and self.freq <= ical.DAILY:
            return sum(1 for _ in self.walls(start, stop))
        return Grid.tally(self, max(start, self.start), stop)

    def _fitting(self, start: int, stop: int) -> Iterator[int]:
        """The days that the masks leave of the years from start to stop, until a century has none."""
        found = year = date.fromordinal(start).year
        last = date.fromordinal(stop).year
        while year <= min(last, found + _YEARS):
            if self.freq != ical.YEARLY or not (year - self.start.year) % self.interval:
                days = _days_of(year, self.week, self.masks)
                found = year if days else found
                yield from days
            year += 1

    def _in_phase(self, day: int) -> bool:
        return self.freq > ical.DAILY or not (self._period(day) - self._period(self.start.toordinal())) % self.interval

    def _period(self, day: int) -> int:
        """The number of the period that a day lies in."""
        if self.freq == ical.WEEKLY:
            return (day - 1 - self.week) // 7
        when = date.fromordinal(day)
        return {ical.YEARLY: when.year, ical.MONTHLY: when.year * 12 + when.month}.get(self.freq, day)

    def _opens(self, day: int) -> int:
        """The first day of the period that a day lies in; a week that DTSTART cuts begins there."""
        when = date.fromordinal(day)
        if self.freq == ical.WEEKLY:
            return max(self._period(day) * 7 + 1 + self.week, self.start.toordinal())
        return {ical.YEARLY: date(when.year, 1, 1), ical.MONTHLY: date(when.year, when.month, 1)}.get(
            self.freq, when
        ).toordinal()

    def _placed(self, start: datetime, stop: datetime) -> Iterator[datetime]:
        """The times that BYSETPOS picks from each period, at least from start to stop."""
        whole = self.days(self._opens(start.toordinal()), min(stop.toordinal() + 366, date.max.toordinal()))
        found = start.toordinal()
        for _, period in groupby(whole, key=self._period):
            days = list(period)
            times = self.times(days[0])
            for at in _picked(self.places, len(days) * len(times)):
                yield datetime.fromordinal(days[at // len(times)]) + timedelta(seconds=times[at % len(times)])
                found = days[0]
            if days[0] > min(stop.toordinal(), found + CENTURY):
                return


def _picked(places: tuple[int, ...], length: int) -> list[int]:
    """The positions from 0 that BYSETPOS means among so many, ascending."""
    at = {place - 1 if place > 0 else length + place for place in places}
    return sorted(position for position in at if 0 <= position < length)


@lru_cache(maxsize=1024)
def _days_of(year: int, week: int, masks: Masks) -> Sequence[int]:
    by = {name: [_weekday(value) for value in values] for name, values in masks}
    # So large an interval that dateutil looks at this one year and ends.
    rule = ical.rrule(ical.YEARLY, dtstart=datetime(year, 1, 1), interval=9999, wkst=week, **by)  # type: ignore[arg-type]  # noqa: DTZ001
    return array("I", (when.toordinal() for when in rule))


def _weekday(value: object) -> object:
    return ical.weekday(*value) if isinstance(value, tuple) else value


@lru_cache(maxsize=64)
def _progression(
    begin: int, step: int, unit: int, clock: tuple[tuple[int, ...] | None, ...], places: tuple[int, ...]
) -> Sequence[int]:
    """The seconds of a day that lie whole steps from `begin` and fit the clock; finer parts are multiplied out."""
    grid = range(begin, _DAY, step)
    hours, minutes, seconds = (set(part) if part is not None else None for part in clock)
    finer = product((0,), clock[1] or () if unit > 60 else (0,), clock[2] or () if unit > 1 else (0,))  # noqa: PLR2004
    if places:
        finer = [finer[at] for at in _picked(places, len(finer))]
    if hours is None and (unit > 60 or minutes is None) and (unit > 1 or seconds is None) and list(finer) == [0]:  # noqa: PLR2004
        return grid
    fits = (
        at
        for at in grid
        if (hours is None or at // 3600 in hours)
        and (unit > 60 or minutes is None or at // 60 % 60 in minutes)  # noqa: PLR2004
        and (unit > 1 or seconds is None or at % 60 in seconds)
    )
    return array("I", (at + more for at in fits for more in finer))
