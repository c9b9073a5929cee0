"""Run a deployment or a past run in the foreground, in a scratch directory, with nothing recorded."""

import sys
from pathlib import Path
from typing import Any

import click

from reconciler.cli import _clock, _unrecorded
from reconciler.cli._log import reading
from reconciler.cli._place import Place, settings_of
from reconciler.cli._planning import Planner
from reconciler.cli._print import compact, plain, say, word
from reconciler.cli._unrecorded import Made
from reconciler.daemon.scratch import End, Scratch
from reconciler.model.errors import InvalidRequestError
from reconciler.model.state import State

INTERRUPTED = 130


@click.command("local")
@click.argument("what", metavar="RUN|NAME")
@click.option("--at", "revision", metavar="REV", help="At this commit, branch or tag.")
@click.option("--work-tree", is_flag=True, help="With the files of the work tree as they lie, uncommitted ones too.")
@click.option("-p", "--param", "options", multiple=True, metavar="NAME=VALUE", help="A parameter; may be given again.")
@click.option("--keep", is_flag=True, help="Keep the scratch directory, and say where it is.")
@click.pass_obj
def command(
    obj: dict[str, Any], *, what: str, revision: str | None, work_tree: bool, options: tuple[str, ...], keep: bool
) -> None:
    """Run a past run (by its id) or a deployment (FLOW/DEPLOYMENT, at the tracked branch's head) here, to debug it.

    The same order, source, environment and engine as the daemon's, as a process with this terminal: breakpoint() and
    Ctrl-C work. One attempt; the flow's timeout and limits of concurrency do not count, pauses go on at once. No daemon
    is needed, and nothing is recorded: run_deployment() is refused, and calls of flows are no runs. Output is the run's
    own; what this command says goes to stderr.

    \b
    Exit 0 when Completed, 1 when not, 130 after Ctrl-C.
    """
    if work_tree and ("/" not in what or revision):
        raise InvalidRequestError("--work-tree is for a deployment, without --at", hint="name it FLOW/DEPLOYMENT")
    place = Place.of(obj)
    settings = settings_of(place, {})
    planner = Planner(place, settings)
    if work_tree:
        made = _unrecorded.as_it_lies(planner.lying(), what, options, _clock.now(), head=planner.head())
    else:
        made = _made(place, planner, what, revision, options)
    for aside in planner.asides:
        say(f"{word('note')} {plain(aside)}", err=True)
    scratch = Scratch(place.state, settings, planner.repo)
    try:
        end = _run(scratch, made, planner.repo.work_tree if work_tree else None)
    finally:
        scratch.close(keep=keep)
        if keep:
            say(f"kept: {scratch.folder(made.run)}", err=True)
    sys.exit(INTERRUPTED if _interrupted(end) else int(end.state is not State.COMPLETED))


def _made(place: Place, planner: Planner, what: str, revision: str | None, options: tuple[str, ...]) -> Made:
    if "/" not in what:
        with reading(place) as log:
            return _unrecorded.of_run(place, log, what, revision, options)
    desired = planner.known(revision or planner.head())
    return _unrecorded.of_deployment(desired, what, options, _clock.now())


def _run(scratch: Scratch, made: Made, lying: Path | None) -> End:
    run = made.run
    order = scratch.order(run, made.launch, lying=lying)
    at = f" at {run.source_commit[:8]}" if run.source_commit else f" in {plain(lying)}" if lying else ""
    say(f"{plain(run.deployment)}{at}, {plain(run.name)}: a local run, nothing is recorded", err=True)
    began = _clock.now()
    end = scratch.foreground(run, order)
    took = (_clock.now() - began).total_seconds()
    reason = "" if end.state is State.COMPLETED else f": {plain(end.reason)}"
    say(f"{word(str(end.state))} after {took:.3f} s{reason}", err=True)
    if end.detail.get("result") is not None:
        say(f"result: {compact(end.detail['result'], 2000)}", err=True)
    return end


def _interrupted(end: End) -> bool:
    error = end.detail.get("error")
    return isinstance(error, dict) and error.get("type") == "KeyboardInterrupt"
