"""What a look at git can say: the messages from daemon/reconcile to the loop."""

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.model.plan import Desired, Json


@dataclass(frozen=True, slots=True)
class Read:
    """Git was read: the desired state at its newest revision."""

    desired: Desired
    pools: Mapping[str, Json]
    """Every declared work pool by name."""
    texts: Mapping[str, bytes]
    """Effective specs as canonical JSON by digest: those that may not be in the store yet."""
    rows: Mapping[str, bytes]
    """What to keep for the next start once this is applied, by path; empty for what is gone."""


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Git says what is applied."""

    revision: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Git could not be read, and why."""

    reason: str
