"""What SQLite's errors mean to a person. Called by the sqlite store and its reader."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reconciler.model.errors import AccessError, ChainBrokenError, InvalidRequestError, Next, StoreError

# Primary result code → reason, what happened, what to do, what comes next.
MEANINGS = {
    sqlite3.SQLITE_BUSY: (
        "StoreLocked",
        "is locked by another process",
        "close the program that writes to it (only the daemon may); it is tried again",
        Next.TRANSIENT,
    ),
    sqlite3.SQLITE_FULL: (
        "DiskFull",
        "cannot grow: no space is left on its disk",
        "free space on that file system; nothing was lost, and it is tried again",
        Next.TRANSIENT,
    ),
    sqlite3.SQLITE_IOERR: (
        "DiskFailed",
        "cannot be read or written: the disk (or a quota or file size limit) refused",
        "check the file system and the limits of the daemon's user; nothing unacknowledged counts as written",
        Next.TRANSIENT,
    ),
    sqlite3.SQLITE_READONLY: (
        "StoreReadOnly",
        "is read-only",
        "give the daemon's user write permission on the file and its directory",
        Next.STALLED,
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "StoreUnopenable",
        "cannot be opened",
        "check that its directory exists and that the daemon's user may read and write in it",
        Next.STALLED,
    ),
}
DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def explain(error: sqlite3.Error, path: Path) -> StoreError:
    """The error to raise in place of SQLite's."""
    code = (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF
    if code in DAMAGED:
        return ChainBrokenError(f"the log {path} is damaged: {error}", hint="stop the daemon and restore a backup")
    if code not in MEANINGS:
        old = "no such table" in str(error)
        hint = "an older reconciler wrote it: start `reconciler serve`, which brings it up to date" if old else ""
        return StoreError(f"the log {path} cannot be used: {error}", hint=hint)
    reason, what, hint, following = MEANINGS[code]
    explained = StoreError(f"the log {path} {what} ({error})", hint=hint)
    explained.reason, explained.next = reason, following
    return explained


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into ours: StoreError, or InvalidRequestError for a value that no column can hold."""
    try:
        yield
    except sqlite3.Error as error:
        raise explain(error, path) from error
    except UnicodeEncodeError as error:
        raise InvalidRequestError(f"not a text: {error.object!r} holds half a character") from error
    except OverflowError as error:
        raise InvalidRequestError("a number is too large for the log (64 bits)") from error


def missing_permission(path: Path) -> AccessError | None:
    """Why this user cannot read the log, as far as permissions tell; None when they are not why."""
    parent = path.parent
    checks = (
        (parent, os.X_OK, "enter", ""),
        (path, os.R_OK, "read", ""),
        (parent, os.W_OK, "write in", ", where SQLite keeps its index of the newest changes"),
    )
    for place, permission, verb, why in checks:
        if not os.access(place, permission, effective_ids=True):
            return AccessError(
                f"the log cannot be read: this user may not {verb} {place}{why}",
                hint="run this as the user that runs the daemon",
            )
    return None
