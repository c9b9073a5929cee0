"""Why a run waits, since when, until when, and what happens next. Called by `show`, `runs` and the API."""

from collections.abc import Iterable
from datetime import datetime

from reconciler.model.ids import instant
from reconciler.model.plan import Json
from reconciler.model.state import Observed, Run, State

WAITS = frozenset(State) - {
    State.RUNNING, State.RETRYING, State.COMPLETED, State.FAILED, State.TIMED_OUT, State.CRASHED, State.CANCELLED,
}  # fmt: skip
"""States in which a run makes no way of its own."""

NAMED = 3
"""Runs that are named where a slot is waited for."""


def waiting(observed: Observed, run: Run, now: datetime) -> dict[str, Json] | None:
    """`{reason, since, until, next}` of a run that waits, instants as text (`until` may be null); None of any other."""
    if run.state not in WAITS:
        return None
    until = _until(run)
    return {
        "reason": run.reason or _reason(run, now),
        "since": instant(run.since),
        "until": instant(until) if until else None,
        "next": next_move(observed, run, now),
    }


def next_move(observed: Observed, run: Run, now: datetime) -> str:
    """What happens to a run if nobody does anything, and what may be done; empty for one that is over."""
    if run.final:
        return ""
    move = _NEXT.get(run.state)
    return move(observed, run, now) if move else "it goes on until the flow returns, fails or times out"


def _until(run: Run) -> datetime | None:
    """When the state ends by itself, as far as that is known."""
    return _start(run) if run.state is State.SCHEDULED else run.until


def _start(run: Run) -> datetime:
    """Its due, or the later start that jitter gave it."""
    return run.turn


def _reason(run: Run, now: datetime) -> str:
    if run.state is not State.SCHEDULED:
        return "it is about to go on"
    ahead = _start(run)
    if ahead <= now:
        return "it is due"
    later = f", put off to {instant(ahead)}" if run.start_at else ""
    return f"it is due at {instant(run.due)}{later}"


def _scheduled(_observed: Observed, run: Run, now: datetime) -> str:
    at = _start(run)
    return f"it starts at {instant(at)}, when a slot is free" if at > now else "it starts as soon as a slot is free"


def _late(_observed: Observed, _run: Run, _now: datetime) -> str:
    return "it starts as soon as a slot is free"


def _awaiting_slot(observed: Observed, run: Run, _now: datetime) -> str:
    if run.reason.endswith("is paused in git"):
        return "it starts once git no longer pauses that, and a slot is free"
    if "is no longer declared" in run.reason:
        return "it starts once that is declared again, and a slot is free"
    held = _held_by(observed, run)
    return f"it starts when that slot is free{f': held by {held}' if held else ''}"


def _held_by(observed: Observed, run: Run) -> str:
    """The runs that hold the slot that a run waits for, told by the words of its reason."""
    others: Iterable[Run] = list(observed.active.values())
    what, _, name = run.reason.partition(" ")
    if what == "deployment":
        others = [o for o in others if o.deployment == run.deployment]
    elif name.startswith("serving process"):
        others = [o for o in others if "served" in o.detail]
    elif name.startswith(("queue", "pool")):
        others = [o for o in others if o.pool == run.pool and (name.startswith("pool") or o.queue == run.queue)]
    if "is full" not in run.reason:
        return ""
    found = sorted(others, key=lambda o: o.seq)
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return ", ".join(f"run {o.id}" for o in found[:NAMED]) + more


def _awaiting_retry(_observed: Observed, run: Run, now: datetime) -> str:
    when = f"at {instant(run.until)}" if run.until and run.until > now else "as soon as a slot is free"
    return f"attempt {run.attempt + 1} starts {when}"


def _pending(_observed: Observed, run: Run, _now: datetime) -> str:
    return f"its process starts attempt {run.attempt}: source, then the flow"


def _paused(_observed: Observed, run: Run, _now: datetime) -> str:
    if run.detail.get("resumed") == run.detail.get("pauses"):
        return "it is told to go on"
    end = f"; at {instant(run.until)} the flow is told that nobody did" if run.until else ""
    return f"it goes on once it is resumed: reconciler resume {run.id}{end}"


def _suspended(_observed: Observed, run: Run, _now: datetime) -> str:
    end = f"; at {instant(run.until)} it fails" if run.until else ""
    return f"attempt {run.attempt + 1} starts once it is resumed: reconciler resume {run.id}{end}"


def _cancelling(_observed: Observed, run: Run, _now: datetime) -> str:
    end = f" at {instant(run.until)}" if run.until else ""
    return f"it has its grace to end, then it is killed{end}"


_NEXT = {
    State.SCHEDULED: _scheduled,
    State.LATE: _late,
    State.AWAITING_CONCURRENCY_SLOT: _awaiting_slot,
    State.AWAITING_RETRY: _awaiting_retry,
    State.PENDING: _pending,
    State.PAUSED: _paused,
    State.SUSPENDED: _suspended,
    State.CANCELLING: _cancelling,
}
