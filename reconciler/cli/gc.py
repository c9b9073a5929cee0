"""Let go of what is older than the operator keeps: outputs, payloads, environments, leftovers."""

from typing import Any

import click

from reconciler.cli._place import Place, settings_of
from reconciler.cli._print import print_json, progress, say
from reconciler.daemon import client, wiring
from reconciler.model.errors import NotFoundError

UNIT = 1024
KINDS = {
    "outputs": ("run's directory", "runs' directories"),
    "leftovers": ("leftover", "leftovers"),
    "environments": ("environment", "environments"),
    "mirrors": ("mirror", "mirrors"),
    "payloads": ("payload", "payloads"),
}


@click.command("gc")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.option("--json", "as_json", is_flag=True, help="A JSON object.")
@click.pass_obj
def command(obj: dict[str, Any], *, dry_run: bool, as_json: bool) -> None:
    """Let go of what is older or larger than the settings keep_… say; the daemon does so by itself every hour.

    \b
    Nothing that a live or queued run needs goes, and the log still verifies. Asks the running daemon, else does it.
    JSON: {outputs, leftovers, environments, mirrors, payloads}, each {count, bytes}.
    """
    place = Place.of(obj)
    if not place.state.log.exists():
        raise NotFoundError(f"no log here yet ({place.state.log})", hint="start `reconciler serve`")
    with progress("looking at what is kept"):
        if client.answers(place.state):
            went = client.ask(place.state, "gc", {"dry_run": dry_run})
        else:
            went = wiring.sweep_offline(place.repo, place.state, settings_of(place, {}), dry=dry_run)
    if as_json:
        print_json(went)
        return
    gone = [(kind, freed) for kind, freed in went.items() if freed["count"]]
    for kind, freed in gone:
        say(f"{freed['count']} {KINDS[kind][freed['count'] != 1]}, {size(freed['bytes'])}")
    total = size(sum(freed["bytes"] for _, freed in gone))
    verb = "would go" if dry_run else "freed"
    say(f"{total} {verb}" if gone else f"nothing {'would go' if dry_run else 'to let go of'}")


def size(count: float) -> str:
    """Bytes for people."""
    for unit in ("B", "KiB", "MiB"):
        if count < UNIT:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= UNIT
    return f"{count:.1f} GiB"
