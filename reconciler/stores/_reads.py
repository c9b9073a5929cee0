"""Reading log.db: what the one writer and every reader share."""

import os
import sqlite3
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from reconciler.model.errors import ConflictError, StoreError
from reconciler.model.fact import Event
from reconciler.model.ids import instant
from reconciler.model.plan import Json
from reconciler.stores import EVERY_RUN, Fold, Log, Payload, Rows, RunFilter, Stored, Verified, _choose, _marks
from reconciler.stores._chain import GENESIS, Entry, Findings, load, loads
from reconciler.stores._errors import explained

ENTRY = "SELECT seq, version, type, subject, at, revision, data, hash FROM events"
STORED = """
SELECT rowid, digest, kind, length(content), seq FROM payloads WHERE (seq, rowid) > (?, ?) ORDER BY seq, rowid LIMIT ?
"""
SLOTS = """
SELECT row FROM slots JOIN runs USING (seq)
WHERE slots.deployment = ? AND slots.due BETWEEN ? AND ? ORDER BY slots.due DESC, slots.seq DESC LIMIT ?
"""
VERSIONS = "SELECT label, state, n FROM counts WHERE label >= ? AND label < ? AND n > 0"
PAGE = 1000


class SqlLog(Log):
    """A log.db that is open. Each answer is one short transaction, so that no reader holds up the writer."""

    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        self._db = db
        self._path = path

    def _all(self, sql: str, values: Sequence[Json] = ()) -> list[tuple[Json, ...]]:
        with explained(self._path):
            return self._db.execute(sql, values).fetchall()

    def _one(self, sql: str, values: Sequence[Json] = ()) -> tuple[Json, ...] | None:
        found = self._all(sql, values)
        return found[0] if found else None

    @contextmanager
    def _snapshot(self) -> Iterator[None]:
        """Several statements see one state of the log."""
        with explained(self._path):
            self._db.execute("BEGIN")
            try:
                yield
            finally:
                self._db.execute("ROLLBACK")

    def head(self) -> tuple[int, str]:
        seq, last = self._one("SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1") or (0, GENESIS)
        return int(seq), str(last)

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
        conditions, values = "seq > ?", [after]
        if before is not None:
            conditions, values = f"{conditions} AND seq < ?", [*values, before]
        order = f"ORDER BY seq {'DESC' if newest_first else 'ASC'} LIMIT {max(0, limit)}"
        found = []
        # One walk for each type, merged: a single one over `type IN` would sort all of them first.
        for index, more, extra in _walks(types, subject):
            sql = f"{ENTRY} {index} WHERE {conditions} {more} {order}"
            found += [Entry(*entry) for entry in self._all(sql, [*values, *extra])]
        found.sort(reverse=newest_first)
        return [entry.event() for entry in found[: max(0, limit)]]

    def deployments(self) -> Iterator[dict[str, Json]]:
        return loads([raw for (raw,) in self._all("SELECT row FROM deployments ORDER BY name")])

    def deployment(self, name: str) -> dict[str, Json]:
        found = self._one("SELECT row FROM deployments WHERE name = ?", (name,))
        return _choose.deployment(name, found[0] if found else None)

    def run(self, run: str) -> dict[str, Json]:
        found = self._all(
            "SELECT id, row FROM runs WHERE id >= ? AND id < ? ORDER BY id LIMIT 4", (run, run + "\U0010ffff")
        )
        return _choose.run(run, [(str(each), raw) for each, raw in found])

    def runs(
        self, where: RunFilter = EVERY_RUN, *, before_seq: int | None = None, limit: int = 100
    ) -> list[dict[str, Json]]:
        with self._snapshot():
            found = _marks.find(self._db, where, before_seq, max(0, limit))
            rows = [self._db.execute("SELECT row FROM runs WHERE seq = ?", (seq,)).fetchone() for seq in found]
        return [load(raw) for (raw,) in rows]

    def live_runs(self) -> list[dict[str, Json]]:
        return [load(raw) for (raw,) in self._all("SELECT row FROM runs WHERE final = 0 ORDER BY seq")]

    def run_by_key(self, deployment: str, cause: str) -> dict[str, Json] | None:
        found = self._one(
            "SELECT row FROM runs WHERE deployment = ? AND cause = ? AND trigger <> 'schedule' ORDER BY seq LIMIT 1",
            (deployment, cause),
        )
        return load(found[0]) if found else None

    def slots_run(
        self, deployment: str, first: datetime, last: datetime, *, limit: int = 10_000
    ) -> list[dict[str, Json]]:
        found = self._all(SLOTS, (deployment, instant(first), instant(last), limit))
        return [load(raw) for (raw,) in reversed(found)]

    def counts(self) -> dict[tuple[str, str], int]:
        rows = self._all("SELECT label, state, n FROM counts WHERE label >= 'd:' AND label < 'd;' AND n > 0")
        return {(str(label)[2:], str(state)): int(n) for label, state, n in rows}

    def versions(self, deployment: str) -> dict[tuple[int, str | None], dict[str, int]]:
        found: dict[tuple[int, str | None], dict[str, int]] = {}
        for label, state, n in self._all(VERSIONS, _marks.versions_of(deployment)):
            found.setdefault(_marks.version_of(label), {})[state] = n
        return found

    def meta(self, key: str) -> Json:
        found = self._one("SELECT value FROM meta WHERE key = ?", (key,))
        return load(found[0]) if found else None

    def payload(self, digest: str) -> bytes | None:
        found = self._one("SELECT content FROM payloads WHERE digest = ?", (digest,))
        return bytes(found[0]) if found else None

    def payloads(self) -> Iterator[Stored]:
        place: tuple[Json, ...] = (0, 0)
        while page := self._all(STORED, (*place, PAGE)):
            for rowid, *stored in page:
                yield Stored(*stored)
                place = (stored[-1], rowid)

    def cache_get(self, kind: str, key: str) -> bytes | None:
        found = self._one("SELECT value FROM cache WHERE kind = ? AND key = ?", (kind, key))
        return bytes(found[0]) if found else None

    def cache_items(self, kind: str) -> dict[str, bytes]:
        return dict(self._all("SELECT key, value FROM cache WHERE kind = ?", (kind,)))

    def verify(self, fold: Fold | None = None) -> Verified:
        found = Findings()
        with explained(self._path):
            found.payloads(Payload(*row) for row in self._db.execute("SELECT digest, kind, content FROM payloads"))
            walk = found.walk(self._entries())
            try:
                rows = found.fold(fold, walk) if fold else None
                deque(walk, maxlen=0)
                if rows is not None:
                    self._compare(found, rows)
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
        return found.verified()

    def _entries(self) -> Iterator[Entry]:
        """Every entry. It ends inside a snapshot, so that the projections read next are those of the last entry; most
        is read before it, as a long snapshot lets the file beside the log grow.
        """
        after = 0
        for begin in ("", "BEGIN"):
            self._db.execute(begin)
            while page := self._db.execute(f"{ENTRY} WHERE seq > ? ORDER BY seq LIMIT {PAGE}", (after,)).fetchall():
                yield from (Entry(*row) for row in page)
                after = page[-1][0]

    def _compare(self, found: Findings, rows: Rows) -> None:
        found.compare(
            rows,
            deployments=self._db.execute("SELECT name, row FROM deployments"),
            runs=self._db.execute("SELECT id, row FROM runs"),
            meta=self._db.execute("SELECT key, value FROM meta"),
        )
        for fault in _marks.faults(self._db):
            found.add(fault)

    def backup(self, path: Path) -> None:
        """Copy one moment of the log to a new file, complete in itself and durable; the writer goes on meanwhile.

        Raises ConflictError when `path` exists, StoreError when it cannot be written.
        """
        try:
            made = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except FileExistsError as error:
            raise ConflictError(f"{path} exists", hint="name a new file, or remove it first") from error
        except OSError as error:
            raise StoreError(f"the backup {path} cannot be made: {error.strerror}") from error
        try:
            with explained(path):
                self._db.execute("VACUUM INTO ?", (str(path.absolute()),))
            os.fsync(made)
        except BaseException:
            path.unlink()
            raise
        finally:
            os.close(made)

    def close(self) -> None:
        self._db.close()


def _walks(types: Sequence[str], subject: str | None) -> list[tuple[str, str, list[str]]]:
    """The index, the conditions and their values of each walk that together answer a filter on events."""
    if subject is not None:
        more = f"AND +type IN ({','.join('?' * len(types))})" if types else ""
        return [("INDEXED BY events_subject", f"AND subject = ? {more}", [subject, *types])]
    if types:
        return [("INDEXED BY events_type", "AND type = ?", [word]) for word in dict.fromkeys(types)]
    return [("", "", [])]
