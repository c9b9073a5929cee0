"""Find the commit that broke a deployment: its flow, or a check, run at the commits between good and bad."""

import shlex
import sys
from contextlib import suppress
from typing import Any

import click

from reconciler.cli._bisecting import Attempts, Given, Line, described, line
from reconciler.cli._interrupt import interruptible
from reconciler.cli._log import payload, reading
from reconciler.cli._place import Place, settings_of
from reconciler.cli._plan_words import many
from reconciler.cli._planning import Planner
from reconciler.cli._print import paint, plain, print_json, say, when, word
from reconciler.core.arguments import options_of
from reconciler.core.bisect import Found, Memory, Verdict, remaining, search
from reconciler.core.versions import find
from reconciler.daemon import past
from reconciler.daemon.config import seconds
from reconciler.daemon.scratch import Scratch
from reconciler.git.repository import Repository
from reconciler.model.errors import ConflictError, InvalidRequestError, NotFoundError
from reconciler.model.ids import moment
from reconciler.model.plan import Json
from reconciler.model.state import FETCH

COLOURS = {Verdict.GOOD: "green", Verdict.BAD: "red", Verdict.SKIP: "yellow"}
FILES = 20
"""Files of the first bad commit that are printed."""


@click.command("bisect")
@click.argument("name")
@click.option("--good", required=True, metavar="V", help="A version that worked: as in `history`, a commit or a ref.")
@click.option("--bad", required=True, metavar="V", help="A later one that does not.")
@click.option("--run", "check", metavar="COMMAND", help="Run this in a shell in the source, instead of the flow.")
@click.option("-p", "--param", "options", multiple=True, metavar="NAME=VALUE", help="A parameter of the flow.")
@click.option("--params-of", metavar="RUN", help="With the parameters, job variables and slot time of a past run.")
@click.option("--timeout", metavar="DURATION", help="A commit not done after so long (30s, 5m) is bad.")
@click.option("--json", "as_json", is_flag=True, help="A JSON object.")
@click.pass_obj
def command(
    obj: dict[str, Any],
    *,
    name: str,
    good: str,
    bad: str,
    check: str | None,
    options: tuple[str, ...],
    params_of: str | None,
    timeout: str | None,
    as_json: bool,
) -> None:
    """Name the first commit at which a deployment's flow does not complete, by halving the commits between.

    Tried are the commits of the first-parent line that changed what the deployment is made of, both ends first; the
    same content is never tried twice. Each runs in a scratch directory with the spec as it was there and nothing
    recorded, as `reconciler local` does. Completed is good, any other end bad; a commit whose spec cannot be read, or
    takes other parameters, is skipped.

    \b
    --run sees your environment with RECONCILER_COMMIT (the commit) and RECONCILER_LOCAL=1, in a copy of the source;
    exit 0 is good, 125 skips the commit, any other code below 128 is bad.
    Exit 0 when one commit is named, 1 when skipped ones leave several, or an end is not what was said.
    JSON: {deployment, good, bad, first_bad: {commit, author, committed_at, subject, files} or null, suspects: [commit],
    last_good, steps: [{commit, subject, outcome, reason, seconds}], quarantine: the command to run, or null}
    """
    if check and (options or params_of):
        raise InvalidRequestError("--run takes no parameters: they are the flow's", hint="leave -p and --params-of out")
    place = Place.of(obj)
    settings = settings_of(place, {})
    planner = Planner(place, settings)
    first, last = (_resolved(place, planner.repo, name, *each) for each in (("--good", good), ("--bad", bad)))
    searched = line(planner, name, first, last)
    given = _given(place, planner, name, (last, check, options, params_of, _limit(timeout)))
    if not as_json:
        _announce(searched, good)
    with interruptible(), Scratch(place.state, settings, planner.repo) as scratch:
        attempts = Attempts(planner, scratch, name, searched, given)
        found = _searched(searched, attempts, quiet=as_json)
    hold = _holdable(place, name, searched, found)
    for aside in planner.asides:
        say(f"{word('note')} {plain(aside)}", err=True)
    told = _result(planner.repo, name, searched, found, hold) | {"steps": [step.json() for step in attempts.steps]}
    print_json(told) if as_json else _text(planner.repo, name, told)
    sys.exit(int(told["first_bad"] is None))


def _resolved(place: Place, repo: Repository, name: str, option: str, text: str) -> str:
    """The commit of a ref, or of a version as `history` shows it. Raises NotFoundError naming the option."""
    try:
        return repo.resolve(text)
    except NotFoundError as error:
        with suppress(NotFoundError), reading(place) as log:
            if commit := find(name, list(past.read(log, name)), text).commit:
                return commit
        raise NotFoundError(f"{option}: {error.message}", hint=FETCH if repo.shallow() else error.hint) from None


