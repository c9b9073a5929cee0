"""Print the output of a run, as it came."""

import os
import re
import sys
from typing import Any

import click

from reconciler.cli import _follow
from reconciler.cli._log import reading
from reconciler.cli._place import Place
from reconciler.cli._print import plain, say, to_terminal, when
from reconciler.core.script import TRIGGER
from reconciler.engine import output
from reconciler.model.errors import AccessError, InvalidRequestError, NotFoundError
from reconciler.model.plan import Json

_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\xc2[\x80-\x9f]|\r(?!\n)")
"""What a terminal would obey; tabs and line ends stay. In UTF-8 also the C1 controls."""


@click.command("logs")
@click.argument("run")
@click.option("-f", "--follow", is_flag=True, help="Go on until the run is over.")
@click.option("--attempt", type=click.IntRange(1), metavar="N", help="Of this attempt, instead of the latest.")
@click.pass_obj
def command(obj: dict[str, Any], run: str, follow: bool, attempt: int | None) -> None:
    """Print the output of a run's latest attempt, byte for byte; on a terminal without control characters."""
    if follow and attempt:
        raise InvalidRequestError("--follow and --attempt exclude each other", hint="an earlier attempt says no more")
    place = Place.of(obj)
    with reading(place) as log:
        row = log.run(run)
        if attempt:
            row |= {"attempt": _begun(row, attempt)}
        tail = _Tail(place)
        for each in _follow.moves(log, row["id"], place) if follow else [row]:
            row = each
            tail.print(row)
    if not tail.printed:
        say(_nothing(row, there=tail.there), err=True)


def _begun(row: dict[str, Json], attempt: int) -> int:
    """The attempt that is asked for. Raises NotFoundError for one that has not begun."""
    if attempt > row["attempt"]:
        raise NotFoundError(
            f"run {row['id']} has no attempt {attempt}", hint=f"`reconciler show {row['id']}` tells how many it has"
        )
    return attempt


class _Tail:
    """Prints what is new of the latest attempt's output."""

    def __init__(self, place: Place) -> None:
        self._state = place.state
        self._clean = to_terminal()
        self._attempt = 0
        self._offset = 0
        self.printed = False
        self.there = False

    def print(self, row: dict[str, Json]) -> None:
        """Everything that is there by now; of an attempt that was followed, its end before the next one."""
        if row["attempt"] != self._attempt:
            if self._attempt:
                self._drain(row["id"])
                say(f"--- attempt {row['attempt']} ---", err=True)
            self._attempt, self._offset = row["attempt"], 0
        self._drain(row["id"])

    def _drain(self, run: str) -> None:
        path = self._state.attempt(run, self._attempt) / output.OUTPUT
        try:
            self.there = path.exists()
            while (read := output.read(path, self._offset))[0]:
                chunk, self._offset = read
                self._write(chunk)
        except PermissionError:
            raise AccessError(
                f"the output cannot be read: this user may not read {path}",
                hint="run this as the user that runs the daemon",
            ) from None

    def _write(self, chunk: bytes) -> None:
        self.printed = True
        sys.stdout.flush()
        data = _CONTROL.sub(b"?", chunk) if self._clean else chunk
        while data:
            data = data[os.write(sys.stdout.fileno(), data) :]


def _nothing(row: dict[str, Json], *, there: bool) -> str:
    """Why nothing was printed."""
    if row["trigger"] == TRIGGER:
        return f"run {row['id']} is a call in a script: its output stays in that script's terminal"
    if not row["attempt"]:
        reason = f": {plain(row['reason'])}" if row["reason"] else ""
        return f"run {row['id']} has not started: {row['state']} since {when(row['since'])}{reason}"
    if row["final"] and not there:
        return f"the output of run {row['id']} is not kept any more (it ended {when(row['finished_at'])})"
    return f"run {row['id']} has printed nothing ({row['state']})"
