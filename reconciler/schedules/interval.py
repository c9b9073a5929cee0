"""`interval: PT10M`: every so much time from an anchor, both ways in time. Loaded by name when a spec says interval.

Whole days keep the hour that the anchor shows on the zone's clock; every other interval is exact elapsed time. The
anchor is a phase, not a start. Without one it is midnight of 2020-01-01 in the zone: the same slots on every machine.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar
from zoneinfo import ZoneInfo

from reconciler.model.plan import Json
from reconciler.schedules import Schedule, ScheduleError, Stretch, quoted
from reconciler.schedules._wall import DAY, EARLIEST, LATEST, WallClock, first_instant, utc
from reconciler.schedules._zone import zone, zone_of

_ISO = re.compile(
    r"P(?!$)(?:(?P<years>\d+)Y)?(?:(?P<months>\d+)M)?(?:(?P<weeks>\d+(?:\.\d+)?)W)?(?:(?P<days>\d+(?:\.\d+)?)D)?"
    r"(?:T(?!$)(?:(?P<hours>\d+(?:\.\d+)?)H)?(?:(?P<minutes>\d+(?:\.\d+)?)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?",
    re.ASCII,
)
_CLOCK = re.compile(r"(?P<hours>\d+):(?P<minutes>[0-5]\d):(?P<seconds>[0-5]\d(?:\.\d+)?)", re.ASCII)
_DAYS = {"years": 365, "months": 30}
_LONGEST_TEXT = 64
_SHORTEST, _LONGEST = timedelta(seconds=1), timedelta(days=36_525)
_ANCHOR = datetime(2020, 1, 1)  # noqa: DTZ001 - local time of the schedule's zone
_NAMED = re.compile(r"(?P<time>[^\[\]]+)\[(?P<zone>[^\[\]]+)\]")


@dataclass(frozen=True, slots=True)
class Interval(WallClock):
    """Every `step` from `anchor`, an instant, in both directions."""

    fields: ClassVar[frozenset[str]] = frozenset({"interval", "timezone", "anchor_date"})

    zone: ZoneInfo
    anchor: datetime
    step: timedelta

    @classmethod
    def parse(cls, rule: Mapping[str, Json]) -> "Interval":
        """See Schedule."""
        step = duration(rule.get("interval"))
        where, anchor = _anchored(rule)
        return cls(where, anchor, step)

    @property
    def whole_days(self) -> bool:
        """Whether the hour on the clock is kept, rather than the time elapsed."""
        return not self.step % DAY

    def walls(self, start: datetime, stop: datetime) -> Iterator[datetime]:
        """See WallClock: the local times of whole days."""
        anchor = self.anchor.astimezone(self.zone).replace(tzinfo=None)
        wall = anchor - self.step * ((anchor - start) // self.step)
        while wall <= stop:
            yield wall
            wall += self.step

    def slots(self, after: datetime, *, until: datetime | None = None) -> Iterator[datetime]:
        """See Schedule."""
        return WallClock.slots(self, after, until=until) if self.whole_days else self._elapsed(after, until)

    def count(self, after: datetime, until: datetime, limit: int) -> Stretch:
        """See Schedule."""
        if self.whole_days:
            return WallClock.count(self, after, until, limit)
        begin = (utc(after) - self.anchor) // self.step + 1
        n = min((utc(until) - self.anchor) // self.step + 1 - begin, limit)
        if n <= 0:
            return Stretch(None, None, 0)
        return Stretch(self.anchor + self.step * begin, self.anchor + self.step * (begin + n - 1), n)

    def asked(self, slot: datetime) -> datetime:
        """See Schedule."""
        return WallClock.asked(self, slot) if self.whole_days else Schedule.asked(self, slot)

    def _elapsed(self, after: datetime, until: datetime | None) -> Iterator[datetime]:
        end = utc(until or LATEST.replace(tzinfo=UTC))
        slot = self.anchor + self.step * ((utc(after) - self.anchor) // self.step + 1)
        while slot <= end:
            yield slot
            slot += self.step


def duration(value: Json) -> timedelta:
    """Seconds as a number, an ISO 8601 duration (a month is 30 days, a year 365) or H:MM:SS.

    Raises ScheduleError (key `interval`).
    """
    try:
        length = _length(value)
    except OverflowError:
        length = timedelta.max
    if length is None:
        raise ScheduleError(
            "interval", f"{quoted(value)} is no interval; write seconds as a number, PT10M, P1D, P1W or 1:30:00"
        )
    if not _SHORTEST <= length <= _LONGEST:
        raise ScheduleError("interval", f"{quoted(value)} is no usable interval; write one from a second to a century")
    return length


def _length(value: Json) -> timedelta | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return timedelta(seconds=value) if math.isfinite(value) else None
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
        return None
    found = _ISO.fullmatch(value) or _CLOCK.fullmatch(value)
    if not found:
        return None
    parts = {unit: float(number) for unit, number in found.groupdict().items() if number is not None}
    days = sum(parts.pop(unit, 0) * length for unit, length in _DAYS.items())
    return timedelta(days=days) + timedelta(**parts)


def _anchored(rule: Mapping[str, Json]) -> tuple[ZoneInfo, datetime]:
    """The zone of a rule and its anchor as an instant."""
    text = rule.get("anchor_date")
    if text is None:
        where = zone_of(rule)
        return where, first_instant(_ANCHOR, where)
    if not isinstance(text, str):
        raise _no_anchor(text)
    named = _NAMED.fullmatch(text)
    where = zone_of(rule, named["zone"] if named else "UTC")
    try:
        moment = datetime.fromisoformat(named["time"] if named else text)
    except ValueError:
        raise _no_anchor(text) from None
    if not EARLIEST.year < moment.year < LATEST.year:
        raise _no_anchor(text)
    if moment.tzinfo is None:
        return where, first_instant(moment, zone(named["zone"])) if named else moment.replace(tzinfo=UTC)
    return where, moment.astimezone(UTC)


def _no_anchor(value: Json) -> ScheduleError:
    return ScheduleError(
        "anchor_date",
        f"{quoted(value)} is no date; write one such as 2024-01-01T09:00:00Z (without an offset it is UTC)",
    )
