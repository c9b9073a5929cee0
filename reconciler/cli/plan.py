"""Show what git would change: the tracked branch, or any revision, against the log or another revision."""

import sys
from typing import Any

import click

from reconciler.cli import _clock, _plan_text
from reconciler.cli._log import quickly
from reconciler.cli._place import Place, settings_of
from reconciler.cli._planning import Planner
from reconciler.cli._print import print_json, progress
from reconciler.model.plan import Plan

DRIFT = 3


@click.command("plan")
@click.argument("revision", required=False, metavar="[REV | BASE..HEAD]")
@click.option("--specs", metavar="DIR", help="Directory of spec files (default: what the daemon reads, else specs).")
@click.option("--env", metavar="NAME", help="Environment: its overlay (default: the daemon's, else none).")
@click.option("--variable", "variables", multiple=True, metavar="NAME=VALUE", help="For `{{ NAME }}`; once for each.")
@click.option("--json", "as_json", is_flag=True, help="A JSON object.")
@click.pass_obj
def command(obj: dict[str, Any], /, revision: str | None, as_json: bool, **flags: Any) -> None:
    """Show what git would change: against the log, or HEAD against BASE; never uses the network.

    \b
    Exit 1 on problems or refusal, else 3 on changes, else 0. JSON:
    {revision, base, refused: null | {reason, prunes, confirm}, moved: {from, to, deployments, held},
     changes: [{action, deployment, version, source_commit, reason, diff: [{field, from, to}]}],
     pools: [{action, pool, reason, diff: [the same keys]}],
     problems: [{file, line, column, key, message}], notes: [the same keys]}
    """
    place = Place.of(obj)
    planner = Planner(place, settings_of(place, flags))
    with planner.repo, quickly(), progress("reading specs"):
        if revision and ".." in revision:
            base, _, head = revision.partition("..")
            made = planner.between(base, head, _clock.now())
        else:
            made = planner.against_log(revision)
        if as_json:
            print_json(made.plan.json())
        else:
            _plan_text.show(made, planner.repo)
    sys.exit(exit_code(made.plan))


def exit_code(plan: Plan) -> int:
    """1 on problems or refusal, else 3 on changes (a moved version is one), else 0."""
    if plan.problems or plan.refused:
        return 1
    return 0 if plan.empty else DRIFT