def _holdable(place: Place, name: str, searched: Line, found: Found) -> str | None:
    """The newest good version that was applied: another cannot be held. The last good one where no log can say."""
    try:
        with reading(place) as log:
            had = {each.commit[:8] for each in past.read(log, name) if each.commit and each.applied}
    except NotFoundError:
        return searched.version(found.last_good)
    good = (searched.version(number) for number in range(found.last_good, -1, -1))
    return next((label for label in good if label in had), None)


def _limit(text: str | None) -> float | None:
    try:
        limit = seconds(text) if text is not None else None
    except ValueError:
        limit = 0.0
    if limit is not None and not 0 < limit < float("inf"):
        raise InvalidRequestError(f"--timeout: {text!r} is no length of time", hint="write 30s, 5m or 2h")
    return limit


def _given(place: Place, planner: Planner, name: str, asked: tuple[Any, ...]) -> Given:
    bad, check, options, params_of, limit = asked
    if not (options or params_of):
        return Given(check, limit=limit)
    desired = planner.known(bad)
    declared = desired.deployments.get(name)
    own = options_of(options, desired.specs[declared.digest] if declared else None)
    if not params_of:
        return Given(check, own, limit=limit)
    with reading(place) as log:
        row = log.run(params_of)
        parameters, variables = payload(log, row["parameters"]), payload(log, row["variables"])
    if parameters is None or (variables is None and row["variables"]):
        raise ConflictError(f"the parameters of run {row['id']} were purged", hint="give them with -p")
    return Given(check, parameters | own, variables or {}, moment(row["due"]), limit)


def _announce(searched: Line, good: str) -> None:
    between = len(searched.commits) - 2
    if searched.moved:
        fork = searched.commits[0][:8]
        say(f"--good {plain(good)} is not on the line of --bad; where it left it, {fork}, is taken instead", err=True)
    said = f"{many(between, 'commit')} between: about {remaining(between)} to try, beside both ends"
    say(said if between else "no commit between: both ends are tried", err=True)


def _searched(searched: Line, attempts: Attempts, *, quiet: bool) -> Found:
    """The search, its ends tried first. Raises ConflictError when one is not what was said."""

    def tried(place: int) -> Verdict:
        verdict = attempts(place)
        if not quiet:
            step = attempts.steps[-1]
            reason = "" if verdict is Verdict.GOOD else f"  {plain(step.reason)}"
            word = paint(f"{verdict:4}", COLOURS[verdict])
            say(f"{step.commit[:8]}  {word}  {step.seconds:7.3f} s  {plain(step.subject)}{reason}")
        return verdict

    memory, last = Memory(searched.keys, tried), len(searched.commits) - 1
    for place, option, wanted in ((0, "--good", Verdict.GOOD), (last, "--bad", Verdict.BAD)):
        verdict = memory(place)
        if verdict is not wanted:
            reason = attempts.steps[-1].reason
            said = {Verdict.SKIP: "cannot be told", Verdict.BAD: "is bad", Verdict.GOOD: "is good"}[verdict]
            raise ConflictError(
                f"{option} {searched.commits[place][:8]} {said}: {reason}",
                hint="it must be good before anything can have broken it: name an older version"
                if wanted is Verdict.GOOD
                else "nothing is broken there that this finds: try -p, --params-of or --run",
            )
    return search(last + 1, memory)


def _result(repo: Repository, name: str, searched: Line, found: Found, hold: str | None) -> dict[str, Json]:
    suspects = [searched.commits[place] for place in found.suspects]
    first = described(repo, suspects[0], searched.paths) if len(suspects) == 1 else None
    label = searched.version(found.last_good)
    said = f"broken by {suspects[0][:8]}" if first else f"broken after {label}"
    return {
        "deployment": name,
        "good": searched.commits[0],
        "bad": searched.commits[-1],
        "first_bad": first,
        "suspects": suspects,
        "last_good": label,
        "quarantine": hold and f"reconciler quarantine {shlex.quote(name)} --version {hold} --reason '{said}'",
    }


def _text(repo: Repository, name: str, told: dict[str, Json]) -> None:
    first = told["first_bad"]
    if first is None:
        say(paint(f"the first bad commit is one of these {len(told['suspects'])}, which could not all be told:", "red"))
        for commit in told["suspects"]:
            say(f"  {commit[:8]}  {plain(repo.commit(commit).subject)}")
        return
    say(f"{paint(first['commit'], 'red', bold=True)} is the first bad commit of {plain(name)}")
    say(f"  {plain(first['author'])}, {when(first['committed_at'])}: {plain(first['subject'])}")
    for file in first["files"][:FILES]:
        say(f"  {plain(file)}")
    if (more := len(first["files"]) - FILES) > 0:
        say(f"  and {more} more files")
    if told["quarantine"] is None:
        say(f"no good version of it was applied here, so none can be held; undo it: git revert {first['commit'][:12]}")
        return
    say(f"hold the last good version: {plain(told['quarantine'])}")
    say(f"then undo it for good:      reconciler revert {shlex.quote(name)}")
