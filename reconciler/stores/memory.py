"""A log that lives as long as its object: for tests and simulation. Called through the plug-in rule."""
# ruff: noqa: D102 - the promise in __init__ says what each method does

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Self

from reconciler.model.fact import Event, Fact
from reconciler.model.ids import canonical, instant
from reconciler.model.plan import Json
from reconciler.stores import (
    EVERY_RUN,
    NO_ROWS,
    Fold,
    Payload,
    Rows,
    RunFilter,
    Store,
    Stored,
    Verified,
    _chain,
    _choose,
)
from reconciler.stores._chain import GENESIS, Entry, Findings, load


class MemoryStore(Store):
    """Plain dictionaries; rows are kept as JSON so that nothing handed out can change what is stored."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._payloads: dict[str, tuple[Payload, int]] = {}
        self._deployments: dict[str, bytes] = {}
        self._runs: dict[str, bytes] = {}
        self._meta: dict[str, bytes] = {}
        self._cache: dict[tuple[str, str], bytes] = {}

    @classmethod
    def open(cls, path: Path) -> Self:  # noqa: ARG003 - there is no file
        return cls()

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
        head = self.head()
        _chain.guard(expect, head[0])
        entries = _chain.seal(facts, at=at, revision=revision, head=head)
        events = _chain.events(entries, at)
        last = head[0] + len(entries)
        # All that can fail comes before the first change.
        deployments = {name: None if row is None else canonical(row) for name, row in rows.deployments.items()}
        runs = {run: canonical(row) for run, row in rows.runs.items()}
        meta = {key: canonical(value) for key, value in rows.meta.items()}
        brought = {p.digest: (p, last) for p in payloads}
        self._entries += entries
        self._payloads = {name: kept for name, kept in self._payloads.items() if name not in rows.purged} | brought
        self._runs |= runs
        self._meta |= meta
        kept = self._deployments | deployments
        self._deployments = {name: raw for name, raw in kept.items() if raw is not None}
        return events

    def head(self) -> tuple[int, str]:
        return (self._entries[-1].seq, self._entries[-1].hash) if self._entries else (0, GENESIS)

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
        found = [
            entry
            for entry in self._entries[max(0, after) : None if before is None else max(0, before - 1)]
            if (not types or entry.type in types) and subject in (None, entry.subject)
        ]
        ordered = found[::-1] if newest_first else found
        return [entry.event() for entry in ordered[: max(0, limit)]]

    def deployments(self) -> Iterator[dict[str, Json]]:
        return iter([load(raw) for _, raw in sorted(self._deployments.items())])

    def deployment(self, name: str) -> dict[str, Json]:
        return _choose.deployment(name, self._deployments.get(name))

    def run(self, run: str) -> dict[str, Json]:
        return _choose.run(run, sorted((each, raw) for each, raw in self._runs.items() if each.startswith(run)))

    def runs(
        self, where: RunFilter = EVERY_RUN, *, before_seq: int | None = None, limit: int = 100
    ) -> list[dict[str, Json]]:
        rows = [load(raw) for raw in self._runs.values()]
        end: tuple[str, int] = ("~", 0)
        if before_seq is not None:
            places = [(row["seq"], row["created_at"]) for row in rows if row["seq"] <= before_seq]
            end = (max(places)[1], before_seq) if places else ("", 0)
        found = [row for row in rows if _matches(row, where) and (row["created_at"], row["seq"]) < end]
        return sorted(found, key=lambda row: (row["created_at"], row["seq"]), reverse=True)[: max(0, limit)]

    def live_runs(self) -> list[dict[str, Json]]:
        live = [row for row in map(load, self._runs.values()) if not row["final"]]
        return sorted(live, key=lambda row: int(row["seq"]))

    def run_by_key(self, deployment: str, cause: str) -> dict[str, Json] | None:
        rows = [row for row in map(load, self._runs.values()) if row["trigger"] != "schedule"]
        found = [row for row in rows if row["deployment"] == deployment and row["cause"] == cause]
        return min(found, key=lambda row: int(row["seq"]), default=None)

    def slots_run(
        self, deployment: str, first: datetime, last: datetime, *, limit: int = 10_000
    ) -> list[dict[str, Json]]:
        rows = [
            row for row in map(load, self._runs.values()) if row["deployment"] == deployment and row.get("schedule")
        ]
        found = [row for row in rows if instant(first) <= row["due"] <= instant(last)]
        return sorted(found, key=lambda row: (row["due"], row["seq"]))[-limit:]

    def counts(self) -> dict[tuple[str, str], int]:
        return dict(Counter((row["deployment"], row["state"]) for row in map(load, self._runs.values())))

    def versions(self, deployment: str) -> dict[tuple[int, str | None], dict[str, int]]:
        found: dict[tuple[int, str | None], Counter[str]] = {}
        for row in map(load, self._runs.values()):
            if row["deployment"] == deployment:
                key = row.get("generation", 1), row.get("source_commit")
                found.setdefault(key, Counter())[row["state"]] += 1
        return {key: dict(states) for key, states in found.items()}

    def meta(self, key: str) -> Json:
        return load(self._meta[key]) if key in self._meta else None

    def payload(self, digest: str) -> bytes | None:
        return self._payloads[digest][0].content if digest in self._payloads else None

    def payloads(self) -> Iterator[Stored]:
        found = [Stored(p.digest, p.kind, len(p.content), seq) for p, seq in self._payloads.values()]
        return iter(sorted(found, key=lambda stored: stored.seq))

    def cache_get(self, kind: str, key: str) -> bytes | None:
        return self._cache.get((kind, key))

    def cache_items(self, kind: str) -> dict[str, bytes]:
        return {key: value for (of, key), value in self._cache.items() if of == kind}

    def cache_put(self, kind: str, items: Mapping[str, bytes]) -> None:
        self._cache |= {(kind, key): value for key, value in items.items()}

    def cache_delete(self, kind: str, keys: Iterable[str]) -> None:
        for key in keys:
            self._cache.pop((kind, key), None)

    def verify(self, fold: Fold | None = None) -> Verified:
        found = Findings()
        found.payloads(payload for payload, _ in self._payloads.values())
        walk = found.walk(self._entries)
        rows = found.fold(fold, walk) if fold else None
        deque(walk, maxlen=0)
        if rows is not None:
            found.compare(rows, deployments=self._deployments.items(), runs=self._runs.items(), meta=self._meta.items())
        return found.verified()

    def checkpoint(self) -> int:
        return 0

    def close(self) -> None:
        pass


def _matches(row: Mapping[str, Json], where: RunFilter) -> bool:
    return (
        where.deployment in (None, row["deployment"])
        and (not where.states or row["state"] in where.states)
        and where.origin in (None, row.get("origin"))
        and set(where.tags) <= set(row["tags"])
        and (where.since is None or row["created_at"] >= instant(where.since))
        and (where.until is None or row["created_at"] < instant(where.until))
    )
