"""What killed the daemon twice in a row is left out and named. Called by wiring at a start, by observe and view.

A spec or code file is isolated by a fact in the log and left out while it holds the same bytes; a run is moved to
Crashed and never looked at again. One death proves nothing: an operator may kill a daemon at any moment.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

from reconciler.core import lifecycle
from reconciler.daemon.crumbs import ENOUGH, Busy, Crumb, Crumbs
from reconciler.daemon.ledger import Ledger
from reconciler.model.events import RunMoved, SpecIsolated
from reconciler.model.plan import Json
from reconciler.model.state import Run, State

log = logging.getLogger("reconciler")

WHY = "the daemon died twice while reading these bytes; left out until the file changes"
WHY_RUN = "the daemon died twice while handling what this run wrote; it is looked at no more"


class IsolatedError(Exception):
    """These bytes are left out."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{path}: {why}")
        self.path = path
        self.why = why


class Poison:
    """Says of each file, before it is read, that it is at hand; refuses those that are isolated."""

    def __init__(self, crumbs: Crumbs, isolated: Mapping[str, Mapping[str, Json]]) -> None:
        self._crumbs = crumbs
        self._blobs = {file: (each["blob"], each["reason"]) for file, each in isolated.items()}

        self._spec = ("", "")

    def spec(self, path: str, blob: str) -> None:
        """These bytes of a spec file are read now. Raises IsolatedError."""
        self._spec = (path, blob)
        self._enter(path, blob)

    def code(self, path: str, blob: str) -> None:
        """These bytes of a code file are read now, for the spec file at hand. Raises IsolatedError."""
        if blob:
            self._enter(path, blob)

    def code_read(self) -> None:
        """The spec file is at hand again."""
        self._crumbs.enter(Busy.READING, *self._spec)

    def _enter(self, path: str, blob: str) -> None:
        bad, why = self._blobs.get(path, ("", ""))
        if blob == bad:
            raise IsolatedError(path, why)
        self._crumbs.enter(Busy.READING, path, blob)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """A reading of several files; when it is over none of them is suspected any more."""
        try:
            yield
        finally:
            self._crumbs.leave(Busy.READING)
            self._crumbs.forget(Busy.READING)


NO_POISON = Poison(Crumbs(), {})
"""For readers that no log remembers anything for: `plan`, `validate`."""


def isolate(ledger: Ledger, crumbs: Crumbs, now: datetime) -> list[Run]:
    """Leave out, durably, the first thing that killed two daemons in a row; the run, if it was one, to be ended.

    Only one at a time: what else was at hand when they died may have had no part in it. Raises StoreError.
    """
    for crumb in crumbs.suspects:
        what = f"reading {crumb.name}" if crumb.blob else f"handling run {crumb.name}"
        if crumb.deaths < ENOUGH:
            log.warning("the daemon before died while %s; should that happen again, it is left out", what)
            continue
        log.error("%d daemons in a row died while %s: it is left out from now on", crumb.deaths, what)
        found = _left_out(ledger, crumb, now)
        crumbs.forget()
        return found
    return []


def _left_out(ledger: Ledger, crumb: Crumb, now: datetime) -> list[Run]:
    if crumb.blob:
        ledger.stage([SpecIsolated(file=crumb.name, blob=crumb.blob, reason=WHY)], now)
        ledger.flush()
        return []
    run = ledger.observed.runs.get(crumb.name)
    if run is None or not lifecycle.allowed(run.state, State.CRASHED):
        return []
    ledger.stage([RunMoved(run=run.id, state=State.CRASHED, attempt=run.attempt, reason=WHY_RUN)], now)
    ledger.flush()
    return [run]
