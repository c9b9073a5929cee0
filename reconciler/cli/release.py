"""Release a quarantined deployment: what git says counts again."""

from typing import Any

import click

from reconciler.cli import _log
from reconciler.cli._place import Place
from reconciler.cli._print import plain, say
from reconciler.daemon import client


@click.command("release")
@click.argument("name")
@click.option("--reason", required=True, metavar="TEXT", help="Why; recorded with who asked.")
@click.pass_obj
def command(obj: dict[str, Any], name: str, reason: str) -> None:
    """Release a quarantined deployment: from now on it is what git says.

    Schedules that stay keep their place, others start now; runs that exist go on as created.
    """
    place = Place.of(obj)
    client.ask(place.state, "release", {"deployment": name, "reason": reason})
    with _log.reading(place) as log:
        version = _log.deployment(log, name).version((log.meta(_log.REPOSITORY) or {}).get("whole_commit"))
    say(f"{plain(name)} is released: version {plain(version)}")
