"""The arguments of a request, checked as far as no state is needed. Called by daemon/requests, on the asking thread."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from re import fullmatch
from typing import Any

from reconciler.model.errors import InvalidRequestError
from reconciler.model.ids import moment
from reconciler.model.names import MAX_NAME
from reconciler.model.plan import Json

LATE = timedelta(seconds=60)
"""How far a moment asked for may have passed meanwhile."""
AHEAD = timedelta(days=3660)
"""How far ahead a run may be put: what lies beyond is a slip of the pen."""
MOST = 100
"""Tags or labels of one request."""


def only(verb: str, args: Mapping[str, Any], known: frozenset[str]) -> None:
    """Raises InvalidRequestError for a key that the verb does not take: dropped, it would go unnoticed."""
    for key in sorted(args.keys() - known):
        raise InvalidRequestError(f"{verb} takes no {key!r}", hint=f"it takes {', '.join(sorted(known)) or 'nothing'}")


def text(args: Mapping[str, Any], key: str) -> str:
    """A text that is there. Raises InvalidRequestError, as all of these."""
    value = args.get(key)
    if not isinstance(value, str) or not value:
        raise InvalidRequestError(f"{key} is missing")
    return value


def mapping(args: Mapping[str, Any], key: str) -> dict[str, Json]:
    """An object; empty when absent."""
    value = args.get(key) or {}
    if not isinstance(value, dict):
        raise InvalidRequestError(f"{key} is an object")
    return value


def name(args: Mapping[str, Any]) -> str | None:
    """A name for a run, if one is given."""
    value = args.get("name")
    if value is not None and not _printable(value):
        raise InvalidRequestError(f"name is 1 to {MAX_NAME} printable characters")
    return value


def commit(args: Mapping[str, Any]) -> str | None:
    """A commit by its full id, if one is given: what a name means is settled by who asks."""
    value = args.get("commit")
    if value is not None and not (isinstance(value, str) and fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", value)):
        raise InvalidRequestError("commit is a commit's full id", hint="40 (or 64) hex digits in lower case")
    return value


def tags(args: Mapping[str, Any]) -> tuple[str, ...]:
    """Texts; none when absent."""
    value = args.get("tags") or []
    if not isinstance(value, list) or len(value) > MOST or not all(isinstance(t, str) and t for t in value):
        raise InvalidRequestError(f"tags are at most {MOST} texts, none of them empty")
    return tuple(value)


def labels(args: Mapping[str, Any]) -> dict[str, Json]:
    """Texts, numbers and booleans by name."""
    value = mapping(args, "labels")
    if len(value) > MOST or not all(map(_printable, value)):
        raise InvalidRequestError(f"labels are at most {MOST}, with names of 1 to {MAX_NAME} printable characters")
    for key, label in value.items():
        if not isinstance(label, str | int | float):
            raise InvalidRequestError(f"label {key!r} is a text, a number, true or false")
    return value


def moment_of(args: Mapping[str, Any], key: str) -> datetime | None:
    """A moment, if one is given."""
    given = args.get(key)
    try:
        return moment(given) if given else None
    except (TypeError, ValueError, OverflowError):
        raise InvalidRequestError(f"{key} is no moment", hint="write one such as 2024-03-09T00:00:00Z") from None


def not_past(due: datetime | None, now: datetime) -> None:
    """Refuse a moment that has passed, or that nobody means."""
    if due is not None and due < now - LATE:
        raise InvalidRequestError(f"{due:%Y-%m-%d %H:%M:%S}Z has passed", hint="leave it out to run now")
    if due is not None and due > now + AHEAD:
        raise InvalidRequestError(
            f"{due:%Y-%m-%d %H:%M:%S}Z is more than {AHEAD.days} days ahead", hint="give a nearer moment"
        )


def _printable(value: Any) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= MAX_NAME and value.isprintable()
