"""The catalogue of facts: what the log may hold, in the past tense. Made by core, appended by the loop, folded by core.

A fact is a frozen dataclass; its class name is the event's `type`, its fields are the event's `data` (fields equal to
their default are left out), `VERSION` is stored in every event, and `subject` is what the fact is about: `repository`,
a deployment's name or a run's id. Digests name payloads that lie beside the chain (parameters, specs, results, errors).

    repository   BranchTracked  RevisionApplied  RevisionRefused  RevisionConfirmed  HistoryRewound
                 SourceLost  SourceFound  SpecIsolated  PayloadsPurged
    pool         PoolCreated  PoolUpdated  PoolPruned
    deployment   DeploymentCreated  DeploymentUpdated  DeploymentMoved  DeploymentPruned
                 DeploymentSuspended  DeploymentResumed  SlotsSkipped  SlotsMissed  BackfillRequested
                 DeploymentQuarantined  DeploymentReleased
    run          RunCreated  RunMoved  RunResumed
    preview      PreviewApplied  PreviewPruned

Every durable state of a run after its creation is one `RunMoved`; its event type reads `Run<State>` (`RunCompleted`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from reconciler.model.fact import Fact
from reconciler.model.names import DEFAULT_POOL, DEFAULT_QUEUE
from reconciler.model.plan import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchTracked(Fact):
    """The branch whose commits are the desired state, chosen at first start or by an explicit act."""

    branch: str
    remote: str | None = None
    env: str | None = None
    """The environment whose overlay is laid over the spec files."""
    who: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionApplied(Fact):
    """All changes of one revision are in the log: this fact and those appended with it."""

    revision: str
    tree: str
    previous: str | None = None
    whole_commit: str | None = None
    """The source commit of every deployment scoped to the whole repository."""
    spec_commits: Mapping[str, str | None] = field(default_factory=dict)
    """Spec files whose newest change moved, by path, for the deployments in them that did not change."""
    held: tuple[str, ...] = ()
    """Deployments invalid at this revision: spec and source commit stay. All others are valid again."""
    problems: tuple[Mapping[str, Json], ...] = ()
    notes: int = 0
    created: int = 0
    updated: int = 0
    pruned: int = 0
    moved: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionRefused(Fact):
    """A guard held a revision back; the last applied one stays."""

    revision: str
    reason: str
    prunes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionConfirmed(Fact):
    """A person asked for a refused revision all the same."""

    revision: str
    reason: str
    who: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRewound(Fact):
    """The tracked branch moved to a commit that does not descend from the applied one."""

    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceLost(Fact):
    """Git stopped answering, or the branch is gone; the last state stays and is stale from now on."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFound(Fact):
    """Git answers again."""

    revision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecIsolated(Fact):
    """The daemon died, and died again, while it read a spec file: these bytes of it are left out from now on."""

    file: str
    blob: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadsPurged(Fact):
    """Retention let go of payloads older than the operator keeps them; the chain names their digests still."""

    count: int
    bytes: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolCreated(Fact):
    """A work pool exists because a spec file at the applied revision says so."""

    SUBJECT: ClassVar[str] = "pool"

    pool: str
    declared: Mapping[str, Json]
    """Its type, limit, paused, queues by name and job template, as declared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolUpdated(PoolCreated):
    """A work pool is declared otherwise than before."""

    changed: tuple[str, ...] = ()
    """Dotted paths of the fields that changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolPruned(Fact):
    """Git dropped a work pool."""

    SUBJECT: ClassVar[str] = "pool"

    pool: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentCreated(Fact):
    """A deployment exists because a spec file at the applied revision says so."""

    SUBJECT: ClassVar[str] = "deployment"

    deployment: str
    file: str
    line: int = 1
    spec: str
    """Digest of the effective spec."""
    spec_commit: str | None = None
    source: Mapping[str, Json]
    version: str | None = None
    """The label the spec gives; None when it follows the source commit."""
    generation: int = 1
    paused: bool = False
    schedules: tuple[Mapping[str, Json], ...] = ()
    """Each with its `id` (identity) beside the fields of the spec."""
    limit: int | None = None
    collision: str = "ENQUEUE"
    pool: str = DEFAULT_POOL
    queue: str = DEFAULT_QUEUE
    tags: tuple[str, ...] = ()
    retries: int = 0
    reason: str = ""
    preview: str = ""
    """The branch it previews; empty for a deployment of the tracked branch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentUpdated(DeploymentCreated):
    """A deployment's spec changed; schedules whose identity stays keep their place."""

    changed: tuple[str, ...] = ()
    """Dotted paths of the fields that changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentMoved(Fact):
    """The source commit of a deployment with a scope of its own moved; its spec did not."""

    SUBJECT: ClassVar[str] = "deployment"

    deployment: str
    source: Mapping[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentPruned(Fact):
    """Git dropped a deployment."""

    SUBJECT: ClassVar[str] = "deployment"

    deployment: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentSuspended(Fact):
    """An operator stopped a deployment's schedules; git still says what it says."""

    SUBJECT: ClassVar[str] = "deployment"

    deployment: str
    reason: str
    who: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentResumed(Fact):
    """An operator let a suspended deployment go on, from now."""

    SUBJECT: ClassVar[str] = "deployment"

    deployment: str
    reason: str
    who: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentQuarantined(Fact):
    """An operator holds a deployment at a version it had; what git says meanwhile is kept beside it."""

    SUBJECT: ClassVar[str] = "deployment"

    deployment: str
    version: str
    """The label that the held version had."""
    held: Mapping[str, Json]
    """The held version: the fields of DeploymentCreated, its source pinned to the commit it had."""
    reason: str
    who: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentReleased(Fact):
    """An operator ended a quarantine: what git says counts again."""

    SUBJECT: ClassVar[str] = "deployment"

    deployment: str
    reason: str
    who: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewApplied(Fact):
    """All changes of a previewed branch at one commit are in the log: this fact and those appended with it."""

    SUBJECT: ClassVar[str] = "branch"

    branch: str
    revision: str
    until: str
    """When it is pruned unless the branch moves: an instant."""
    suffix: str
    """What the names of its deployments end in, behind `--`."""
    whole_commit: str | None = None
    """The source commit of those of its deployments that are scoped to the whole repository."""
    spec_commits: Mapping[str, str | None] = field(default_factory=dict)
    """As in RevisionApplied, for its deployments."""
    held: tuple[str, ...] = ()
    """Its deployments that are broken at this commit: spec and source commit stay. All others are valid again."""
    problems: tuple[Mapping[str, Json], ...] = ()
    created: int = 0
    updated: int = 0
    pruned: int = 0
    moved: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewPruned(Fact):
    """A preview ended: its branch is gone, is not previewed any more, or its time is over."""

    SUBJECT: ClassVar[str] = "branch"

    branch: str
    reason: str
    over: bool = False
    """Whether its time is over: the branch is remembered, and previewed again when it moves."""
    pruned: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotsSkipped(Fact):
    """A stretch of slots that was not to run: paused, suspended, inactive."""

    SUBJECT: ClassVar[str] = "deployment"

    deployment: str
    schedule: str
    first: str
    last: str
    count: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotsMissed(SlotsSkipped):
    """A stretch of slots that should have run and could not: nobody was there within the grace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillRequested(Fact):
    """An operator asked for the slots of a span; the runs made for it name `key` as their cause."""

    SUBJECT: ClassVar[str] = "deployment"

    deployment: str
    key: str
    first: str
    last: str
    count: int
    """Runs created with this fact."""
    reprocess: str
    """`none`, `failed` or `completed`: which slots that ran before run again."""
    who: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCreated(Fact):
    """A run exists, pinned to the commits and parameters of this moment. Its state is Scheduled."""

    SUBJECT: ClassVar[str] = "run"

    run: str
    deployment: str
    name: str
    due: str
    trigger: str
    """`schedule`, `manual`, `retry`, `replay`, `backfill` or `script`."""
    cause: str
    """The schedule's identity, or the request's key."""
    who: str = ""
    reason: str = ""
    """Why it exists, where its trigger does not say all: caught up late, backfilled, retried."""
    origin: str = ""
    """The run that it tries again or replays."""
    schedule: str = ""
    """The identity of the schedule whose slot `due` is, where that is not the cause."""
    start_at: str | None = None
    """Not started before this instant, where that is not `due`: jitter."""
    parameters: str = ""
    """Digest of the merged parameters."""
    variables: str = ""
    """Digest of the job variables given for this run alone."""
    spec: str
    spec_commit: str | None = None
    source_commit: str | None = None
    version: str
    generation: int
    tags: tuple[str, ...] = ()
    labels: Mapping[str, Json] = field(default_factory=dict)
    pool: str = DEFAULT_POOL
    queue: str = DEFAULT_QUEUE
    retries: int = 0
    preview: str = ""
    """The branch that its deployment previews; empty for the tracked branch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunMoved(Fact):
    """A run is in another state."""

    SUBJECT: ClassVar[str] = "run"

    run: str
    state: str
    attempt: int = 0
    reason: str = ""
    until: str | None = None
    """When the state ends by itself: the next attempt, the end of a grace."""
    who: str = ""
    detail: Mapping[str, Json] = field(default_factory=dict)
    """What the state proves. Running: pid, started, boot, commit, tree, interpreter, flow_version, steps, name.
    retries, retry_delays, retry_jitter. Paused: pauses, how often the attempt has paused. AwaitingRetry: unlaunched,
    where the attempt never began. Completed: result (digest). Failed, TimedOut, Crashed: error (digest), exit."""

    @property
    def type(self) -> str:
        """`RunCompleted` and so on."""
        return f"Run{self.state}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResumed(Fact):
    """An operator let a paused or suspended run go on: the one is told so, the other waits for a slot."""

    SUBJECT: ClassVar[str] = "run"

    run: str
    attempt: int
    reason: str
    who: str
