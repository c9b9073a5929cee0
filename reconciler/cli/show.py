"""Show everything about one deployment or one run."""

import importlib
from typing import Any

import click

from reconciler.cli import _show_run
from reconciler.cli._log import reading
from reconciler.cli._place import Place


@click.command("show")
@click.argument("name", metavar="NAME|RUN")
@click.option("--json", "as_json", is_flag=True, help="A JSON object.")
@click.pass_obj
def command(obj: dict[str, Any], name: str, as_json: bool) -> None:
    """Show everything about one deployment (FLOW/NAME) or one run (its id or a unique beginning of it).

    \b
    JSON of a deployment: as `status --json`, and {file, line, created_at, updated_at, paused, suspended, quarantine,
     tags, source, schedules: [{id, rule, accounted, next}], version_info, version_note, spec, problems}
    JSON of a run: as `runs --json`, and {since, until, next, cause, who, origin, made_for, spec, spec_commit,
     pool, queue, retries, attempts, start_at, schedule, labels, variables (names), retried_by: [RUN], result,
     error: {type, message, traceback}, steps, exit, commit, tree, interpreter, flow_name, flow_version, git_present,
     timeline: [{id, name, kind, state, attempt, parent, began, seconds, message}], timeline_left_out};
     what is not known (yet, or purged) is null
    """
    place = Place.of(obj)
    with reading(place) as log:
        if "/" in name:
            # Git and the schedules are needed for a deployment only; a run is shown without them.
            deployments: Any = importlib.import_module("reconciler.cli._show_deployment")
            deployments.show(place, log, name, as_json=as_json)
        else:
            _show_run.show(place, log, name, as_json=as_json)
