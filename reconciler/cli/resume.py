"""Resume a suspended deployment: its schedules go on from now."""

from typing import Any

import click

from reconciler.cli._place import Place
from reconciler.cli._print import plain, say
from reconciler.daemon import client


@click.command("resume")
@click.argument("name")
@click.option("--reason", default="", metavar="TEXT", help="Why; recorded with who asked.")
@click.pass_obj
def command(obj: dict[str, Any], name: str, reason: str) -> None:
    """Resume a suspended deployment: its schedules go on from now; slots that passed are skipped, not caught up."""
    client.ask(Place.of(obj).state, "resume", {"deployment": name, "reason": reason})
    say(f"{plain(name)} is resumed")
