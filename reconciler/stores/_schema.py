"""The tables of log.db, how it is opened, and its version. Called by the sqlite store and its reader."""

import os
import sqlite3
from pathlib import Path
from urllib.parse import quote

from reconciler.model.errors import StoreError

SCHEMA = 3
"""Kept in `PRAGMA user_version`. 2 has `slots`, 3 counts the runs of each version."""

SLOTS = """
CREATE TABLE slots (
  deployment TEXT NOT NULL, due TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (deployment, due, seq)
) WITHOUT ROWID"""
"""The runs that are of a slot, by deployment and due. New in schema 2: its rows come when projections are made anew."""

# Not STRICT and no RETURNING: distributions still link SQLite 3.34. `marks` lists every run under each of its labels
# (all runs, its deployment, its tags) in the order lists are shown, so that any filter is a walk over one key range.
TABLES = f"""
CREATE TABLE events (
  seq INTEGER PRIMARY KEY, version INTEGER NOT NULL, type TEXT NOT NULL, subject TEXT NOT NULL, at TEXT NOT NULL,
  revision TEXT, data BLOB NOT NULL, hash TEXT NOT NULL);
CREATE INDEX events_subject ON events (subject);
CREATE INDEX events_type ON events (type);
CREATE TABLE payloads (digest TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, seq INTEGER NOT NULL, content BLOB NOT NULL);
CREATE INDEX payloads_seq ON payloads (seq);
CREATE TABLE deployments (name TEXT NOT NULL UNIQUE, row BLOB NOT NULL);
CREATE TABLE runs (
  seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, deployment TEXT NOT NULL, state TEXT NOT NULL,
  final INTEGER NOT NULL, created_at TEXT NOT NULL, trigger TEXT NOT NULL, cause TEXT NOT NULL, labels BLOB NOT NULL,
  row BLOB NOT NULL);
CREATE INDEX runs_live ON runs (seq) WHERE final = 0;
CREATE INDEX runs_key ON runs (deployment, cause) WHERE trigger <> 'schedule';
CREATE TABLE marks (
  label TEXT NOT NULL, state TEXT NOT NULL, created_at TEXT NOT NULL, seq INTEGER NOT NULL,
  PRIMARY KEY (label, state, created_at, seq)) WITHOUT ROWID;
CREATE TABLE counts (
  label TEXT NOT NULL, state TEXT NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (label, state)) WITHOUT ROWID;
{SLOTS.strip()};
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE cache (kind TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, UNIQUE (kind, key));
"""


def connect(path: Path, mode: str, *, wait: float) -> sqlite3.Connection:
    """A connection to an existing file; `mode` is `ro` or `rw`, `wait` the seconds to wait for a lock."""
    # As a URI even for the writer: SQLite then never makes a file of its own with the mode of the umask.
    uri = f"file:{quote(os.fsencode(path.absolute()))}?mode={mode}"
    return sqlite3.connect(uri, uri=True, timeout=wait, isolation_level=None, check_same_thread=False)


def version(db: sqlite3.Connection, path: Path) -> int:
    """The schema version, 0 of a new file. Raises StoreError for a newer one, or a database that is not a log."""
    found = _kept(db)
    if found == 0 and db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
        found = _kept(db)  # its maker may have finished between the two looks
        if found == 0:
            raise StoreError(f"{path} is a database of something else", hint="choose another state directory")
    if found > SCHEMA:
        raise StoreError(
            f"the log {path} was written by a newer reconciler (schema {found}; this one knows {SCHEMA})",
            hint="upgrade reconciler, or restore the backup made before the upgrade",
        )
    return found


def _kept(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def create(db: sqlite3.Connection, found: int) -> None:
    """Make the tables that a file of schema `found` (0: new) lacks; the caller writes the version with them."""
    for statement in (TABLES, SLOTS, "")[found].split(";\n"):
        if statement.strip():
            db.execute(statement)
