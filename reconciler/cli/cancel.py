"""Cancel a run: one that waits ends at once, one that runs is asked to stop and killed after a grace."""

from typing import Any

import click

from reconciler.cli._log import reading
from reconciler.cli._place import Place
from reconciler.cli._print import say, word
from reconciler.daemon import client
from reconciler.model.errors import InvalidRequestError


@click.command("cancel")
@click.argument("run")
@click.option("--reason", default="", metavar="TEXT", help="Why; recorded with who asked.")
@click.pass_obj
def command(obj: dict[str, Any], run: str, reason: str) -> None:
    """Cancel a run, named by its id or a unique beginning of it."""
    if "/" in run:
        raise InvalidRequestError(f"{run!r} is a deployment", hint=f"its runs: reconciler runs {run}")
    place = Place.of(obj)
    answer = client.ask(place.state, "cancel", {"run": run, "reason": reason})
    with reading(place) as log:
        say(f"{answer['run']} {word(log.run(answer['run'])['state'])}")
