"""When a run is to start, as `run --at` and `run --in` say it."""

import re
from datetime import UTC, datetime, timedelta

from reconciler.cli._print import say
from reconciler.model.errors import InvalidRequestError

_UNITS = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_PLAIN = re.compile(r"(?:\d+(?:\.\d+)?[wdhms])+", re.ASCII)
_PART = re.compile(r"(\d+(?:\.\d+)?)([wdhms])", re.ASCII)
_ISO = re.compile(r"P(?=.)((?:\d+[WD])*)(?:T((?:\d+(?:\.\d+)?[HMS])+))?", re.ASCII)


def start(at: str | None, within: str | None, now: datetime) -> datetime | None:
    """The moment that one of the two options names, in UTC; None when neither is given.

    Raises InvalidRequestError.
    """
    if at is not None and within is not None:
        raise InvalidRequestError("--at and --in exclude each other", hint="give the moment, or how long until then")
    return moment(at) if at is not None else _ahead(within, now) if within is not None else None


def told(start_at: datetime) -> None:
    """Say when a run that was made will start, in the caller's zone and in UTC."""
    say(f"starts at {start_at.astimezone():%Y-%m-%d %H:%M:%S %Z} ({start_at:%Y-%m-%d %H:%M:%S}Z)", err=True)


def moment(text: str) -> datetime:
    """The moment of --at, in UTC; without a zone it is the caller's local time. Raises InvalidRequestError."""
    try:
        # Through the timestamp: a local time that a clock skips then lies after the gap, as it does in schedules.
        return datetime.fromtimestamp(datetime.fromisoformat(text).timestamp(), UTC)
    except (ValueError, OverflowError, OSError):
        raise InvalidRequestError(
            f"--at: {text!r} is no moment", hint="write 2024-03-09T09:00 (your local time) or 2024-03-09T09:00:00Z"
        ) from None


def duration(text: str) -> timedelta:
    """How long `30s`, `5m`, `1h30m`, `2d` or `PT5M` is. Raises InvalidRequestError."""
    iso = _ISO.fullmatch(text)
    parts = (iso[1] + (iso[2] or "")).lower() if iso else text if _PLAIN.fullmatch(text) else ""
    try:
        found = sum((timedelta(**{_UNITS[unit]: float(n)}) for n, unit in _PART.findall(parts)), timedelta())
    except OverflowError:
        found = timedelta()
    if not found:
        raise InvalidRequestError(f"--in: {text!r} is no time ahead", hint="write 30s, 5m, 1h30m, 2d or PT5M")
    return found


def _ahead(text: str, now: datetime) -> datetime:
    try:
        return now + duration(text)
    except OverflowError:
        raise InvalidRequestError(f"--in: {text!r} is further than the calendar goes") from None
