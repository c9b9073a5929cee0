"""What comes next: the slots of a deployment. Called by status and show.

Schedules are imported only where one is to be computed: most of these verbs' answers need none.
"""

import importlib
from datetime import datetime
from typing import Any

from reconciler.core.project import SET_BACK
from reconciler.model.ids import canonical, instant
from reconciler.model.state import Deployment, Scheduled

_seen: dict[bytes, datetime | None] = {}


def next_due(deployment: Deployment, now: datetime) -> str | None:
    """The first slot ahead, as an instant; None where none is or all rest."""
    if deployment.paused or deployment.suspended:
        return None
    slots = [_slot(s.rule, reached(s, now)) for s in deployment.schedules if s.rule.get("active", True)]
    return min((instant(slot) for slot in slots if slot), default=None)


def reached(scheduled: Scheduled, now: datetime) -> datetime:
    """After which moment the next slot is looked for: as core/due does, also after a clock that was far ahead."""
    return now if scheduled.accounted > now + SET_BACK else max(now, scheduled.accounted)


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
