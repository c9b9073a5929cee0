"""What a run that nothing is recorded of is made from: a recorded run, or a deployment at a commit.

Called by `local` and `bisect`.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from reconciler.cli import _log
from reconciler.cli._named import declared_in
from reconciler.cli._place import Place
from reconciler.cli._source import commit_for
from reconciler.core import job_variables, rows
from reconciler.core.arguments import merge, options_of
from reconciler.core.plan import commit_of, lane_of, version_of
from reconciler.daemon.orders import Launch
from reconciler.daemon.places import Stands
from reconciler.daemon.requests import check_parameters
from reconciler.model.errors import ConflictError
from reconciler.model.ids import run_id, run_name
from reconciler.model.names import DEFAULT_POOL
from reconciler.model.plan import Declared, Desired, Json, SourceKind
from reconciler.model.state import FETCH, SCRIPT, UNKNOWN, Run, State
from reconciler.stores import Log

TRIGGER = "local"


@dataclass(frozen=True, slots=True)
class Made:
    """A run, and what its order is made from."""

    run: Run
    launch: Launch


def of_run(place: Place, log: Log, name: str, revision: str | None, options: tuple[str, ...]) -> Made:
    """A recorded run again, with the code of another revision where one is given. Raises ConflictError and others."""
    old = rows.run_of(log.run(name))
    if old.trigger == SCRIPT:
        raise ConflictError(
            f"run {old.id} is a call in a script: its source is not recorded", hint="call it there again"
        )
    spec, parameters, variables = (_kept(log, old, what) for what in ("spec", "parameters", "variables"))
    commit = commit_for(place, spec, revision) if revision else old.source_commit
    observed = _log.observed(log)
    base = job_variables.defaults(observed.pools.get(old.pool) or {})
    run = _fresh(replace(old, source_commit=commit), old.id)
    values = _laid_over(spec, parameters, options)
    return Made(run, Launch(spec, values, DEFAULT_POOL, base, variables, observed.revision))


def _kept(log: Log, run: Run, what: str) -> Mapping[str, Json]:
    """What a run was created with. Raises ConflictError when it was purged."""
    digest = getattr(run, what)
    value: Mapping[str, Json] | None = _log.payload(log, digest) if digest else {}
    if value is None:
        gone = {"spec": "spec was", "parameters": "parameters were", "variables": "job variables were"}[what]
        raise ConflictError(
            f"run {run.id} cannot be run again: its {gone} purged",
            hint=f"with the deployment as it is now: reconciler local {run.deployment}",
        )
    return value


def of_deployment(desired: Desired, name: str, options: tuple[str, ...], now: datetime, *, where: str = "") -> Made:
    """A deployment as it is at a commit, due now. Raises NotFoundError, ConflictError, InvalidRequestError."""
    declared = declared_in(desired, name, where)
    spec = desired.specs[declared.digest]
    parameters = _laid_over(spec, spec.get("parameters") or {}, options)
    return made(desired, declared, parameters, now)


def as_it_lies(desired: Desired, name: str, options: tuple[str, ...], now: datetime, *, head: str) -> Made:
    """A deployment as the files of a work tree say, which are at no commit; secrets are those of `head`.

    Raises as `of_deployment`.
    """
    found = of_deployment(desired, name, options, now, where="in the work tree")
    here = desired.deployments[name].source.kind in {SourceKind.WHOLE, SourceKind.SCOPE}
    commit = None if here else found.run.source_commit
    run = replace(found.run, source_commit=commit, spec_commit=None, version="work tree" if here else found.run.version)
    return Made(run, replace(found.launch, revision=head))


def made(desired: Desired, declared: Declared, parameters: Mapping[str, Json], due: datetime) -> Made:
    """A deployment with these parameters. Raises InvalidRequestError where they do not fit, ConflictError."""
    spec = desired.specs[declared.digest]
    check_parameters(spec, parameters)
    pool, queue = lane_of(spec)
    base = job_variables.defaults(desired.pools.get(pool) or {})
    commit = commit_of(desired, declared)
    if commit is None and declared.source.kind is SourceKind.FOREIGN:
        raise ConflictError(
            f"the code of {declared.name} is in another repository, of which nothing is here",
            hint="once the daemon has applied it, it is: reconciler serve",
        )
    if commit is None and declared.source.kind is not SourceKind.NONE:
        raise ConflictError(
            f"the source commit of {declared.name} is {declared.source.note or UNKNOWN}",
            hint=FETCH,
        )
    label = version_of(desired, declared) or "none"
    run = Run(
        id="", name="", deployment=declared.name, state=State.PENDING, since=due, due=due, created_at=due,
        trigger=TRIGGER, cause="", who="", parameters="", spec=declared.digest, spec_commit=declared.spec_commit,
        source_commit=commit, version=label, generation=0, tags=tuple(spec.get("tags") or ()), pool=pool,
        queue=queue, retries=0, seq=0, attempt=1,
    )  # fmt: skip
    stands = Stands(declared.file, declared.line)
    launch = Launch(spec, parameters, DEFAULT_POOL, base, revision=desired.revision, stands=stands)
    return Made(_fresh(run, os.urandom(8).hex()), launch)


def _fresh(run: Run, salt: str) -> Run:
    """The first attempt of a run that is no recorded one."""
    ident = run_id(run.deployment, f"{TRIGGER}\0{salt}", run.due)
    return replace(
        run, id=ident, name=run.name or run_name(ident), attempt=1, trigger=TRIGGER, state=State.PENDING, detail={}
    )


def _laid_over(spec: Mapping[str, Json], before: Mapping[str, Json], options: tuple[str, ...]) -> dict[str, Json]:
    values = merge(before, options_of(options, spec))
    check_parameters(spec, values)
    return values
