"""Quarantine a deployment: it stays at a known good version while git moves on, until it is released."""

from typing import Any

import click

from reconciler.cli._place import Place
from reconciler.cli._print import plain, say
from reconciler.daemon import client


@click.command("quarantine")
@click.argument("name")
@click.option(
    "--version", "version", required=True, metavar="V",
    help="As `history` shows it: a label, the beginning of a source commit, gen:N or gen:N@COMMIT.",
)  # fmt: skip
@click.option("--reason", required=True, metavar="TEXT", help="Why; recorded with who asked, shown everywhere.")
@click.pass_obj
def command(obj: dict[str, Any], name: str, version: str, reason: str) -> None:
    """Quarantine a deployment: hold it at a version it had while git moves on.

    New runs use the spec, schedules and source commit of that version; runs that exist go on as created. Whether it is
    paused stays git's word. It ends with `reconciler release`, or when git drops the deployment.
    """
    asked = {"deployment": name, "version": version, "reason": reason}
    held = client.ask(Place.of(obj).state, "quarantine", asked)["version"]
    say(f"{plain(name)} is quarantined at {plain(held)}: {plain(reason)}")
    say(f"to make it permanent in git: reconciler revert {plain(name)}; to end it: reconciler release {plain(name)}")
