"""What a person asks for, decided: facts to append, or one clear refusal. Called by the loop for every request."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from reconciler.core import pinned, rest, version
from reconciler.core.script import TRIGGER
from reconciler.model.errors import ConflictError, InvalidRequestError, NotFoundError
from reconciler.model.events import (
    DeploymentResumed,
    DeploymentSuspended,
    RevisionConfirmed,
    RunCreated,
    RunMoved,
    RunResumed,
)
from reconciler.model.fact import Fact
from reconciler.model.ids import instant, run_id, run_name
from reconciler.model.plan import Json, SourceKind
from reconciler.model.state import ACTIVE, FETCH, REPLAY, Deployment, Observed, Run, State


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
    labels: Mapping[str, Json] = field(default_factory=dict)
    variables: str = ""
    """Digest of the job variables given for this run alone."""


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
            hint=f"{FETCH}; then the daemon reads it",
        )


def run(observed: Observed, request: RunRequest, who: str) -> tuple[str, list[Fact]]:
    """The new run's id and its facts."""
    fact = _now(observed, request, who)
    return fact.run, [fact]


def _now(observed: Observed, request: RunRequest, who: str) -> RunCreated:
    """A run of the deployment as it is applied now."""
    deployment = find(observed, request.deployment)
    need_source(observed, deployment)
    # A NUL is in no schedule's identity: a request whose key reads like one never gets the id of that slot's run.
    ident = run_id(deployment.name, f"request\0{request.key}", request.due)
    return RunCreated(
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
        labels=dict(request.labels),
        variables=request.variables,
        pool=deployment.pool,
        queue=deployment.queue,
        retries=deployment.retries,
        preview=deployment.preview,
    )


@dataclass(frozen=True, slots=True)
class Again:
    """A finished run that a person wants tried again."""

    run: Run
    key: str
    latest: bool
    """With the deployment as it is applied now, instead of the spec and the commit that the run had."""
    reason: str = ""

    @property
    def cause(self) -> str:
        """Of the new run: no key of another request reads like it."""
        return f"retry {self.run.id} {self.key}"


def retry(observed: Observed, again: Again, now: datetime, who: str) -> tuple[str, list[Fact]]:
    """The new run's id and its facts: the parameters, tags, labels and job variables of the run that it tries again."""
    old = again.run
    _need_over(old, "tried again")
    fact = _same(old, again.cause, now, who)
    if again.latest:
        request = RunRequest(
            old.deployment, old.parameters, again.cause, now, None, old.tags, old.labels, old.variables
        )
        fact = _now(observed, request, who)
    ident = run_id(old.deployment, f"request\0{again.cause}", now)
    fact = replace(fact, run=ident, name=run_name(ident), trigger="retry", origin=old.id, reason=again.reason)
    return ident, [fact]


def _same(old: Run, cause: str, now: datetime, who: str) -> RunCreated:
    """The run as it was created, due now."""
    pinned_fields = (
        "deployment spec spec_commit source_commit version generation parameters variables tags labels pool queue "
        "retries preview"
    ).split()
    kept = {key: getattr(old, key) for key in pinned_fields}
    return RunCreated(run="", name="", due=instant(now), trigger="retry", cause=cause, who=who, **kept)


@dataclass(frozen=True, slots=True)
class Replay:
    """A finished run that a person wants to see again: the same slot time, spec and job variables."""

    run: Run
    key: str
    parameters: str
    """Digest of its parameters, with those given now laid over them."""
    given: tuple[str, ...] = ()
    """The names of those given now."""
    commit: str | None = None
    """The commit to take its code at, instead of its own."""
    reason: str = ""

    @property
    def cause(self) -> str:
        """Of the new run: no key of another request reads like it."""
        return f"{REPLAY} {self.run.id} {self.key}"

    @property
    def why(self) -> str:
        """What differs from the run that is replayed, and why it is."""
        at = f"at {self.commit[:8]} instead of {(self.run.source_commit or 'none')[:8]}" if self.commit else ""
        other = f"with other {', '.join(self.given)}" if self.given else ""
        return "; ".join(filter(None, (at, other, self.reason)))


