"""Durations as spec files write them, in seconds. Called by model/spec and by decisions; standard library only."""

import re

_DURATION = re.compile(
    r"P(?=.)(?:(?P<years>\d{1,9})Y)?(?:(?P<months>\d{1,9})M)?(?:(?P<weeks>\d{1,9})W)?(?:(?P<days>\d{1,9})D)?"
    r"(?:T(?=.)(?:(?P<hours>\d{1,9})H)?(?:(?P<minutes>\d{1,9})M)?(?:(?P<seconds>\d{1,9}(?:\.\d{1,9})?)S)?)?\Z"
)
_CLOCK = re.compile(r"(?P<hours>\d{1,9}):(?P<minutes>[0-5]\d):(?P<seconds>[0-5]\d(?:\.\d{1,9})?)\Z")
_UNITS = {
    "years": 31_536_000,
    "months": 2_592_000,
    "weeks": 604_800,
    "days": 86_400,
    "hours": 3_600,
    "minutes": 60,
    "seconds": 1,
}
CENTURY = 100 * 31_536_000
"""No duration is longer: seconds."""


def seconds(value: float | str) -> float:
    """A duration in seconds: a number, ISO 8601 (`PT10M`, a month is 30 days, a year 365) or `h:mm:ss`.

    Raises ValueError, with the message to show, for anything else, below zero or over a century.
    """
    if isinstance(value, str):
        match = _DURATION.match(value) or _CLOCK.match(value)
        if not match:
            raise ValueError("must be seconds, or an ISO 8601 duration such as PT10M")
        value = sum(float(number) * _UNITS[unit] for unit, number in match.groupdict().items() if number)
    if not 0 <= value <= CENTURY:
        raise ValueError("must be between 0 seconds and 100 years")
    return value
