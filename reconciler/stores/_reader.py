"""Reading a log from outside the daemon, whether it runs or not. Called by the command line and the web."""

import sqlite3
from pathlib import Path
from typing import Self

from reconciler.model.errors import AccessError, NotFoundError, StoreError
from reconciler.stores import _schema
from reconciler.stores._errors import explained, missing_permission
from reconciler.stores._reads import SqlLog

WAIT = 5.0
"""Seconds to wait for a lock: only recovery after a crash takes one that a reader meets."""
PERMISSION = {"StoreUnopenable", "StoreReadOnly"}
"""Reasons that a missing permission may stand behind."""


class Reader(SqlLog):
    """A log.db that is only read."""

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the log at `path`.

        Raises NotFoundError where none is yet, AccessError naming the permission this user lacks, StoreError.
        """
        none = NotFoundError(f"no log here yet ({path})", hint="start `reconciler serve`")
        try:
            path.stat()
        except (FileNotFoundError, NotADirectoryError):
            raise none from None
        except OSError as error:
            raise missing_permission(path) or AccessError(f"the log cannot be read: {error}") from error
        try:
            with explained(path):
                db = _schema.connect(path, "ro", wait=WAIT)
                found = _opened(db, path)
        except StoreError as error:
            if error.reason in PERMISSION and (missing := missing_permission(path)):
                raise missing from error
            raise
        if not found:
            db.close()
            raise none
        return cls(db, path)


def _opened(db: sqlite3.Connection, path: Path) -> int:
    """The schema version; the first statement is what meets a missing permission."""
    try:
        return _schema.version(db, path)
    except BaseException:
        db.close()
        raise
