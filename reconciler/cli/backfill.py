"""Run the slots of a span of the past that have no run, or whose run is wanted again."""

import os
from typing import Any

import click

from reconciler.cli._place import Place
from reconciler.cli._print import plain, print_json, say, table, when
from reconciler.daemon import client
from reconciler.model.plan import Json

LISTED = 20
"""Slots that are named one by one unless they are asked for with --dry-run."""


@click.command("backfill")
@click.argument("name")
@click.option("--from", "first", required=True, metavar="TIME", help="First moment, included; see above.")
@click.option("--to", "last", required=True, metavar="TIME", help="Last moment, included; cut to now.")
@click.option("--schedule", metavar="SLUG", help="Only this schedule, active or not; default: every active one.")
@click.option(
    "--reprocess",
    type=click.Choice(["none", "failed", "completed"]),
    default="none",
    show_default=True,
    help="Also slots whose last run did not complete (failed), or all that ran (completed).",
)
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="Refuse to run more.")
@click.option("--dry-run", is_flag=True, help="Only list the slots and what would become of each.")
@click.option("--key", metavar="TEXT", help="Asking again with the same key makes no more runs.")
@click.option("--json", "as_json", is_flag=True, help="A JSON object.")
@click.pass_obj
def command(obj: dict[str, Any], /, *, as_json: bool, key: str | None, first: str, last: str, **asked: Any) -> None:
    """Run the slots of a deployment's schedules in a span of the past, oldest first, at its recorded commit.

    A TIME is a day, such as 2024-03-09: its midnight on the schedule's own clock; or a moment, such as
    2024-03-09T08:00:00Z (without an offset it is UTC). Slots that a live run is of are left to it.

    The runs wait for the same limits as all others. A paused or suspended deployment may be backfilled.

    \b
    JSON: {slots: [{due, schedule, runs, why}], created, cut, before}; cut says that --to was ahead, before is a run
    that the same key made earlier.
    """
    wish = {"deployment": asked.pop("name"), "from": first, "to": last, "key": key or os.urandom(16).hex()}
    told = client.ask(Place.of(obj).state, "backfill", wish | {k: v for k, v in asked.items() if v is not None})
    if as_json:
        print_json(told)
    elif told["before"]:
        say(f"asked for before with this key (run {told['before']}): nothing is created")
    else:
        _text(told, asked["limit"], dry=asked["dry_run"])


def _text(told: dict[str, Json], limit: int, *, dry: bool) -> None:
    slots = told["slots"]
    chosen = sum(slot["runs"] for slot in slots)
    shown = slots if dry else slots[:LISTED]
    if shown:
        verb = "would run" if dry else "runs"
        lines = [(when(s["due"]), s["schedule"], verb if s["runs"] else "left alone", s["why"]) for s in shown]
        table(("DUE", "SCHEDULE", "WHAT", "BECAUSE"), lines)
    if len(slots) > len(shown):
        say(f"and {len(slots) - len(shown)} more")
    if told["cut"]:
        say("--to is ahead: the span ends now")
    counted = f"{_many(len(slots), 'slot')} in the span"
    if not dry:
        say(f"{_many(told['created'], 'run')} created of {counted}")
        return
    say(f"{_many(chosen, 'run')} would be created of {counted}")
    if chosen > limit:
        say(plain(f"more than --limit {limit}: give --limit {chosen}, or a shorter span"))


def _many(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
