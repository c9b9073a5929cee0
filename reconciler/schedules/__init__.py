"""When: the promise every schedule keeps, and the door to the files that keep it. Called by core and the CLI."""

import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import ClassVar, NamedTuple
from zoneinfo import ZoneInfo

from reconciler import plugins
from reconciler.model.ids import canonical, digest
from reconciler.model.plan import Json

DECIDES = ("cron", "interval", "rrule", "timezone", "day_or", "anchor_date")
"""The fields of a schedule that decide when it is due."""


class ScheduleError(ValueError):
    """A field of a schedule that names no usable times: `key` is the field; the message says why and what to do."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


class Stretch(NamedTuple):
    """The first, the last and the number of slots of a stretch of time; (None, None, 0) when it holds none."""

    first: datetime | None
    last: datetime | None
    n: int


class Schedule(ABC):
    """A rule that names moments. One kind, one file; the word in the YAML (`cron: ...`) is the name of the file."""

    __slots__ = ()

    fields: ClassVar[frozenset[str]]
    """The fields of a rule that this kind reads."""
    zone: ZoneInfo
    """The zone whose clock the rule follows."""

    @classmethod
    @abstractmethod
    def parse(cls, rule: Mapping[str, Json]) -> "Schedule":
        """The schedule that a rule's fields describe. Raises ScheduleError."""

    @abstractmethod
    def slots(self, after: datetime, *, until: datetime | None = None) -> Iterator[datetime]:
        """Aware UTC instants, ascending, each once: later than `after`, not later than `until`.

        The same moments whatever `after` is asked from. Raises ValueError for a naive datetime.
        """

    @abstractmethod
    def count(self, after: datetime, until: datetime, limit: int) -> Stretch:
        """The slots of (after, until], counted without stepping through them where that is exact.

        Counting ends at `limit`: then `n == limit` and `last` is the slot of that number.
        """

    def asked(self, slot: datetime) -> datetime:
        """The naive local time that the rule names for a slot: another than the clock shows when that did not exist."""
        return slot.astimezone(self.zone).replace(tzinfo=None)


def load(rule: Mapping[str, Json]) -> Schedule:
    """The schedule of a rule such as `{"cron": "0 9 * * *", "timezone": "Europe/Paris"}`; cached by content.

    Fields that do not decide when (slug, active, parameters, ...) are left to others. Raises ScheduleError.
    """
    given = {key: rule[key] for key in DECIDES if rule.get(key) is not None}
    try:
        text = canonical(given)
    except (ValueError, TypeError):
        raise ScheduleError("", "a schedule is made of text and finite numbers; correct its values") from None
    return _load(text)


@lru_cache(maxsize=4096)
def next_slot(schedule: Schedule, after: datetime) -> datetime | None:
    """The first slot later than `after`, or None when there is no more; kept, as many deployments share a rule."""
    return next(schedule.slots(after), None)


def newest(schedule: Schedule, after: datetime, until: datetime, n: int) -> list[datetime]:
    """The last `n` slots in (after, until], ascending; found by some forty looks, however many slots lie there."""
    low, high = after, until
    while high - low > _CLOSE:
        middle = low + (high - low) / 2
        if len(list(islice(schedule.slots(middle, until=until), n))) < n:
            high = middle
        else:
            low = middle
    return list(schedule.slots(low, until=until))[-n:] if until > after else []


def count(schedule: Schedule, after: datetime, until: datetime, limit: int) -> Stretch:
    """The first, the last and the number of slots in (after, until], at most `limit`; see `Schedule.count`."""
    return schedule.count(after, until, limit)


def identity(rule: Mapping[str, Json]) -> str:
    """What a schedule is known by in the log: its slug, else 12 hex digits of what it says about when and with what.

    `active` and every field that merely tunes are left out: pausing a schedule does not make it another one.
    """
    slug = rule.get("slug")
    if isinstance(slug, str) and slug:
        return slug
    decides = {key: rule[key] for key in (*DECIDES, "parameters") if rule.get(key) not in (None, {})}
    if decides.get("day_or") is True:
        del decides["day_or"]
    return digest(decides)[:12]


def quoted(text: object) -> str:
    """A value for a message: shortened, quoted, without control characters."""
    shown = ascii(text) if isinstance(text, str) and not text.isprintable() else repr(text)
    return shown if len(shown) <= _SHOWN else f"{shown[: _SHOWN - 3]}..."


_SHOWN = 80
_CLOSE = timedelta(seconds=1)


@lru_cache(maxsize=1)
def _words() -> tuple[str, ...]:
    return tuple(plugins.words(sys.modules[__name__]))


@lru_cache(maxsize=16)
def _kind(word: str) -> type[Schedule]:
    return plugins.load(sys.modules[__name__], Schedule, word)  # type: ignore[type-abstract]


@lru_cache(maxsize=4096)
def _load(text: bytes) -> Schedule:
    rule: dict[str, Json] = json.loads(text)
    known = _words()
    given = [word for word in known if word in rule]
    if len(given) != 1:
        several = f"not {' and '.join(given)}" if given else "none is given"
        raise ScheduleError(given[1] if given else "", f"a schedule says one of {', '.join(known)}; {several}")
    kind = _kind(given[0])
    for key in rule:
        if key not in kind.fields:
            raise ScheduleError(key, f"{key} has no meaning for {given[0]}; remove it")
    return kind.parse(rule)
