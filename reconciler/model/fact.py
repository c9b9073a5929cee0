"""What a fact is, and its place in the log. The catalogue of facts is in model/events."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import datetime
from typing import Any, ClassVar

from reconciler.model.plan import Json

VERSION = 1
"""Schema version written into every event."""

REPOSITORY = "repository"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something that happened."""

    SUBJECT: ClassVar[str] = ""

    @property
    def type(self) -> str:
        """The event type."""
        return type(self).__name__

    @property
    def subject(self) -> str:
        """What the fact is about."""
        return str(getattr(self, self.SUBJECT)) if self.SUBJECT else REPOSITORY

    def data(self) -> dict[str, Json]:
        """The fields that say more than their default, without the subject."""
        return {name: value for name, default in _shape(type(self)) if (value := getattr(self, name)) != default}


_SHAPES: dict[type, tuple[tuple[str, Any], ...]] = {}


def _shape(kind: type[Fact]) -> tuple[tuple[str, Any], ...]:
    shape = _SHAPES.get(kind)
    if shape is None:
        shape = tuple(
            (f.name, f.default_factory() if f.default_factory is not MISSING else f.default)
            for f in fields(kind)
            if f.name != kind.SUBJECT
        )
        _SHAPES[kind] = shape
    return shape


@dataclass(frozen=True, slots=True)
class Event:
    """A fact in its place in the log."""

    seq: int
    """From 1, without gaps."""
    type: str
    subject: str
    at: datetime
    revision: str | None
    """The applied revision when it happened."""
    data: Mapping[str, Json]
    version: int = VERSION
    hash: str = ""
    """sha256 over the previous event's hash and this event's canonical JSON."""

    def json(self, instant: str) -> dict[str, Json]:
        """The object that `events --json` prints; `instant` is `at` as text."""
        return {
            "seq": self.seq,
            "type": self.type,
            "subject": self.subject,
            "at": instant,
            "revision": self.revision,
            "data": dict(self.data),
            "hash": self.hash,
        }
