"""`cron: 0 9 * * MON-FRI`: five fields, or six with seconds last. Loaded by name when a spec says cron.

croniter reads the expression and finds the days, on naive local time; the times of day are its fields multiplied out,
and local time becomes an instant by our own rule. An hour that is literally `*` also fires through a repeated hour.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import ClassVar
from zoneinfo import ZoneInfo

from croniter import croniter

from reconciler.model.plan import Json
from reconciler.schedules import ScheduleError, quoted
from reconciler.schedules._grid import Grid, product
from reconciler.schedules._wall import WallClock
from reconciler.schedules._zone import zone_of

_LONGEST = 256
_ALIASES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_FIELDS = (
    ("minute", "0-59"),
    ("hour", "0-23"),
    ("day of month", "1-31, L for the last day or 15W for the nearest weekday"),
    ("month", "1-12 or JAN-DEC"),
    ("day of week", "0-7 or SUN-SAT, 5#3 for the third or L5 for the last Friday"),
    ("second", "0-59"),
)
_ALL = (tuple(range(60)), tuple(range(24)), (), (), (), tuple(range(60)))
_UNIX, _WITH_SECONDS = 5, 6
_DRAWN = re.compile(r"[hr]([(/].*)?", re.IGNORECASE)
_EQUAL = re.compile(r"(\w+)-\1(/\d+)?", re.IGNORECASE | re.ASCII)
# What the reading of a hostile expression was seen to raise; its own errors are ValueErrors.
_UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError)


@dataclass(frozen=True, slots=True)
class _Expression(Grid):
    """An expression, read: independent of zones, so that a thousand schedules at nine share it."""

    hours: tuple[int, ...]
    minutes: tuple[int, ...]
    seconds: tuple[int, ...]
    hourly: bool
    finder: croniter | None = field(compare=False)
    """Finds the midnights of the matching days; None when every day matches."""

    def days(self, start: int, stop: int) -> Iterator[int]:
        if self.finder is None:
            yield from range(start, stop + 1)
            return
        finder = copy(self.finder)  # it keeps its place in itself; the expression is shared between threads
        finder.set_current(datetime.fromordinal(start) - timedelta(minutes=1))
        try:
            while (day := finder.get_next(datetime).toordinal()) <= stop:
                yield day
        except (ValueError, OverflowError):
            return  # no such day within fifty years, or none that a datetime can hold

    def times(self, day: int) -> Sequence[int]:  # noqa: ARG002 - the same every day
        return product(self.hours, self.minutes, self.seconds)


@dataclass(frozen=True, slots=True)
class Cron(WallClock):
    """A cron expression in a zone."""

    fields: ClassVar[frozenset[str]] = frozenset({"cron", "timezone", "day_or"})

    zone: ZoneInfo
    expression: _Expression

    @classmethod
    def parse(cls, rule: Mapping[str, Json]) -> "Cron":
        """See Schedule."""
        text, day_or = rule.get("cron"), rule.get("day_or", True)
        if not isinstance(text, str):
            raise ScheduleError("cron", f"a cron expression is text such as '0 9 * * *', not {quoted(text)}")
        if not isinstance(day_or, bool):
            raise ScheduleError("day_or", f"day_or is true or false, not {quoted(day_or)}")
        return cls(zone_of(rule), _read(text, day_or=day_or))

    @property
    def again(self) -> bool:
        """See WallClock: what runs every hour also runs in the hour that the clock repeats."""
        return self.expression.hourly

    def walls(self, start: datetime, stop: datetime) -> Iterator[datetime]:
        """See WallClock."""
        return self.expression.walls(start, stop)

    def tally(self, start: datetime, stop: datetime) -> int:
        """See WallClock."""
        return self.expression.tally(start, stop)


@lru_cache(maxsize=2048)
def _read(text: str, *, day_or: bool) -> _Expression:
    words = _words(text)
    try:
        expanded, _ = croniter.expand(" ".join(words))
    except _UNREADABLE:
        raise _blame(text, words) from None
    minutes, hours, seconds = (
        _ALL[at] if "*" in expanded[at] else tuple(int(value) for value in expanded[at]) for at in (0, 1, -1)
    )
    if len(words) == _UNIX:
        seconds = (0,)
    try:
        finder = _finder(" ".join(words[2:_UNIX]), day_or=day_or)
    except _UNREADABLE:
        raise ScheduleError("cron", f"{quoted(text)} never happens: no such day in any month; correct it") from None
    return _Expression(hours, minutes, seconds, words[1] == "*", finder)


def _words(text: str) -> list[str]:
    if len(text) > _LONGEST:
        raise ScheduleError("cron", f"the cron expression has {len(text)} characters; {_LONGEST} are the most")
    if text.strip().startswith("@"):
        alias = text.strip().lower()
        if alias not in _ALIASES:
            raise ScheduleError("cron", f"unknown cron alias {quoted(text)}; known: {', '.join(_ALIASES)}")
        text = _ALIASES[alias]
    words = re.findall(r"\S+", text, re.ASCII)
    if len(words) not in {_UNIX, _WITH_SECONDS}:
        raise ScheduleError(
            "cron", f"the cron expression {quoted(text)} has {len(words)} fields; write {_UNIX}, or a sixth for seconds"
        )
    for item in (item for word in words for item in word.split(",")):
        if _DRAWN.fullmatch(item):
            raise ScheduleError("cron", f"{quoted(item)} would draw a time by chance or hash; write the time itself")
        if _EQUAL.fullmatch(item):
            raise ScheduleError("cron", f"the range {quoted(item)} begins where it ends; write the one value, or *")
    return words


def _blame(text: str, words: list[str]) -> ScheduleError:
    for at, (name, values) in enumerate(_FIELDS[: len(words)]):
        alone = ["*"] * len(words)
        alone[at] = words[at]
        try:
            croniter.expand(" ".join(alone))
        except _UNREADABLE:
            return ScheduleError("cron", f"{quoted(words[at])} is no {name} of a cron expression; write {values}")
    return ScheduleError("cron", f"{quoted(text)} mixes what a cron expression cannot mix")


@lru_cache(maxsize=256)
def _finder(days: str, *, day_or: bool) -> croniter | None:
    """What finds the days of these three fields; None for every day. Raises a ValueError when there is none."""
    if all(word in "*?" for word in days.split()):
        return None
    finder = croniter(f"0 0 {days}", datetime(2000, 1, 1), day_or=day_or)  # noqa: DTZ001 - local times are naive
    finder.get_next(datetime)
    return finder
