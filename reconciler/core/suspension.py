"""Suspended runs whose time to be resumed is over. Called by the loop: no process is left that could say so."""

from datetime import datetime

from reconciler.model.events import RunMoved
from reconciler.model.fact import Fact
from reconciler.model.ids import instant
from reconciler.model.state import Observed, State


def expired(observed: Observed, now: datetime) -> list[Fact]:
    """Runs that nobody resumed in time: they fail, and are not tried again."""
    return [
        RunMoved(
            run=run.id,
            state=State.FAILED,
            attempt=run.attempt,
            reason=f"not resumed within {(run.until - run.since).total_seconds():g} s, by {instant(run.until)}",
        )
        for run in observed.suspended.values()
        if run.until is not None and run.until <= now
    ]


def wake_at(observed: Observed) -> datetime | None:
    """When the time of the next one is over."""
    return min((run.until for run in observed.suspended.values() if run.until is not None), default=None)
