"""Show what git would change: the tracked branch, or any revision, against the log or another revision."""

import sys
from pathlib import Path
from typing import Any

import click

from reconciler.cli import _clock, _plan_github, _plan_markdown, _plan_text
from reconciler.cli._log import quickly
from reconciler.cli._place import Place, settings_of
from reconciler.cli._planning import Planner
from reconciler.cli._print import print_json, progress, say
from reconciler.cli._review import review
from reconciler.model.errors import InvalidRequestError
from reconciler.model.plan import Plan
from reconciler.model.review import Review

DRIFT = 3
FORMATS = ("text", "json", "markdown", "github")


@click.command("plan")
@click.argument("revision", required=False, metavar="[REV | BASE..HEAD | BASE...HEAD]")
@click.option("--specs", metavar="DIR", help="Directory of spec files (default: what the daemon reads, else specs).")
@click.option("--env", metavar="NAME", help="Environment: its overlay (default: the daemon's, else none).")
@click.option("--variable", "variables", multiple=True, metavar="NAME=VALUE", help="For `{{ NAME }}`; once for each.")
@click.option(
    "--format",
    "surface",
    type=click.Choice(FORMATS),
    default="text",
    help="For a terminal, as JSON, as a comment, or as annotations of GitHub's workflows.",
)
@click.option("--json", "surface", flag_value="json", help="A JSON object: --format json.")
@click.option("--markdown-file", metavar="FILE", help="Write the comment there as well: one computation for both.")
@click.pass_obj
def command(
    obj: dict[str, Any], /, *, revision: str | None, surface: str, markdown_file: str | None, **flags: Any
) -> None:
    """Show what git would change: against the log, or HEAD against BASE; never uses the network.

    \b
    BASE...HEAD begins where HEAD's branch left BASE, as a pull request does.
    Exit 1 on problems or refusal, else 3 on changes, else 0. JSON:
    {revision, base, env, refused: null | {reason, prunes, confirm}, moved: {from, to, deployments, held},
     changes: [{action, deployment, version, source_commit, reason, diff: [{field, from, to}]}],
     pools: [{action, pool, reason, diff: [the same keys]}],
     problems: [{file, line, column, key, message}], notes: [the same keys], known: [those that BASE had already],
     versions: [{deployments, from, to, commits: [{commit, at, author, subject}], more}],
     slots: [{deployment, from: [{due, local}], to: [the same], daily}], slots_more,
     in_flight: null | [{run, deployment, state, fate}], hints: [text]}
    daily: more runs a day (fewer: negative); slots_more: how many further ones have other slots;
     in_flight: null without a log
    """
    place = Place.of(obj)
    settings = settings_of(place, flags)
    planner = Planner(place, settings)
    now = _clock.now()
    with planner.repo, quickly(), progress("reading specs"):
        if revision and ".." in revision:
            made = planner.between(*planner.ends(revision), now)
        else:
            made = planner.against_log(revision)
        found = review(made, planner.repo, now, settings.specs)
    if markdown_file is not None:
        _write(markdown_file, _plan_markdown.markdown(found))
    _show(found, surface)
    sys.exit(exit_code(found.plan))


def exit_code(plan: Plan) -> int:
    """1 on problems or refusal, else 3 on changes (a moved version is one), else 0."""
    if plan.problems or plan.refused:
        return 1
    return 0 if plan.empty else DRIFT


def _show(found: Review, surface: str) -> None:
    if surface == "json":
        print_json(found.json())
    elif surface == "markdown":
        say(_plan_markdown.markdown(found).removesuffix("\n"))
    elif surface == "github":
        say("\n".join(_plan_github.lines(found)))
    else:
        _plan_text.show(found)


def _write(file: str, text: str) -> None:
    try:
        Path(file).write_text(text, "utf-8", "replace")
    except OSError as error:
        raise InvalidRequestError(f"--markdown-file: {file}: {error.strerror}") from None
