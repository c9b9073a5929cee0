"""Apply a revision that a guard refused, with a reason that is recorded."""

import importlib
import re
from typing import Any

import click

from reconciler.cli._log import observed as observe
from reconciler.cli._log import reading
from reconciler.cli._place import Place
from reconciler.cli._print import plain, say
from reconciler.daemon import client
from reconciler.model.state import Observed

_SHORT = re.compile(r"[0-9a-f]{4,64}")


@click.command("confirm")
@click.argument("revision", metavar="REV")
@click.option("--reason", required=True, metavar="TEXT", help="Why; recorded with who asked.")
@click.pass_obj
def command(obj: dict[str, Any], revision: str, reason: str) -> None:
    """Apply a revision that a guard refused; `reconciler plan` shows what it would do."""
    place = Place.of(obj)
    with reading(place) as log:
        name = _full(place, observe(log), revision)
        client.ask(place.state, "confirm", {"revision": name, "reason": reason})
        applied = observe(log).revision
    done = "confirmed and applied" if applied == name else f"confirmed; {(applied or 'nothing')[:12]} is applied"
    say(f"revision {name[:12]} {done}: {plain(reason)}")


def _full(place: Place, observed: Observed, given: str) -> str:
    """The whole id: the refused revision where it is meant, else as the repository reads it. Raises NotFoundError."""
    refused = str(observed.refused["revision"]) if observed.refused else ""
    if _SHORT.fullmatch(given) and refused.startswith(given):
        return refused
    repository: Any = importlib.import_module("reconciler.git.repository").Repository
    with repository.open(place.repo, trust_owner=True) as repo:
        return str(repo.resolve(given))
