"""`rrule: FREQ=WEEKLY;BYDAY=MO`: RFC 5545 recurrence on the zone's clock. Loaded by name when a spec says rrule.

Without a DTSTART the rule begins at midnight of 2020-01-01 in the zone. The schedule's timezone decides: a zone on
DTSTART, RDATE or EXDATE is dropped, while `UNTIL=...Z` is an instant.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import merge
from itertools import groupby, islice
from typing import ClassVar
from zoneinfo import ZoneInfo

from reconciler.model.plan import Json
from reconciler.schedules import ScheduleError, quoted
from reconciler.schedules._ical import Part, read, wrong
from reconciler.schedules._recurrence import Recurrence
from reconciler.schedules._wall import EARLIEST, LATEST, REACH, WallClock, first_instant, utc
from reconciler.schedules._zone import zone_of

_MOST = 100_000
"""The largest COUNT: it is counted through once, when the rule is read."""
_LONG = timedelta(days=500 * 365)
"""A COUNT that is not used up in this time has no end."""
_ROW = 50_000
"""Exceptions in a row after which a rule names no more times."""


@dataclass(frozen=True, slots=True)
class _Bounded:
    """A recurrence with its end."""

    recurrence: Recurrence
    last: datetime
    """No local time after this one."""
    until: datetime | None
    """No instant after this one."""

    def walls(self, start: datetime, stop: datetime, zone: ZoneInfo) -> Iterator[datetime]:
        for wall in self.recurrence.walls(start, min(stop, self.last)):
            if self.until is None or first_instant(wall, zone) <= self.until:
                yield wall


@dataclass(frozen=True, slots=True)
class RRule(WallClock):
    """Recurrences and dates, without exceptions, in a zone."""

    fields: ClassVar[frozenset[str]] = frozenset({"rrule", "timezone"})

    zone: ZoneInfo
    rules: tuple[_Bounded, ...]
    without: tuple[_Bounded, ...]
    dates: tuple[datetime, ...]
    except_dates: frozenset[datetime]

    @classmethod
    def parse(cls, rule: Mapping[str, Json]) -> "RRule":
        """See Schedule."""
        text = rule.get("rrule")
        if not isinstance(text, str):
            raise ScheduleError("rrule", f"an rrule is text such as FREQ=DAILY, not {quoted(text)}")
        zone, lines = zone_of(rule), read(text)
        found = cls(
            zone,
            tuple(_bounded(part, zone) for part in lines.rules),
            tuple(_bounded(part, zone) for part in lines.without),
            tuple(sorted(set(lines.dates))),
            frozenset(lines.except_dates),
        )
        if next(found.walls(EARLIEST, LATEST), None) is None:
            raise wrong(f"{quoted(text)} names no moment at all; correct its parts or its exceptions")
        return found

    def walls(self, start: datetime, stop: datetime) -> Iterator[datetime]:
        """See WallClock."""
        if self._plain:
            return self.rules[0].walls(start, stop, self.zone)
        return self._set(start, stop)

    def tally(self, start: datetime, stop: datetime) -> int:
        """See WallClock."""
        if self._plain and self.rules[0].until is None:
            return self.rules[0].recurrence.tally(start, min(stop, self.rules[0].last))
        return WallClock.tally(self, start, stop)

    @property
    def _plain(self) -> bool:
        return len(self.rules) == 1 and not (self.without or self.dates or self.except_dates)

    def _set(self, start: datetime, stop: datetime) -> Iterator[datetime]:
        dates = (date for date in self.dates if start <= date <= stop)
        wanted = merge(dates, *(rule.walls(start, stop, self.zone) for rule in self.rules))
        unwanted = merge(*(rule.walls(start, stop, self.zone) for rule in self.without))
        out, row = next(unwanted, None), 0
        for wall, _ in groupby(wanted):
            while out is not None and out < wall:
                out = next(unwanted, None)
            row = row + 1 if wall == out or wall in self.except_dates else 0
            if row > _ROW:
                return
            if not row:
                yield wall


def _bounded(part: Part, zone: ZoneInfo) -> _Bounded:
    """A part with its COUNT made an end once, so that no later question counts again."""
    last, until = LATEST, None
    if part.until is not None and part.until.tzinfo is None:
        last = min(last, part.until)
    elif part.until is not None:
        until = utc(part.until)
        last = min(last, until.astimezone(zone).replace(tzinfo=None) + REACH)
    if part.count is not None:
        if part.count > _MOST:
            raise wrong(f"COUNT={part.count} would take long to count through; write up to {_MOST}, or an UNTIL")
        horizon = min(last - _LONG, part.recurrence.start) + _LONG
        last = min(last, next(islice(part.recurrence.walls(EARLIEST, horizon), part.count - 1, None), last))
    elif next(part.recurrence.walls(EARLIEST, LATEST), None) is None:
        raise wrong("a recurrence never happens: its parts exclude each other; correct them")
    return _Bounded(part.recurrence, last, until)
