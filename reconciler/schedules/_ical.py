"""The text of an rrule to its parts: lines, dates and `FREQ=...;BY...=...`, each checked. Called by rrule.

Zones of DTSTART, RDATE and EXDATE are dropped: the schedule's timezone decides. UNTIL with a Z is an instant.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from dateutil import rrule as ical

from reconciler.schedules import ScheduleError, quoted
from reconciler.schedules._recurrence import Masks, Recurrence

_LONGEST = 6500
_RULES = 16
_START = datetime(2020, 1, 1)  # noqa: DTZ001 - local time of the schedule's zone
_LINES = ("DTSTART", "RRULE", "RDATE", "EXDATE", "EXRULE")
_FREQUENCIES = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY")
_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_NTH = re.compile(r"(?P<nth>[+-]?\d{1,2})?(?P<day>MO|TU|WE|TH|FR|SA|SU)(?:\((?P<late>[+-]?\d{1,2})\))?", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d{1,12}", re.ASCII)
# Part: dateutil's name, smallest, largest, whether it counts from the end too.
_NUMBERS = {
    "INTERVAL": ("interval", 1, 999_999_999, False),
    "COUNT": ("count", 1, 10**12, False),
    "BYMONTH": ("bymonth", 1, 12, False),
    "BYMONTHDAY": ("bymonthday", 1, 31, True),
    "BYYEARDAY": ("byyearday", 1, 366, True),
    "BYWEEKNO": ("byweekno", 1, 53, True),
    "BYEASTER": ("byeaster", 0, 366, True),
    "BYHOUR": ("byhour", 0, 23, False),
    "BYMINUTE": ("byminute", 0, 59, False),
    "BYSECOND": ("bysecond", 0, 59, False),
    "BYSETPOS": ("bysetpos", 1, 366, True),
}
_PARTS = ("FREQ", "WKST", "UNTIL", "BYDAY", *_NUMBERS)
_DAY_MASKS = ("bymonth", "bymonthday", "byyearday", "byweekno", "byeaster", "byweekday")


@dataclass(frozen=True, slots=True)
class Part:
    """One RRULE or EXRULE line: what recurs, how often at most, and until when."""

    recurrence: Recurrence
    count: int | None
    until: datetime | None
    """Aware when written with a zone, else a naive local time."""


class Lines(NamedTuple):
    """The lines of a rule: RRULE, EXRULE, RDATE and EXDATE."""

    rules: list[Part]
    without: list[Part]
    dates: list[datetime]
    except_dates: list[datetime]


def read(text: str) -> Lines:
    """The parts of an rrule's text. Raises ScheduleError (key `rrule`)."""
    if len(text) > _LONGEST:
        raise wrong(f"the rrule has {len(text)} characters; {_LONGEST} are the most")
    lines: dict[str, list[str]] = {name: [] for name in _LINES}
    for line in text.upper().split():
        name, colon, value = line.partition(":")
        name = name.split(";")[0] if colon else "RRULE"
        if name not in lines:
            raise wrong(f"unknown line {quoted(name)}; write one of {', '.join(_LINES)}")
        lines[name] += value.split(",") if name.endswith("DATE") else [value if colon else line]
    starts = {_date(value) for value in lines["DTSTART"]} or {_START}
    if len(starts) > 1:
        raise wrong("DTSTART is given more than once, with different times; keep one")
    if not lines["RRULE"] and not lines["RDATE"]:
        raise wrong("the rule says nothing that recurs; write a line such as RRULE:FREQ=DAILY")
    if (many := len(lines["RRULE"]) + len(lines["EXRULE"])) > _RULES:
        raise wrong(f"the rule has {many} RRULE and EXRULE lines; {_RULES} are the most")
    (start,) = starts
    rules, without = ([_part(line, start) for line in lines[name]] for name in ("RRULE", "EXRULE"))
    dates, except_dates = ([_date(value) for value in lines[name]] for name in ("RDATE", "EXDATE"))
    return Lines(rules, without, dates, except_dates)


def wrong(message: str) -> ScheduleError:
    """The error of an rrule."""
    return ScheduleError("rrule", message)


def _date(text: str) -> datetime:
    return _moment(text).replace(tzinfo=None)


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).replace(microsecond=0)
    except ValueError:
        raise wrong(f"{quoted(text)} is no date of an rrule; write 20240101T090000") from None


