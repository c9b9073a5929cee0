"""Waiting for a run: looks at the log until it is over. Called by `run --wait` and `logs -f`."""

import time
from collections.abc import Iterator

from reconciler.cli._place import Place
from reconciler.cli._print import say
from reconciler.daemon import client
from reconciler.model.plan import Json
from reconciler.stores import Log

STEP = 0.05
"""Seconds between looks: the log is a file, and a look costs some microseconds."""
DOUBT = 2.0
"""Seconds between asking whether a daemon is there to move the run on."""


def moves(log: Log, run: str, place: Place) -> Iterator[dict[str, Json]]:
    """The run's row at every look, until it is over; says so once when no daemon is there, and goes on waiting."""
    doubt, told = time.monotonic() + DOUBT, False
    while True:
        row = log.run(run)
        yield row
        if row["final"]:
            return
        if time.monotonic() >= doubt:
            doubt = time.monotonic() + DOUBT
            served = client.answers(place.state)
            if not served and not told:
                say("no daemon serves this repository; waiting for one (the run itself goes on)", err=True)
            told = not served
        time.sleep(STEP)
