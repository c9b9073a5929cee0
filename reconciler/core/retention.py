"""What may go: pure answers about ages and bytes. Called by daemon/retention, which acts.

Nothing a live or queued run needs is ever among it: who asks hands in only what nobody needs.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from reconciler.model.plan import Json

DIGEST = 64
"""Characters of a digest."""


@dataclass(frozen=True, slots=True)
class Keep:
    """What the operator keeps, in seconds and bytes."""

    output: float
    output_bytes: int
    payloads: float
    environments: float
    environments_bytes: int
    mirrors: float = 7 * 86_400.0
    """Other repositories that no spec names any more, since their last fetch."""


@dataclass(frozen=True, slots=True)
class Item:
    """Something that lies in the state directory and that nobody needs."""

    name: str
    at: datetime
    """When it was used last."""
    bytes: int


def surplus(items: Iterable[Item], now: datetime, age: float, most: int | None = None) -> list[Item]:
    """What is older than `age` seconds, and of the rest the oldest until `most` bytes hold it; oldest first."""
    order = sorted(items, key=lambda item: (item.at, item.name))
    left = sum(item.bytes for item in order)
    gone = []
    for item in order:
        if item.at + timedelta(seconds=age) >= now and (most is None or left <= most):
            break
        gone.append(item)
        left -= item.bytes
    return gone


def named(row: Mapping[str, Json]) -> Iterator[str]:
    """The digests of payloads that a run's row names: its spec, parameters, variables, result, error."""
    for value in (*row.values(), *(row.get("detail") or {}).values()):
        if isinstance(value, str) and len(value) == DIGEST:
            yield value
