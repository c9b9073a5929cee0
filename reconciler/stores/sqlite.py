"""The log in one SQLite file beside the repository: the daemon's store. Called by the daemon through the plug-in rule.

Exactly one connection writes, and only it checkpoints, between appends: SQLite 3.7.0 to 3.51.2 can corrupt a file when
one connection checkpoints while another commits, and distributions still ship them.
"""
# ruff: noqa: D102 - the promise in __init__ says what each method does

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Self

from reconciler.model.errors import StoreError
from reconciler.model.fact import Event, Fact
from reconciler.model.ids import canonical
from reconciler.stores import NO_ROWS, Payload, Rows, Store, _chain, _marks, _schema
from reconciler.stores._errors import explained
from reconciler.stores._reads import SqlLog

WAIT = 1.0
"""Seconds to wait for another process's lock before an append is refused."""

PRAGMAS = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA wal_autocheckpoint = 0;
PRAGMA journal_size_limit = 16777216;
PRAGMA mmap_size = 0;
PRAGMA cache_size = -8192;
PRAGMA temp_store = MEMORY;
PRAGMA secure_delete = ON;
"""

EVENT = "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
PAYLOAD = """
INSERT INTO payloads (digest, kind, seq, content) VALUES (?, ?, ?, ?)
ON CONFLICT (digest) DO UPDATE SET seq = excluded.seq
"""
DEPLOYMENT = "INSERT INTO deployments VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET row = excluded.row"
META = "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
CACHE = "INSERT INTO cache VALUES (?, ?, ?) ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value"


class SqliteStore(SqlLog, Store):
    """log.db, open for writing."""

    _head: tuple[int, str] | None = None
    """The last event, while it is known to be this store's own."""

    @classmethod
    def open(cls, path: Path) -> Self:
        with explained(path):
            try:
                # Before SQLite has it open: closing a file drops every POSIX lock this process holds on it.
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
            except FileExistsError:
                pass
            except OSError as error:
                raise StoreError(f"the log {path} cannot be made: {error.strerror}") from error
            store = cls(_schema.connect(path, "rw", wait=WAIT), path)
            try:
                store._prepare()
            except BaseException:
                store._db.close()
                raise
        return store

    def _prepare(self) -> None:
        _schema.version(self._db, self._path)
        for pragma in PRAGMAS.strip().splitlines():
            self._db.execute(pragma)
        with self._transaction():
            held = _schema.version(self._db, self._path)
            if held < _schema.SCHEMA:
                _schema.create(self._db, held)
                if held:
                    _marks.count_versions(self._db)
            # Written also when it is there: SQLite opens a read-only file without a word, and no append should meet it.
            self._db.execute(f"PRAGMA user_version = {_schema.SCHEMA}")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with explained(self._path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                # SQLite itself has rolled back after some errors.
                with suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
                raise

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
        head, self._head = self._head, None
        with self._transaction():
            # What this store appended last is known; should another have appended since, its event has the number.
            head = head if head and facts else self.head()
            _chain.guard(expect, head[0])
            entries = _chain.seal(facts, at=at, revision=revision, head=head)
            events = _chain.events(entries, at)
            last = head[0] + len(entries)
            self._insert(entries, expect)
            if rows.purged:
                self._db.executemany("DELETE FROM payloads WHERE digest = ?", [(name,) for name in rows.purged])
            if payloads := list(payloads):
                self._db.executemany(PAYLOAD, [(p.digest, p.kind, last, p.content) for p in payloads])
            if rows is not NO_ROWS:
                self._project(rows)
        self._head = (last, entries[-1].hash) if entries else head
        return events

    def _insert(self, entries: Sequence[_chain.Entry], expect: int) -> None:
        try:
            self._db.executemany(EVENT, entries)
        except sqlite3.IntegrityError:
            _chain.guard(expect, self.head()[0])
            raise

    def _project(self, rows: Rows) -> None:
        if rows.deployments:
            kept = [(name, canonical(row)) for name, row in rows.deployments.items() if row is not None]
            gone = [(name,) for name, row in rows.deployments.items() if row is None]
            self._db.executemany(DEPLOYMENT, kept)
            self._db.executemany("DELETE FROM deployments WHERE name = ?", gone)
        if rows.runs:
            _marks.write(self._db, rows.runs.values())
        if rows.meta:
            self._db.executemany(META, [(key, canonical(value)) for key, value in rows.meta.items()])

    def cache_put(self, kind: str, items: Mapping[str, bytes]) -> None:
        with self._unsynced(), self._transaction():
            self._db.executemany(CACHE, [(kind, key, value) for key, value in items.items()])

    def cache_delete(self, kind: str, keys: Iterable[str]) -> None:
        with self._unsynced(), self._transaction():
            self._db.executemany("DELETE FROM cache WHERE kind = ? AND key = ?", [(kind, key) for key in keys])

    @contextmanager
    def _unsynced(self) -> Iterator[None]:
        """A cache is not worth waiting for the disk; the next append's sync covers it."""
        with explained(self._path):
            self._db.execute("PRAGMA synchronous = NORMAL")
            try:
                yield
            finally:
                self._db.execute("PRAGMA synchronous = FULL")

    def checkpoint(self) -> int:
        """Move what was appended into the main file, as far as no reader holds it back; the pages left to move.

        PASSIVE waits for nobody. Appends grow the file beside the log until this is called.
        """
        with explained(self._path):
            _, written, moved = self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        return max(0, int(written) - int(moved))

    def close(self) -> None:
        # Without waiting for readers; what cannot be moved now stays safe beside the log.
        with suppress(sqlite3.Error):
            self._db.execute("PRAGMA busy_timeout = 0")
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._db.close()
