"""The promise of a store: an append-only, hash-chained log with its projections; one file per keeper. For the daemon.

Whoever decides reads the head, folds the events it is about to append (their `seq` are `expect + 1, ...`: known, as
`append` refuses when the head has moved) and hands both over. Events, projections and payloads become durable together
or not at all. An object is for one thread at a time; other threads and processes open a reader of their own.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal, Self

from reconciler.model.fact import Event, Fact
from reconciler.model.plan import Json

Kind = Literal["spec", "parameters", "result", "error"]
"""What a payload is."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Projections that change with some events; each value replaces the stored one whole."""

    deployments: Mapping[str, dict[str, Json] | None] = field(default_factory=dict)
    """By name; None removes."""
    runs: Mapping[str, dict[str, Json]] = field(default_factory=dict)
    """By id. Keys at least: id, seq (of the creating event), name, deployment, state, final, due, created_at,
    started_at, finished_at (instants as text or None), tags (list), trigger, cause. `schedule`, where it is given and
    not empty, names the schedule whose slot `due` is; `generation` and `source_commit` are the version that made it."""
    meta: Mapping[str, Json] = field(default_factory=dict)
    purged: Sequence[str] = ()
    """Digests of payloads to delete, before those brought along are stored; the chain stays valid."""


NO_ROWS = Rows()


@dataclass(frozen=True, slots=True)
class Payload:
    """Bytes that events name by digest; they lie beside the chain and can be purged with the chain still valid."""

    digest: str
    """sha256 of `content`, 64 hex digits."""
    kind: Kind
    content: bytes

    @classmethod
    def of(cls, kind: Kind, content: bytes) -> Self:
        """The payload of these bytes."""
        return cls(hashlib.sha256(content).hexdigest(), kind, content)


@dataclass(frozen=True, slots=True)
class Stored:
    """A payload without its bytes: what retention decides by."""

    digest: str
    kind: Kind
    size: int
    """Bytes."""
    seq: int
    """The head after the newest append that brought it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """Which runs; every condition given must hold."""

    deployment: str | None = None
    states: tuple[str, ...] = ()
    """Any of these."""
    tags: tuple[str, ...] = ()
    """All of these."""
    since: datetime | None = None
    """Created at or after."""
    until: datetime | None = None
    """Created before."""
    origin: str | None = None
    """Trying this run again."""


EVERY_RUN = RunFilter()


@dataclass(frozen=True, slots=True)
class Verified:
    """What a walk over the whole log found."""

    events: int
    head: str
    """Hash of the last event. A log cut at its end still verifies: compare this with a copy kept elsewhere."""
    problems: tuple[str, ...] = ()
    """One line each, in order; at most `MOST_PROBLEMS`."""


MOST_PROBLEMS = 100

Fold = Callable[[Iterable[Event]], Rows]
"""Every event of the log, in order, to every row (finished runs too)."""


class Log(ABC):
    """What can be read. All methods raise StoreError when the log cannot be read; `with` closes it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    @abstractmethod
    def head(self) -> tuple[int, str]:
        """Sequence number and hash of the last event; `(0, 64 zeros)` of an empty log."""

    @abstractmethod
    def events(
        self,
        after: int = 0,
        *,
        before: int | None = None,
        limit: int = 1000,
        types: Sequence[str] = (),
        subject: str | None = None,
        newest_first: bool = False,
    ) -> list[Event]:
        """At most `limit` events with `after < seq < before`, of any of `types`.

        To follow, ask again after the last seq.
        """

    @abstractmethod
    def deployments(self) -> Iterator[dict[str, Json]]:
        """Every deployment's row, by name."""

    @abstractmethod
    def deployment(self, name: str) -> dict[str, Json]:
        """One deployment's row. Raises NotFoundError."""

    @abstractmethod
    def run(self, run: str) -> dict[str, Json]:
        """The row of the run with this id or unique beginning of one. Raises NotFoundError, ConflictError."""

    @abstractmethod
    def runs(
        self, where: RunFilter = EVERY_RUN, *, before_seq: int | None = None, limit: int = 100
    ) -> list[dict[str, Json]]:
        """Rows, newest first: by created_at, then seq (the same order unless the clock was set back).

        `before_seq` is the `seq` of the last row of the page before.
        """

    @abstractmethod
    def live_runs(self) -> list[dict[str, Json]]:
        """Rows of the runs that are not over, oldest first. Costs nothing for those that are."""

    @abstractmethod
    def run_by_key(self, deployment: str, cause: str) -> dict[str, Json] | None:
        """The first run that a request (trigger other than `schedule`) with this key created."""

    @abstractmethod
    def slots_run(
        self, deployment: str, first: datetime, last: datetime, *, limit: int = 10_000
    ) -> list[dict[str, Json]]:
        """Rows of the runs that are of a slot (`schedule` is set) due in [first, last], by due, then creation.

        At most `limit`: the newest of them.
        """

    @abstractmethod
    def counts(self) -> dict[tuple[str, str], int]:
        """How many runs there are, by deployment and state; none is left out, zeros are."""

    @abstractmethod
    def versions(self, deployment: str) -> dict[tuple[int, str | None], dict[str, int]]:
        """How many runs each version made, by (generation, source commit) and state: costs what versions there are."""

    @abstractmethod
    def meta(self, key: str) -> Json:
        """The value last stored under `key`, else None."""

    @abstractmethod
    def payload(self, digest: str) -> bytes | None:
        """The bytes; None when never stored or purged."""

    @abstractmethod
    def payloads(self) -> Iterator[Stored]:
        """Every payload, without its bytes, oldest first; read as it is asked for."""

    @abstractmethod
    def cache_get(self, kind: str, key: str) -> bytes | None:
        """What was cached, if it still is."""

    @abstractmethod
    def cache_items(self, kind: str) -> dict[str, bytes]:
        """All that is cached of one kind, by key."""

    @abstractmethod
    def verify(self, fold: Fold | None = None) -> Verified:
        """Walk the chain: hashes, gaps, order, payloads; with `fold`, the projections against what the events say."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the log. Closing twice is nothing."""


class Store(Log):
    """The one writer of a log."""

    @classmethod
    @abstractmethod
    def open(cls, path: Path) -> Self:
        """Open the log at `path`, made when missing. Raises StoreError."""

    @abstractmethod
    def append(
        self,
        facts: Sequence[Fact],
        *,
        at: datetime,
        revision: str | None,
        expect: int,
        rows: Rows = NO_ROWS,
        payloads: Iterable[Payload] = (),
    ) -> list[Event]:
        """Append facts with their rows and payloads; durable when it returns, and nothing is written when it raises.

        Raises StaleHeadError when the last seq is not `expect`, StoreError when the log cannot be written (the store
        stays usable), InvalidRequestError for text that is no text, ValueError for data that is not JSON.
        """

    @abstractmethod
    def cache_put(self, kind: str, items: Mapping[str, bytes]) -> None:
        """Remember what can be made again; a crash may forget it."""

    @abstractmethod
    def cache_delete(self, kind: str, keys: Iterable[str]) -> None:
        """Forget it."""

    @abstractmethod
    def checkpoint(self) -> int:
        """Housekeeping between appends that waits for nobody; how much is left to do (0: nothing)."""