def _part(text: str, start: datetime) -> Part:
    given: dict[str, str] = {}
    for pair in text.split(";"):
        name, equals, value = pair.partition("=")
        name = "BYDAY" if name == "BYWEEKDAY" else name
        if not equals or name not in _PARTS:
            raise wrong(f"{quoted(pair)} is no part of a recurrence; known: {', '.join(_PARTS)}")
        if name in given:
            raise wrong(f"{name} is given twice; write one list")
        given[name] = value
    if given.get("FREQ") not in _FREQUENCIES:
        raise wrong(f"the recurrence {quoted(text)} needs a FREQ; write one of {', '.join(_FREQUENCIES)}")
    freq = _FREQUENCIES.index(given["FREQ"])
    numbers = {_NUMBERS[name][0]: _integers(name, value) for name, value in given.items() if name in _NUMBERS}
    week = given.get("WKST", "MO")
    if week not in _WEEKDAYS:
        raise wrong(f"WKST={week} is no weekday; write one of {', '.join(_WEEKDAYS)}")
    weekdays = _by_day(given["BYDAY"], freq) if "BYDAY" in given else ()
    recurrence = Recurrence(
        freq=freq,
        interval=_one("INTERVAL", numbers.get("interval", (1,))),
        start=start,
        week=_WEEKDAYS.index(week),
        masks=_masks(freq, start, numbers, weekdays),
        clock=_clock(freq, start, numbers),
        places=numbers.get("bysetpos", ()),
    )
    count = _one("COUNT", numbers["count"]) if "count" in numbers else None
    return Part(recurrence, count, _moment(given["UNTIL"]) if "UNTIL" in given else None)


def _integers(name: str, text: str) -> tuple[int, ...]:
    _, low, high, backwards = _NUMBERS[name]
    found = [int(item) if _INTEGER.fullmatch(item) else None for item in text.split(",")]
    if any(n is None or not low <= (abs(n) if backwards else n) <= high for n in found):
        also = f" or from -{high}" if backwards else ""
        raise wrong(f"{quoted(f'{name}={text}')} does not fit; write whole numbers from {low} to {high}{also}")
    return tuple(sorted({n for n in found if n is not None}))


def _one(name: str, values: tuple[int, ...]) -> int:
    if len(values) > 1:
        raise wrong(f"{name} is one number, not a list")
    return values[0]


def _by_day(text: str, freq: int) -> tuple[tuple[int, int | None], ...]:
    days = set()
    for item in text.split(","):
        found = _NTH.fullmatch(item)
        if not found or (found["nth"] and found["late"]):
            raise wrong(f"{quoted(item)} is no weekday of BYDAY; write MO, or 1MO for the first, -1FR for the last")
        nth = int(found["nth"] or found["late"] or 0)
        if nth and freq > ical.MONTHLY:
            raise wrong(f"BYDAY={item} counts weekdays within a month or a year; write FREQ=MONTHLY, or {found['day']}")
        days.add((_WEEKDAYS.index(found["day"]), nth or None))
    return tuple(sorted(days, key=str))


def _masks(
    freq: int, start: datetime, numbers: Mapping[str, tuple[int, ...]], weekdays: tuple[tuple[int, int | None], ...]
) -> Masks:
    """What chooses the days, what RFC 5545 leaves unsaid included, so that it holds for one year at a time."""
    masks: dict[str, tuple[object, ...]] = {name: numbers[name] for name in _DAY_MASKS if name in numbers}
    if weekdays:
        masks["byweekday"] = weekdays
    if not masks.keys() - {"bymonth"}:
        if freq in {ical.YEARLY, ical.MONTHLY}:
            masks["bymonthday"] = (start.day,)
        elif freq == ical.WEEKLY:
            masks["byweekday"] = ((start.weekday(), None),)
        elif masks:
            masks["bymonthday"] = tuple(range(1, 32))
        if freq == ical.YEARLY:
            masks.setdefault("bymonth", (start.month,))
    if freq == ical.MONTHLY and any(nth for _, nth in weekdays):
        masks.setdefault("bymonth", tuple(range(1, 13)))
    return tuple(sorted(masks.items()))


def _clock(
    freq: int, start: datetime, numbers: Mapping[str, tuple[int, ...]]
) -> tuple[tuple[int, ...] | None, tuple[int, ...] | None, tuple[int, ...] | None]:
    hours = numbers.get("byhour", (start.hour,) if freq < ical.HOURLY else None)
    minutes = numbers.get("byminute", (start.minute,) if freq < ical.MINUTELY else None)
    seconds = numbers.get("bysecond", (start.second,) if freq < ical.SECONDLY else None)
    return hours, minutes, seconds