def replay(asked: Replay, spec: Mapping[str, Json], now: datetime, who: str) -> tuple[str, list[Fact]]:
    """The new run's id and its facts: of the old run's slot time, and not of its slot; it starts now.

    `spec` is the old run's. Raises ConflictError where the run is not over, or has no source of this repository.
    """
    old = asked.run
    _need_over(old, "replayed")
    if asked.commit:
        _need_moving(old, spec)
    fact = _same(old, asked.cause, now, who)
    ident = run_id(old.deployment, f"request\0{asked.cause}", now)
    commit = asked.commit or old.source_commit
    follows = old.version == (old.source_commit or "")[:8]
    fact = replace(
        fact,
        run=ident,
        name=run_name(ident),
        due=instant(old.due),
        start_at=instant(now),
        trigger=REPLAY,
        origin=old.id,
        reason=asked.why,
        parameters=asked.parameters,
        source_commit=commit,
        version=commit[:8] if commit and follows else old.version,
    )
    return ident, [fact]


def _need_over(run: Run, done: str) -> None:
    """Raises ConflictError for a run that is not over, or whose source nobody recorded."""
    if run.trigger == TRIGGER:
        raise ConflictError(
            f"run {run.id} is a call in a script: it cannot be {done}, its source is not recorded",
            hint="call it there again",
        )
    if not run.final:
        raise ConflictError(
            f"run {run.id} is not over: {run.state}", hint=f"wait for it, or end it: reconciler cancel {run.id}"
        )


def _need_moving(run: Run, spec: Mapping[str, Json]) -> None:
    """Raises ConflictError where another commit would change nothing."""
    source = version.primary(version.sources(spec.get("pull"), lambda _address: True))
    if source.kind in {SourceKind.COMMIT, SourceKind.NONE}:
        why = "pins commit_sha" if source.kind is SourceKind.COMMIT else "takes no code from git"
        raise ConflictError(f"the spec of run {run.id} {why}: no other commit can be given", hint="leave --at out")


def known(run: Run | None, given: str) -> Run:
    """The run that was found. Raises NotFoundError."""
    if run is None:
        raise NotFoundError(f"there is no run {given!r}", hint="`reconciler runs` lists them")
    return run


def resume_run(run: Run, who: str, reason: str) -> list[Fact]:
    """Let a paused run go on, or a suspended one begin its next attempt; nothing for one that was told already."""
    said = f"resumed by {who}{f': {reason}' if reason else ''}"
    told = RunResumed(run=run.id, attempt=run.attempt, reason=said, who=who)
    if run.state is State.PAUSED:
        return [] if run.detail.get("resumed") == run.detail.get("pauses") else [told]
    if run.state is State.SUSPENDED:
        return [
            told,
            RunMoved(run=run.id, state=State.AWAITING_CONCURRENCY_SLOT, attempt=run.attempt, reason=said, who=who),
        ]
    raise ConflictError(f"run {run.id} is neither paused nor suspended: {run.state}")


def cancel(run: Run | None, given: str, who: str, reason: str, until: datetime | None = None) -> list[Fact]:
    """Cancelling (`until` the end of the grace) for a run that holds a slot, Cancelled for one that waits."""
    run = known(run, given)
    if run.final:
        raise ConflictError(f"run {run.id} is over: {run.state}", hint="nothing is left to cancel")
    if run.trigger == TRIGGER:
        raise ConflictError(
            f"run {run.id} is a call in a script, which the daemon never disturbs",
            hint=f"stop it where it runs (pid {run.detail.get('pid')})",
        )
    if run.state is State.CANCELLING:
        return []
    said = reason or f"cancelled by {who}"
    if run.state not in ACTIVE:
        return [RunMoved(run=run.id, state=State.CANCELLED, attempt=run.attempt, reason=said, who=who)]
    end = instant(until) if until else None
    return [RunMoved(run=run.id, state=State.CANCELLING, attempt=run.attempt, reason=said, who=who, until=end)]


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
        hint = f"it is a preview of {deployment.preview}: it runs by hand only" if deployment.preview else hint
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
