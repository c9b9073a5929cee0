"""Observed state and the log as one: decisions are folded at once and made durable together. Called by the loop only.

`stage` folds facts into memory so that the next decision of the same turn sees them; `flush` appends all of them in
one durable transaction with their projections; only then may anything be acted on. When the append fails, memory is
read again from the store, and the turn never happened.
"""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from reconciler.core import project, rows
from reconciler.core.project import Touched
from reconciler.model.errors import NotFoundError, StoreError
from reconciler.model.fact import VERSION, Event, Fact
from reconciler.model.state import Observed, Run
from reconciler.stores import Payload, Rows, Store

REPOSITORY = "repository"
CHECKPOINT = 1000
"""Events between checkpoints."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""When nothing happened: no event carries it."""


class Ledger:
    """The log and its fold."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.observed = load(store)
        self._facts: list[Fact] = []
        self._payloads: dict[str, Payload] = {}
        self._touched = Touched()
        self._at: datetime | None = None
        self._purging: frozenset[str] = frozenset()
        self._lost = False
        self._checkpointed = self.observed.seq

    def stage(self, facts: Sequence[Fact], now: datetime, payloads: Iterable[Payload] = ()) -> set[str]:
        """Fold facts and keep them for `flush`; the deployments touched since the last one.

        Raises ChainBrokenError for a fact that cannot follow; then `drop`.
        """
        for fact in facts:
            event = Event(
                self.observed.seq + 1, fact.type, fact.subject, now, self.observed.revision, fact.data(), VERSION
            )
            project.fold(self.observed, event, self._touched)
            self._facts.append(fact)
        self._at = now
        for payload in payloads:
            self._payloads.setdefault(payload.digest, payload)
        return self._touched.deployments

    def purge(self, digests: Iterable[str]) -> None:
        """Have payloads deleted by the append of what is staged; from now on they are not there."""
        self._purging |= frozenset(digests)

    def payload(self, name: str) -> bytes | None:
        """The bytes of a digest; None when never stored or purged. Raises StoreError."""
        return None if name in self._purging else self.store.payload(name)

    def flush(self) -> list[Event]:
        """Append what was staged. Raises StoreError; then memory is what the store says, and nothing was appended."""
        if not self._facts or self._at is None:
            return []
        expect = self.observed.seq - len(self._facts)
        try:
            events = self.store.append(
                self._facts,
                at=self._at,
                revision=self.observed.revision,
                expect=expect,
                rows=replace(projected(self.observed, self._touched), purged=sorted(self._purging)),
                payloads=list(self._payloads.values()),
            )
        except Exception:
            self.drop()
            raise
        self._clear()
        return events

    def drop(self) -> None:
        """Forget what was staged and read the state again. Raises StoreError; then `recover` before anything else."""
        self._clear()
        self._lost = True
        self.recover()

    def recover(self) -> bool:
        """Read the state again where that failed before: what memory holds then was never made durable.

        Whether it was read now: what was made from the state before is to be made again.
        """
        lost = self._lost
        if lost:
            self.observed = load(self.store)
            self._lost = False
        return lost

    def checkpoint(self) -> None:
        """Move what was appended from the write-ahead log into the database, now and then, between appends."""
        if self.observed.seq - self._checkpointed >= CHECKPOINT:
            self._checkpointed = self.observed.seq
            with contextlib.suppress(StoreError):
                self.store.checkpoint()

    def run(self, given: str) -> Run | None:
        """A run by its id or a unique beginning of it, live or finished. Raises ConflictError for several."""
        live = self.observed.runs.get(given)
        if live is not None:
            return live
        try:
            row = self.store.run(given)
        except NotFoundError:
            return None
        return self.observed.runs.get(row["id"]) or rows.run_of(row)

    def run_of_key(self, deployment: str, key: str) -> str | None:
        """The run that a request with this key made before."""
        for run in self.observed.runs.values():
            if run.cause == key and run.deployment == deployment and run.trigger != "schedule":
                return run.id
        row = self.store.run_by_key(deployment, key)
        return str(row["id"]) if row else None

    def _clear(self) -> None:
        self._facts, self._payloads, self._touched, self._at = [], {}, Touched(), None
        self._purging = frozenset()


def load(store: Store) -> Observed:
    """Observed state from the store's projections, made anew from the log where they are of another version."""
    head, _ = store.head()
    if head and (store.meta(REPOSITORY) or {}).get("format") != rows.FORMAT:
        observed, touched = project.replay(_events(store))
        touched.repository = True
        made = projected(observed, touched)
        gone = {row["name"]: None for row in store.deployments() if row["name"] not in observed.deployments}
        store.append(
            [], at=EPOCH, revision=None, expect=head, rows=replace(made, deployments={**gone, **made.deployments})
        )
    return rows.restore(store.meta(REPOSITORY), store.deployments(), store.live_runs(), head)


def _events(store: Store) -> Iterator[Event]:
    after = 0
    while page := store.events(after, limit=1000):
        yield from page
        after = page[-1].seq


def projected(observed: Observed, touched: Touched) -> Rows:
    """The projections of what a fold touched."""
    known = observed.deployments
    return Rows(
        deployments={n: rows.deployment_row(known[n]) if n in known else None for n in touched.deployments},
        runs={ident: rows.run_row(run) for ident, run in touched.runs.items()},
        meta={REPOSITORY: rows.repository_row(observed)} if touched.repository else {},
    )
