"""Resume a suspended deployment, or a paused or suspended run."""

from typing import Any

import click

from reconciler.cli._log import reading
from reconciler.cli._place import Place
from reconciler.cli._print import plain, say
from reconciler.daemon import client
from reconciler.model.state import State


@click.command("resume")
@click.argument("name", metavar="NAME|RUN")
@click.option("--reason", default="", metavar="TEXT", help="Why; recorded with who asked.")
@click.pass_obj
def command(obj: dict[str, Any], name: str, reason: str) -> None:
    """Resume a suspended deployment (FLOW/NAME), or a run that waits (its id or a unique beginning of it).

    The schedules of a deployment go on from now; slots that passed are skipped, not caught up. A paused run goes on
    where it waits; a suspended one starts a new attempt once a slot is free.
    """
    place = Place.of(obj)
    if "/" in name:
        client.ask(place.state, "resume", {"deployment": name, "reason": reason})
        say(f"{plain(name)} is resumed")
        return
    run = client.ask(place.state, "resume", {"run": name, "reason": reason})["run"]
    with reading(place) as log:
        state = log.run(run)["state"]
        say(f"{run} is resumed ({'told to go on' if state == State.PAUSED else state})")
