"""Print the log: every fact, in order."""

import time
from collections.abc import Iterator
from typing import Any

import click

from reconciler.cli._log import reading
from reconciler.cli._place import Place
from reconciler.cli._print import compact, paint, plain, print_line, say, when
from reconciler.model.errors import InvalidRequestError
from reconciler.model.events import RunMoved
from reconciler.model.fact import Event, Fact
from reconciler.model.ids import instant
from reconciler.model.state import State
from reconciler.stores import Log

PAGE = 1000
STEP = 0.1
"""Seconds between looks for new events: one query by the log's primary key."""


@click.command("events")
@click.option("-f", "--follow", is_flag=True, help="Go on with new ones as they come.")
@click.option("--type", "types", multiple=True, metavar="TYPE", help="Only of this type; may be given again.")
@click.option("--subject", metavar="NAME", help="Only about this deployment, run or pool, or `repository`.")
@click.option("--since-seq", type=click.IntRange(0), metavar="N", help="Only after number N, oldest first.")
@click.option(
    "--limit", type=click.IntRange(1), metavar="N", help="At most N: the newest, or the first after --since-seq."
)
@click.option("--json", "as_json", is_flag=True, help="A JSON object a line.")
@click.pass_obj
def command(
    obj: dict[str, Any],
    *,
    follow: bool,
    types: tuple[str, ...],
    subject: str | None,
    since_seq: int | None,
    limit: int | None,
    as_json: bool,
) -> None:
    """Print the log: every fact, in order.

    \b
    JSON: an object a line, {seq, type, subject, at, revision, data, hash}.
    """
    unknown = sorted(set(types) - TYPES)
    if unknown:
        raise InvalidRequestError(f"there is no type {unknown[0]!r}", hint=f"known: {', '.join(sorted(TYPES))}")
    with reading(Place.of(obj)) as log:
        last = log.head()[0] if limit and since_seq is None else since_seq or 0
        asked = _Asked(types, subject)
        newest = asked.newest(log, limit) if limit and since_seq is None else asked.after(log, last, limit)
        for event in newest:
            last = event.seq
            _print(event, as_json=as_json)
        while follow:
            for event in asked.after(log, last, None):
                last = event.seq
                _print(event, as_json=as_json)
            time.sleep(STEP)


class _Asked:
    """Which events."""

    def __init__(self, types: tuple[str, ...], subject: str | None) -> None:
        self._types = types
        self._subject = subject

    def newest(self, log: Log, limit: int) -> list[Event]:
        """The last ones, oldest first."""
        found = log.events(limit=limit, types=self._types, subject=self._subject, newest_first=True)
        return found[::-1]

    def after(self, log: Log, seq: int, limit: int | None) -> Iterator[Event]:
        """Those after a number, page by page."""
        while limit is None or limit > 0:
            size = PAGE if limit is None else min(PAGE, limit)
            page = log.events(seq, limit=size, types=self._types, subject=self._subject)
            yield from page
            if len(page) < size:
                return
            seq, limit = page[-1].seq, None if limit is None else limit - len(page)


def _print(event: Event, *, as_json: bool) -> None:
    if as_json:
        print_line(event.json(instant(event.at)))
        return
    kind = paint(f"{event.type:<20}", bold=True)
    data = dict(event.data)
    reason = data.pop("reason", "")
    if event.type == f"Run{data.get('state')}":
        del data["state"]  # its type says it
    said = "  ".join(filter(None, (plain(reason), compact(data, 160) if data else "")))
    say(f"{event.seq:>7}  {when(instant(event.at))}  {kind}  {plain(event.subject)}  {said}")


def _types(kind: type[Fact]) -> Iterator[str]:
    for each in kind.__subclasses__():
        yield each.__name__
        yield from _types(each)


TYPES = (set(_types(Fact)) - {RunMoved.__name__}) | {f"Run{state}" for state in State if state is not State.SCHEDULED}
