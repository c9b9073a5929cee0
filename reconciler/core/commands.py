"""What a person asks for, decided: facts to append, or one clear refusal. Called by the loop for every request."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from reconciler.core import pinned, rest
from reconciler.model.errors import ConflictError, InvalidRequestError, NotFoundError
from reconciler.model.events import (
    DeploymentResumed,
    DeploymentSuspended,
    Fact,
    RevisionConfirmed,
    RunCreated,
    RunMoved,
)
from reconciler.model.ids import instant, run_id, run_name
from reconciler.model.plan import Json
from reconciler.model.state import ACTIVE, Deployment, Observed, Run, State


@dataclass(frozen=True, slots=True)
class RunRequest:
    """A run that a person asks for. `key` makes it idempotent: the same key gives the first run again."""

    deployment: str
    parameters: str
    """Digest of the merged and validated parameters."""
    key: str
    due: datetime
    name: str | None = None
    tags: tuple[str, ...] = ()


def find(observed: Observed, name: str) -> Deployment:
    """The deployment of that name. Raises NotFoundError that names the nearest."""
    try:
        return observed.deployments[name]
    except KeyError:
        raise NotFoundError(
            f"there is no deployment {name!r}", hint="`reconciler status` lists them; names read FLOW/DEPLOYMENT"
        ) from None


def need_source(observed: Observed, deployment: Deployment) -> None:
    """Raises ConflictError where a run could not be pinned to a commit."""
    if not deployment.source_commit(observed.whole_commit) and deployment.source.kind != "none":
        raise ConflictError(
            f"the source commit of {deployment.name} is {deployment.version(observed.whole_commit)}",
            hint="fetch the missing history (git fetch --unshallow) and let the daemon reconcile",
        )


def run(observed: Observed, request: RunRequest, who: str) -> tuple[str, list[Fact]]:
    """The new run's id and its facts."""
    deployment = find(observed, request.deployment)
    need_source(observed, deployment)
    # A NUL is in no schedule's identity: a request whose key reads like one never gets the id of that slot's run.
    ident = run_id(deployment.name, f"request\0{request.key}", request.due)
    fact = RunCreated(
        run=ident,
        deployment=deployment.name,
        name=request.name or run_name(ident),
        due=instant(request.due),
        trigger="manual",
        cause=request.key,
        who=who,
        parameters=request.parameters,
        spec=deployment.digest,
        spec_commit=deployment.spec_commit,
        source_commit=deployment.source_commit(observed.whole_commit),
        version=deployment.version(observed.whole_commit),
        generation=deployment.generation,
        tags=tuple(dict.fromkeys((*deployment.tags, *request.tags))),
        pool=deployment.pool,
        queue=deployment.queue,
        retries=deployment.retries,
    )
    return ident, [fact]


def cancel(run: Run | None, given: str, who: str, reason: str) -> list[Fact]:
    """Cancelling for a run that holds a slot, Cancelled for one that waits."""
    if run is None:
        raise NotFoundError(f"there is no run {given!r}", hint="`reconciler runs` lists them")
    if run.final:
        raise ConflictError(f"run {run.id} is over: {run.state}", hint="nothing is left to cancel")
    if run.state is State.CANCELLING:
        return []
    state = State.CANCELLING if run.state in ACTIVE else State.CANCELLED
    said = reason or f"cancelled by {who}"
    return [RunMoved(run=run.id, state=state, attempt=run.attempt, reason=said, who=who)]


def suspend(observed: Observed, name: str, now: datetime, who: str, reason: str) -> list[Fact]:
    """Stop a deployment's schedules and cancel its scheduled runs that have not started.

    What passed while it was paused in git, or still waited to be caught up, is told first: for another reason.
    """
    deployment = find(observed, name)
    _need(reason, "suspend")
    if deployment.suspended:
        raise ConflictError(f"{name} is suspended already: {deployment.suspended.reason}")
    said = f"suspended by {who}: {reason}"
    return [
        *rest.skipped(deployment, now),
        *rest.given_up(deployment, now, "the deployment was suspended", {}),
        DeploymentSuspended(deployment=name, reason=reason, who=who),
        *pinned.cancelled(observed, name, said, manual=False),
    ]


def resume(observed: Observed, name: str, now: datetime, who: str, reason: str) -> list[Fact]:
    """Let a suspended deployment go on from now; what passed is told as one stretch a schedule."""
    deployment = find(observed, name)
    if not deployment.suspended:
        hint = f"it is paused in git: edit {deployment.file}" if deployment.paused else ""
        raise ConflictError(f"{name} is not suspended", hint=hint)
    return [*rest.skipped(deployment, now), DeploymentResumed(deployment=name, reason=reason, who=who)]


def confirm(observed: Observed, revision: str, who: str, reason: str) -> list[Fact]:
    """Ask for the refused revision all the same."""
    _need(reason, "confirm")
    refused: Mapping[str, Json] | None = observed.refused
    if refused is None:
        raise ConflictError("no revision is refused", hint="`reconciler status` shows the applied one")
    if refused["revision"] != revision:
        raise ConflictError(f"the refused revision is {refused['revision'][:12]}, not {revision[:12]}")
    return [RevisionConfirmed(revision=revision, reason=reason, who=who)]


def _need(reason: str, verb: str) -> None:
    if not reason.strip():
        raise InvalidRequestError(f"{verb} needs a reason", hint=f"reconciler {verb} … --reason 'why'")
