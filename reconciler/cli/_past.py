"""The slots of a deployment that passed, and what became of each. Called by `slots --past`.

A slot is a run, skipped or missed, as it was told; a backfill adds a run beside that.
"""

import importlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from reconciler.cli._print import plain, say, table, when
from reconciler.core.rest import resting
from reconciler.model.fact import Event
from reconciler.model.ids import instant, moment
from reconciler.model.plan import Json
from reconciler.model.state import Deployment, Scheduled
from reconciler.stores import Log

PAGE = 1000
STRETCHES = ("SlotsSkipped", "SlotsMissed")
BACKFILL = "backfill"


def past(log: Log, known: Deployment, span: tuple[datetime, datetime], count: int) -> list[dict[str, Json]]:
    """The last `count` slots in [first, last], oldest first: {due, schedule, fate, reason, runs}.

    A fate is run, caught up, skipped, missed, resting (skipped, told when that ends), waiting (for its turn to be
    caught up) or none (the schedule did not say so then). `runs` are {id, state, trigger}.
    """
    schedules: Any = importlib.import_module("reconciler.schedules")
    found = [
        (due, scheduled)
        for scheduled in known.schedules
        for due in schedules.newest(schedules.load(scheduled.rule), *span, count)
    ]
    found = sorted(found, key=lambda each: (each[0], each[1].id))[-count:]
    if not found:
        return []
    runs = log.slots_run(known.name, found[0][0], found[-1][0], limit=100 * count)
    told = list(_stretches(log, known.name, instant(found[0][0])))
    return [_slot(known, scheduled, due, runs, told) for due, scheduled in found]


def _stretches(log: Log, name: str, first: str) -> Iterator[Event]:
    """The stretches told of a deployment that reach into the time from `first` on."""
    before = None
    while page := log.events(before=before, types=STRETCHES, subject=name, newest_first=True, limit=PAGE):
        yield from (event for event in page if event.data["last"] >= first)
        before = page[-1].seq


def _slot(
    known: Deployment, scheduled: Scheduled, due: datetime, runs: Sequence[dict[str, Json]], told: Sequence[Event]
) -> dict[str, Json]:
    at, names = instant(due), {scheduled.id, scheduled.rule.get("replaces")}
    own = [run for run in runs if run["due"] == at and run["schedule"] in names]
    fate, reason = _fate(known, scheduled, due, own, [e for e in told if e.data["schedule"] in names])
    shown = [{"id": run["id"], "state": run["state"], "trigger": run["trigger"]} for run in own]
    return {"due": at, "schedule": scheduled.id, "fate": fate, "reason": reason, "runs": shown}


def _fate(
    known: Deployment, scheduled: Scheduled, due: datetime, own: Sequence[dict[str, Json]], told: Sequence[Event]
) -> tuple[str, str]:
    for run in own:
        if run["trigger"] == "schedule":
            return ("caught up" if run["made_for"] else "run"), run["made_for"]
    for event in told:
        if moment(event.data["first"]) <= due <= moment(event.data["last"]):
            of = f" (one of {event.data['count']})" if event.data["count"] > 1 else ""
            return ("missed" if event.type == "SlotsMissed" else "skipped"), event.data["reason"] + of
    if due <= scheduled.accounted:
        return "none", "the schedule did not say so then"
    rests = resting(known, scheduled)
    return ("resting", rests) if rests else ("waiting", "it is next, or no daemon serves")


def show(slots: Sequence[dict[str, Json]]) -> None:
    """Print slots as a table."""
    if not slots:
        say("no slots there")
        return
    lines = []
    for slot in slots:
        last = slot["runs"][-1] if slot["runs"] else {"id": "", "state": ""}
        again = any(run["trigger"] == BACKFILL for run in slot["runs"])
        told = slot["fate"] if slot["fate"] != "none" or not again else ""
        fate = ", ".join(filter(None, (told, "backfilled" * again)))
        lines.append((when(slot["due"]), slot["schedule"], fate, last["id"], last["state"], plain(slot["reason"])))
    table(("DUE", "SCHEDULE", "FATE", "LAST RUN", "STATE", "BECAUSE"), lines)
