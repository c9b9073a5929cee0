"""The tables of keys: those older files have, those without effect yet, step names. Called by core/parse's parts."""

import difflib
from collections.abc import Iterable
from typing import Final

NO_EFFECT: Final[dict[str, dict[str, str]]] = {
    "file": {"automations": "automations have no effect yet"},
    "deployment": {
        "triggers": "triggers have no effect yet",
        "sla": "service levels have no effect yet",
    },
    "schedule": {
        "max_scheduled_runs": "has no effect yet: one slot ahead is known",
    },
    "concurrency_limit": {"grace_period_seconds": "has no effect yet"},
}
"""Known keys that do nothing yet, by where they stand. Strike an entry when its behaviour arrives."""

_CI = "is continuous integration's business: not run here"
OLD: Final[dict[str, dict[str, str]]] = {
    "file": {
        "build": _CI,
        "push": _CI,
        "required_inputs": "is left from a recipe and has no effect",
    },
    "deployment": {
        "build": _CI,
        "push": _CI,
        "work_pool_name": "has no effect: write `work_pool: {name: ...}`",
        "work_queue_name": "has no effect: write it under `work_pool`",
        "work_queue": "has no effect: write `work_pool: {work_queue_name: ...}`",
        "job_variables": "has no effect: write it under `work_pool`",
        "infra_overrides": "has no effect: write `work_pool: {job_variables: ...}`",
        "infrastructure": "has no effect: the work pool decides",
        "infrastructure_document_id": "has no effect: the work pool decides",
        "storage": "has no effect: `pull` says where source comes from",
        "storage_document_id": "has no effect: `pull` says where source comes from",
        "manifest_path": "has no effect: `entrypoint` names the flow",
        "is_schedule_active": "has no effect: write `paused`, or `active` in the schedule",
        "schedule_active": "has no effect: write `paused`, or `active` in the schedule",
        "is_paused": "has no effect: write `paused`",
        "concurrency_options": "has no effect: write `concurrency_limit: {limit: ..., collision_strategy: ...}`",
        "global_concurrency_limit_id": "has no effect: write `concurrency_limit`",
        "version_info": "has no effect: it is derived from the commit",
        "env": "has no effect: write `work_pool: {job_variables: {env: ...}}`",
        "environment": "has no effect: write `work_pool: {job_variables: {env: ...}}`",
        "image": "has no effect: the work pool decides",
        "working_dir": "has no effect: a run has a private directory of its own",
        "global_concurrency_limit_identifiers": "has no effect: write `concurrency_limit`",
        "prefect-version": "has no effect",
        "timestamp": "has no effect",
        "updated": "has no effect",
    },
    "work_pool": {
        "type": "has no effect: a work pool's type is in `work_pools`",
        "work_queue": "has no effect: write `work_queue_name`",
        "queue": "has no effect: write `work_queue_name`",
        "infra_overrides": "has no effect: write `job_variables`",
        "base_job_template": "has no effect: write it in `work_pools`",
    },
    "schedule": {
        "max_active_runs": "has no effect: write the deployment's `concurrency_limit`",
        "flow_run_name": "has no effect: a schedule does not name its runs",
    },
}
"""Keys that other or older tools wrote: accepted, and told."""

BLANK: Final[dict[str, frozenset[str]]] = {
    "deployment": frozenset({"flow_name", "version", "version_type", "path"}),
    "schedule": frozenset({"cron", "interval", "rrule", "timezone", "anchor_date", "slug", "replaces"}),
    "work_pool": frozenset({"name", "work_queue_name"}),
}
"""Keys where empty text means: not given."""
IN_DEPLOYMENT: Final = frozenset(
    {"entrypoint", "flow_name", "work_pool", "schedule", "schedules", "parameters", "tags", "storage", "version"}
    | {"infrastructure", "triggers", "job_variables", "paused", "concurrency_limit", "work_queue_name"}
    | {"work_pool_name", "infra_overrides", "pull_steps", "env", "working_dir"}
)
"""Keys of a deployment that files have at their top, where they mean nothing."""

_STEPS: Final = ("prefect.deployments.steps.pull.", "prefect.deployments.steps.utility.", "prefect.deployments.steps.")
_OLD_STEPS: Final = "prefect.projects.steps."
_RENAMED: Final = {"agit_clone": "git_clone", "git_clone_project": "git_clone"}


def step_word(word: str) -> tuple[str, str | None]:
    """The short word of a step, and a note when its name is an old one."""
    for prefix in (*_STEPS, _OLD_STEPS):
        rest = word.removeprefix(prefix)
        if rest != word and "." not in rest:
            short = _RENAMED.get(rest, rest)
            return short, f"an old name: write `{short}`" if prefix == _OLD_STEPS else None
    return _RENAMED.get(word, word), None


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean ...?`, or nothing."""
    match = difflib.get_close_matches(word[:100], list(known), n=1)
    return f"; did you mean `{match[0]}`?" if match else ""
