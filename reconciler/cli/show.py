"""Show everything about one deployment or one run, or the desired state at any commit."""

import importlib
from typing import Any

import click

from reconciler.cli import _show_run
from reconciler.cli._log import reading
from reconciler.cli._place import Place
from reconciler.model.errors import InvalidRequestError


@click.command("show")
@click.argument("name", metavar="[NAME|RUN]", required=False)
@click.option("--at", "revision", metavar="REV", help="What the spec files say at this commit; of NAME, or of all.")
@click.option("--env", metavar="NAME", help="With --at: as this environment (default: the daemon's, else none).")
@click.option("--json", "as_json", is_flag=True, help="A JSON object.")
@click.pass_obj
def command(obj: dict[str, Any], /, *, name: str | None, revision: str | None, env: str | None, as_json: bool) -> None:
    """Show everything about one deployment (FLOW/NAME) or one run (its id or a unique beginning of it).

    \b
    reconciler show etl/nightly               as it is applied
    reconciler show --at HEAD~3               every deployment at a commit; from git alone, no daemon is needed
    reconciler show etl/nightly --at v1.2     one of them, with its effective spec

    \b
    JSON of a deployment: as `status --json`, and {file, line, created_at, updated_at, paused, suspended, quarantine:
     null | {version, reason, who, at, git: {version, source_commit, spec_commit, generation, spec}}, tags, source,
     previewed: {branch, revision, until}, schedules: [{id, rule, accounted, next}], version_info, version_note, spec,
     problems}
    JSON of a run: as `runs --json`, and {since, until, next, cause, who, origin, made_for, spec, spec_commit,
     pool, queue, retries, attempts, start_at, schedule, labels, variables (names), retried_by: [RUN], result,
     error: {type, message, traceback}, steps, exit, commit, tree, interpreter, flow_name, flow_version, git_present,
     timeline: [{id, name, kind, state, attempt, parent, began, seconds, message}], timeline_left_out};
     what is not known (yet, or purged) is null
    JSON of --at: {revision, deployments: [{deployment, version, source_commit, spec_commit, file, line, paused, pool,
     queue, schedules, tags}], pools, problems, notes}; of one: the same keys and {revision, source, spec, problems,
     notes}
    """
    place = Place.of(obj)
    if revision is not None:
        at: Any = importlib.import_module("reconciler.cli._show_at")
        at.show(place, revision, name, env, as_json=as_json)
        return
    if env is not None:
        raise InvalidRequestError("--env is for --at REV", hint="what is applied is of the environment served")
    if name is None:
        raise InvalidRequestError("show what?", hint="name a deployment (FLOW/NAME), a run, or a commit with --at REV")
    with reading(place) as log:
        if "/" in name:
            # Git and the schedules are needed for a deployment only; a run is shown without them.
            deployments: Any = importlib.import_module("reconciler.cli._show_deployment")
            deployments.show(place, log, name, as_json=as_json)
        else:
            _show_run.show(place, log, name, as_json=as_json)
