"""How verbs print: tables, colours, JSON, notices. Called by every verb with something to show.

What comes from a repository or a run is untrusted: `plain` makes a text safe for a terminal.
"""

import json
import re
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import IO

import click

from reconciler.daemon import config
from reconciler.model.plan import Json

COLOURS = {
    **dict.fromkeys(("Completed", "Synced", "Healthy", "create"), "green"),
    **dict.fromkeys(("Failed", "TimedOut", "Crashed", "Degraded", "Invalid", "prune", "problem", "refused"), "red"),
    **dict.fromkeys(("OutOfSync", "Late", "AwaitingRetry", "Suspended", "Paused", "Unknown", "update"), "yellow"),
    **dict.fromkeys(("AwaitingConcurrencySlot", "Cancelling", "Quarantined", "note"), "yellow"),
    **dict.fromkeys(("Running", "Retrying", "Pending", "moved"), "cyan"),
}
"""Of words that stand alone in a cell."""

SLOW = 1.0
"""Seconds after which a person is told what is being waited for."""


def plain(text: object) -> str:
    """A text on one line without what a terminal would obey: control characters become `?`."""
    found = str(text)
    return (
        found if found.isprintable() else "".join(c if c.isprintable() else " " if c in "\t\n" else "?" for c in found)
    )


def paint(text: str, colour: str | None = None, *, bold: bool = False) -> str:
    """The text in colour; `say` drops it again where the output is no terminal."""
    if config.environment("NO_COLOR"):
        return text
    return click.style(text, fg=colour, bold=bold or None)


def word(text: str, width: int = 0) -> str:
    """A word of the vocabulary in its colour, padded to a width."""
    colour = COLOURS.get(text)
    return paint(text, colour) + " " * (width - len(text)) if colour else text.ljust(width)


def say(text: str = "", *, err: bool = False) -> None:
    """One line (or several) for people."""
    click.echo(text.encode("utf-8", "replace").decode("utf-8"), err=err)


def print_json(value: Json) -> None:
    """One JSON document."""
    click.echo(json.dumps(value, indent=2))


def print_line(value: Json) -> None:
    """One JSON object on a line, flushed: somebody may be following."""
    click.echo(json.dumps(value))


def table(titles: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Aligned columns under their titles."""
    cells = [[plain("" if cell is None else cell) for cell in row] for row in rows]
    widths = [max(len(line[i]) for line in (titles, *cells)) for i in range(len(titles))]
    say(paint("  ".join(t.ljust(w) for t, w in zip(titles, widths, strict=True)).rstrip(), bold=True))
    for row in cells:
        last = len(row) - 1
        said = (word(c, 0 if i == last else w) for i, (c, w) in enumerate(zip(row, widths, strict=True)))
        say("  ".join(said).rstrip())


def fields(pairs: Sequence[tuple[str, object]]) -> None:
    """Names and values, one a line; a value of None or "" is left out."""
    shown = [(name, value) for name, value in pairs if value is not None and value != ""]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        say(f"{paint((name + ':').ljust(width + 1), bold=True)} {word(plain(value))}")


def when(at: str | None) -> str:
    """An instant for people: seconds, UTC."""
    return f"{at[:10]} {at[11:19]}Z" if at else ""


def shortly(text: str) -> str:
    """A text with its instants as people read them."""
    return _INSTANT.sub(r"\1 \2Z", text)


_INSTANT = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)\.\d{6}Z", re.ASCII)


def ahead(at: str | None, now: datetime) -> str:
    """How far an instant lies ahead, for people: `in 4 min 58 s`."""
    if not at:
        return ""
    left = max(round((datetime.fromisoformat(at) - now).total_seconds()), 0)
    parts = []
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
    return f"in {' '.join(parts[:2])}" if parts else "now"


def compact(value: Json, limit: int = 80) -> str:
    """A JSON value on one line of at most `limit` characters."""
    text = json.dumps(value, ensure_ascii=False)
    return plain(text if len(text) <= limit else text[: limit - 1] + "…")


@contextmanager
def progress(what: str) -> Iterator[None]:
    """Say on a terminal what takes longer than a second."""
    timer = threading.Timer(SLOW, lambda: say(f"{what} …", err=True))
    timer.daemon = True
    if _terminal(sys.stderr):
        timer.start()
    try:
        yield
    finally:
        timer.cancel()


def to_terminal() -> bool:
    """Whether stdout is a terminal."""
    return _terminal(sys.stdout)


def _terminal(stream: IO[str]) -> bool:
    try:
        return stream.isatty()
    except ValueError:
        return False
