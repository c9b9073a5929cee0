"""Check the log: the hash chain, the payloads, and that folding it gives what is stored."""

import sys
from collections.abc import Iterable
from typing import Any

import click

from reconciler.cli._log import REPOSITORY, reading
from reconciler.cli._place import Place
from reconciler.cli._print import plain, print_json, progress, say, word
from reconciler.core import project, rows
from reconciler.daemon import ledger
from reconciler.model.fact import Event
from reconciler.stores import Rows


@click.command("verify")
@click.option("--json", "as_json", is_flag=True, help="A JSON object.")
@click.pass_obj
def command(obj: dict[str, Any], as_json: bool) -> None:
    """Check the log: the hash chain, the payloads, and that folding it gives what is stored. Exit 1 on any problem.

    \b
    The daemon may go on meanwhile. A log cut at its end still verifies: compare the head with a copy kept elsewhere.
    JSON: {events, head, problems}.
    """
    with reading(Place.of(obj)) as log, progress("verifying the log"):
        older = rows.is_of_another_version(log.meta(REPOSITORY))
        found = log.verify(None if older else _fold)
    if older:
        say("projections of another version are not compared: `reconciler serve` makes them anew", err=True)
    if as_json:
        print_json({"events": found.events, "head": found.head, "problems": list(found.problems)})
    else:
        for problem in found.problems:
            say(f"{word('problem')} {plain(problem)}")
        what = "does not verify" if found.problems else "verifies"
        say(f"the log {what}: {found.events} events, head {found.head}")
    sys.exit(int(bool(found.problems)))


def _fold(events: Iterable[Event]) -> Rows:
    observed, touched = project.replay(events)
    return ledger.projected(observed, touched)
