"""Suspend a deployment: its schedules rest until it is resumed; git still says what it says."""

from typing import Any

import click

from reconciler.cli._place import Place
from reconciler.cli._print import plain, say
from reconciler.daemon import client
from reconciler.model.errors import InvalidRequestError


@click.command("suspend")
@click.argument("name")
@click.option("--reason", required=True, metavar="TEXT", help="Why; recorded with who asked, shown by status.")
@click.pass_obj
def command(obj: dict[str, Any], name: str, reason: str) -> None:
    """Suspend a deployment: its schedules rest until it is resumed.

    Scheduled runs that have not started are cancelled, running ones go on, and `reconciler run` still runs it.
    """
    if "/" not in name:
        raise InvalidRequestError(
            f"{plain(name)!r} is no deployment: names read FLOW/DEPLOYMENT",
            hint="a run suspends itself, from within its flow; from here it can be cancelled",
        )
    client.ask(Place.of(obj).state, "suspend", {"deployment": name, "reason": reason})
    say(f"{plain(name)} is suspended: {plain(reason)}")
