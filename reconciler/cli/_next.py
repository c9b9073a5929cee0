"""What comes next: the slot of a deployment, the move of a run. Called by status and show.

Schedules are imported only where one is to be computed: most of these verbs' answers need none.
"""

import importlib
from datetime import datetime
from typing import Any

from reconciler.model.ids import canonical, instant
from reconciler.model.state import Deployment, Run, State

_seen: dict[bytes, datetime | None] = {}


def next_due(deployment: Deployment, now: datetime) -> str | None:
    """The first slot ahead, as an instant; None where none is or all rest."""
    if deployment.paused or deployment.suspended:
        return None
    slots = [_slot(s.rule, max(now, s.accounted)) for s in deployment.schedules if s.rule.get("active", True)]
    return min((instant(slot) for slot in slots if slot), default=None)


def slots_ahead(rule: dict[str, Any], after: datetime, count: int) -> list[str]:
    """The next slots of one schedule, as instants."""
    found: list[str] = []
    while len(found) < count and (slot := _slot(rule, after)) is not None:
        found.append(instant(slot))
        after = slot
    return found


def _slot(rule: dict[str, Any], after: datetime) -> datetime | None:
    """The slot after a moment; many deployments share a rule, so each is computed once."""
    schedules = importlib.import_module("reconciler.schedules")
    decides = {key: rule[key] for key in schedules.DECIDES if rule.get(key) is not None}
    key = canonical([decides, instant(after)])
    if key not in _seen:
        _seen[key] = schedules.next_slot(schedules.load(rule), after)
    return _seen[key]


def next_move(run: Run, *, served: bool) -> str:
    """What happens to a run if nobody does anything; empty for one that is over."""
    if run.final:
        return ""
    move = _MOVES[run.state].format(
        until=instant(run.until) if run.until else "", due=instant(run.start_at or run.due), n=run.attempt
    )
    if not served and run.state not in _BY_ITSELF:
        return f"nothing until a daemon serves (reconciler serve); then: {move}"
    return move


_BY_ITSELF = {State.RUNNING, State.RETRYING}
_MOVES = {
    State.SCHEDULED: "it starts at {due}, when a slot is free",
    State.LATE: "it starts as soon as a slot is free",
    State.AWAITING_CONCURRENCY_SLOT: "it starts when that slot is free",
    State.AWAITING_RETRY: "the next attempt starts at {until}",
    State.PENDING: "its process starts attempt {n}",
    State.RUNNING: "it goes on until the flow returns, fails or times out",
    State.RETRYING: "it goes on until the flow returns, fails or times out",
    State.PAUSED: "it waits to be resumed",
    State.SUSPENDED: "it waits to be resumed",
    State.CANCELLING: "it has its grace to end, then it is killed",
}
