"""Run a past run again as it was, or at another commit, and tell what differs."""

import os
import sys
from typing import Any

import click

from reconciler.cli._log import payload, reading
from reconciler.cli._place import Place
from reconciler.cli._print import compact, paint, plain, print_json, say, word
from reconciler.cli._source import commit_for
from reconciler.cli._wait import wait as wait_for
from reconciler.core import replayed
from reconciler.core.arguments import options_of
from reconciler.core.replayed import Compared, Outcome
from reconciler.daemon import client
from reconciler.engine import output
from reconciler.model.errors import InvalidRequestError
from reconciler.model.plan import Json
from reconciler.stores import Log

COMPARED = 512 * 1024
"""Bytes of an output that are compared."""


@click.command("replay")
@click.argument("run")
@click.option("--at", "revision", metavar="REV", help="With the code of this commit, instead of the one it had.")
@click.option("-p", "--param", "options", multiple=True, metavar="NAME=VALUE", help="A parameter over what it had.")
@click.option("--reason", default="", metavar="TEXT", help="Why; recorded with who asked.")
@click.option("--no-wait", is_flag=True, help="Print the id of the new run and compare nothing.")
@click.option("--json", "as_json", is_flag=True, help="A JSON object.")
@click.pass_obj
def command(
    obj: dict[str, Any],
    *,
    run: str,
    revision: str | None,
    options: tuple[str, ...],
    reason: str,
    no_wait: bool,
    as_json: bool,
) -> None:
    """Run a past run again, wait for its end, and tell whether the outcome is the same.

    It has the parameters, job variables, tags, slot time (due), spec and commit of the old one, even if git has dropped
    the deployment since, and is never taken for the run of that slot. Exit 0 when the outcome is the same (state,
    result, type and message of the error), a failure that fails again included; 1 when it differs.

    \b
    JSON: {run, origin, same, differences, circumstances, before, after, output, output_cut}; differences and
    circumstances are lists of {field, from, to}, before and after {state, reason, seconds}, output the lines of a diff.
    """
    if "/" in run:
        raise InvalidRequestError(f"{run!r} is a deployment", hint=f"its runs: reconciler runs {run}")
    place = Place.of(obj)
    with reading(place) as log:
        old = log.run(run)
        spec = payload(log, old["spec"]) or {}
        asked = {
            "run": old["id"],
            "key": os.urandom(16).hex(),
            "parameters": options_of(options, spec),
            "reason": reason,
        }
        if revision:
            asked["commit"] = commit_for(place, spec, revision)
        new = client.ask(place.state, "replay", asked)["run"]
        if no_wait:
            print_json({"run": new, "origin": old["id"]}) if as_json else click.echo(new)
            return
        if not as_json:
            click.echo(new)
        wait_for(log, new, place)
        sys.exit(_told(place, log, old["id"], new, as_json=as_json))


def _told(place: Place, log: Log, old: str, new: str, *, as_json: bool) -> int:
    """Print how the two compare; the exit code."""
    before, after = _outcome(log, old), _outcome(log, new)
    results = (payload(log, before.detail.get("result")), payload(log, after.detail.get("result")))
    found = replayed.compare(before, after, results)
    lines, cut = replayed.outputs(before, after, (_output(place, before), _output(place, after)))
    if as_json:
        print_json(_json(before, after, found) | {"output": lines, "output_cut": cut})
    else:
        _text(before, after, found)
        _diff(lines, cut=cut)
    return int(not found.same)


def _outcome(log: Log, run: str) -> Outcome:
    row = log.run(run)
    launched = log.events(subject=run, types=("RunPending",), newest_first=True, limit=1)
    at = launched[0].at if launched else None
    return Outcome(row, at, payload(log, row["parameters"]), payload(log, row["detail"].get("error")))


def _output(place: Place, outcome: Outcome) -> str:
    """What the last attempt printed, as far as it is kept."""
    path, data, offset = place.state.attempt(outcome.row["id"], outcome.row["attempt"]) / output.OUTPUT, b"", 0
    while len(data) < COMPARED and (read := output.read(path, offset, COMPARED))[0]:
        chunk, offset = read
        data += chunk
    return data[:COMPARED].decode("utf-8", "replace")


def _json(before: Outcome, after: Outcome, found: Compared) -> dict[str, Json]:
    sides = {
        side: {"state": of.row["state"], "reason": of.row["reason"], "seconds": of.seconds}
        for side, of in (("before", before), ("after", after))
    }
    return {
        "run": after.row["id"],
        "origin": before.row["id"],
        "same": found.same,
        "differences": [each.json() for each in found.differences],
        "circumstances": [each.json() for each in found.circumstances],
        **sides,
    }


def _text(before: Outcome, after: Outcome, found: Compared) -> None:
    took = [of.seconds for of in (before, after)]
    said = " then, ".join("not started" if s is None else f"{s:.3f} s" for s in took) + " now"
    if found.same:
        say(f"{paint('the same outcome', 'green')}: {word(after.row['state'])} ({said})")
    else:
        say(f"{paint('another outcome', 'red')} ({said})")
    if before.row["state"] != after.row["state"] and not after.error:
        say(f"  {word(after.row['state'])}: {plain(after.row['reason'])}")
    for title, each in [("", d) for d in found.differences] + [("not the same: ", c) for c in found.circumstances]:
        say(f"  {title}{plain(each.field)}: {_value(each.before)} -> {_value(each.after)}")


def _value(value: Json) -> str:
    return plain(value) if isinstance(value, str) else compact(value, 200)


def _diff(lines: list[str], *, cut: bool) -> None:
    if lines:
        say(paint("output:", bold=True))
    for line in lines:
        colour = {"+": "green", "-": "red"}.get(line[:1])
        say(f"  {paint(plain(line), colour)}")
    if cut:
        say("  [... more was printed than is compared here: reconciler logs RUN ...]")
