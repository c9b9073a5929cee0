"""Try a finished run again: the same parameters, spec and commit, or the deployment as it is now."""

import os
import sys
from typing import Any

import click

from reconciler.cli._log import reading
from reconciler.cli._place import Place
from reconciler.cli._wait import wait as wait_for
from reconciler.daemon import client
from reconciler.model.errors import InvalidRequestError


@click.command("retry")
@click.argument("run")
@click.option("--latest", is_flag=True, help="With the deployment as it is applied now, instead of what the run had.")
@click.option("--reason", default="", metavar="TEXT", help="Why; recorded with who asked.")
@click.option("--key", metavar="TEXT", help="Asking again with the same key gives the first run again.")
@click.option("--wait", is_flag=True, help="Wait for its end, telling its states; exit 1 unless Completed.")
@click.pass_obj
def command(obj: dict[str, Any], *, run: str, latest: bool, reason: str, key: str | None, wait: bool) -> None:
    """Try a finished run again, named by its id or a unique beginning of it; prints the id of the new run.

    It has the parameters, tags, labels and job variables of the old one, and its spec and commit too, even if git has
    dropped the deployment since; with --latest the spec and commit that are applied now.
    """
    if "/" in run:
        raise InvalidRequestError(f"{run!r} is a deployment", hint=f"its runs: reconciler runs {run}")
    place = Place.of(obj)
    asked = {"run": run, "key": key or os.urandom(16).hex(), "latest": latest, "reason": reason}
    answer = client.ask(place.state, "retry", asked)
    click.echo(answer["run"])
    if wait:
        with reading(place) as log:
            sys.exit(wait_for(log, answer["run"], place))
