"""Waiting for the end of a run, telling its states. Called by `run --wait` and `retry --wait`."""

import sys

from reconciler.cli import _follow
from reconciler.cli._place import Place
from reconciler.cli._print import plain, say, word
from reconciler.model.fact import Event
from reconciler.model.ids import instant
from reconciler.stores import Log


def wait(log: Log, run: str, place: Place) -> int:
    """The exit code: 0 when Completed."""
    sys.stdout.flush()
    seen, state = 0, ""
    for _row in _follow.moves(log, run, place):
        for event in log.events(seen, subject=run):
            seen, state = event.seq, event.data.get("state", state)
            say(f"{instant(event.at)[11:23]}Z  {_said(event)}", err=True)
    return int(state != "Completed")


def _said(event: Event) -> str:
    """The state and its reason; the ordinary way of a run needs none."""
    state = str(event.data.get("state") or event.type.removeprefix("Run").replace("Created", "Scheduled"))
    reason = "" if state in ORDINARY else event.data.get("reason")
    return f"{word(state)}{f': {plain(reason)}' if reason else ''}"


ORDINARY = {"Scheduled", "Pending", "Completed"}
