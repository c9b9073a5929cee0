"""Observed state: what the log folds to. Held by the daemon, written as projections, read by every surface."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from reconciler.model.lanes import Lanes
from reconciler.model.plan import Json, Source, SourceKind


class State(StrEnum):
    """The states of a run; names are Prefect's. The moves between them are in core/lifecycle."""

    SCHEDULED = "Scheduled"
    LATE = "Late"
    AWAITING_CONCURRENCY_SLOT = "AwaitingConcurrencySlot"
    AWAITING_RETRY = "AwaitingRetry"
    PENDING = "Pending"
    RUNNING = "Running"
    RETRYING = "Retrying"
    PAUSED = "Paused"
    SUSPENDED = "Suspended"
    CANCELLING = "Cancelling"
    COMPLETED = "Completed"
    FAILED = "Failed"
    TIMED_OUT = "TimedOut"
    CRASHED = "Crashed"
    CANCELLED = "Cancelled"


QUEUED = frozenset({State.SCHEDULED, State.LATE, State.AWAITING_CONCURRENCY_SLOT, State.AWAITING_RETRY})
"""Not started: takes no slot."""
ACTIVE = frozenset({State.PENDING, State.RUNNING, State.RETRYING, State.PAUSED, State.CANCELLING})
"""Holds a concurrency slot."""
FINAL = frozenset({State.COMPLETED, State.FAILED, State.TIMED_OUT, State.CRASHED, State.CANCELLED})
"""Over."""


SCRIPT = "script"
"""The trigger of a call in a script: begun before it is told, it never asked for a slot."""
REPLAY = "replay"
"""The trigger of a past run that a person wants to see again: it says nothing of how its deployment fares now."""
UNKNOWN = "unknown (shallow)"
"""The version where history is cut before the source commit."""
FETCH = "git fetch --unshallow brings the whole history (in CI: fetch-depth: 0, GIT_DEPTH: 0)"
"""What to do where a shallow clone ends too early."""


@dataclass(slots=True)
class Hold:
    """An operator's suspension."""

    reason: str
    who: str
    at: datetime


@dataclass(slots=True)
class Quarantine:
    """An operator holds a deployment at a version it had: the deployment says what was held."""

    version: str
    """The label of the held version."""
    reason: str
    who: str
    at: datetime
    wanted: "Deployment"
    """What git says meanwhile: applied again when the quarantine ends. Plans compare with this."""


@dataclass(slots=True)
class Preview:
    """A branch of this repository that is deployed beside the tracked one."""

    revision: str
    """The commit of the branch that is applied."""
    at: datetime
    until: datetime
    """When it is pruned unless the branch moves."""
    problems: list[dict[str, Json]] = field(default_factory=list)
    suffix: str = ""
    """What the names of its deployments end in, behind `--`."""
    over: bool = False
    """Whether its time is over: it has no deployments until the branch moves."""


@dataclass(slots=True)
class Scheduled:
    """One schedule of a deployment, and how far its slots are accounted for."""

    id: str
    """The slug, else a hash of the content."""
    rule: dict[str, Json]
    """The schedule's fields as the spec gives them."""
    accounted: datetime
    """Every slot up to this instant (inclusive) is a run, skipped or missed."""
    next_due: datetime | None = None
    """The first slot after `accounted`, computed by core/due; None while it is not known or there is none."""
    following: datetime | None = None
    """The slot after `next_due`, computed while nothing else is to do, so that many slots due at once start quickly."""
    ended: bool = False
    """Whether the rule names no slot after `accounted`."""


@dataclass(slots=True)
class Deployment:
    """A deployment as applied."""

    name: str
    file: str
    line: int
    digest: str
    """Of the effective spec."""
    spec_commit: str | None
    source: Source
    label: str | None
    """The version the spec gives; None when it follows the source commit."""
    generation: int
    paused: bool
    schedules: tuple[Scheduled, ...]
    limit: int | None
    collision: str
    pool: str
    queue: str
    tags: tuple[str, ...]
    retries: int
    created_at: datetime
    updated_at: datetime
    suspended: Hold | None = None
    invalid: bool = False
    last_run: str | None = None
    last_state: str | None = None
    last_at: datetime | None = None
    quarantine: Quarantine | None = None
    preview: str = ""
    """The branch it previews; empty for a deployment of the tracked branch."""

    @property
    def declared(self) -> "Deployment":
        """What git says of it: itself, unless it is quarantined."""
        return self.quarantine.wanted if self.quarantine else self

    def source_commit(self, whole: str | None) -> str | None:
        """Its own source commit, or that of the whole repository."""
        return whole if self.source.kind is SourceKind.WHOLE and self.source.commit is None else self.source.commit

    def version(self, whole: str | None) -> str:
        """The label, else the first 8 of the source commit, else why it is unknown."""
        if self.label:
            return self.label
        commit = self.source_commit(whole)
        if commit:
            return commit[:8]
        return self.source.note or ("none" if self.source.kind is SourceKind.NONE else UNKNOWN)


@dataclass(slots=True)
class Run:
    """A run as the log tells it."""

    id: str
    name: str
    deployment: str
    state: State
    since: datetime
    """When it entered the state."""
    due: datetime
    created_at: datetime
    trigger: str
    cause: str
    who: str
    parameters: str
    """Digest."""
    spec: str
    """Digest of the effective spec it was created with."""
    spec_commit: str | None
    source_commit: str | None
    version: str
    generation: int
    tags: tuple[str, ...]
    pool: str
    queue: str
    retries: int
    seq: int
    """Of the event that created it: the order of creation."""
    origin: str = ""
    """The run that it tries again or replays."""
    schedule: str = ""
    """The identity of the schedule whose slot `due` is; empty for a run that no slot named."""
    start_at: datetime | None = None
    """Not started before this instant, where that is not `due`: jitter."""
    variables: str = ""
    """Digest of the job variables given for this run alone."""
    labels: dict[str, Json] = field(default_factory=dict)
    made_for: str = ""
    """Why it exists, where its trigger does not say all."""
    attempt: int = 0
    resumes: int = 0
    """Attempts that a resume began: they use up no retry."""
    unlaunched: int = 0
    """Attempts that a passing fault kept from beginning: nor do they."""
    reason: str = ""
    until: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    detail: dict[str, Json] = field(default_factory=dict)
    """Merged over the attempt: pid, tree, interpreter, flow_version, steps, result, error, exit, what it says of its
    retries; `pauses`, how often it has paused, and `resumed`, the last of these that an operator ended."""

    preview: str = ""
    """The branch that its deployment previewed when it was created; empty for the tracked branch."""

    @property
    def final(self) -> bool:
        """Whether it is over."""
        return self.state in FINAL

    @property
    def turn(self) -> datetime:
        """Its place in the line: its due, or the start it has instead."""
        return self.start_at or self.due

    @property
    def ready_at(self) -> datetime:
        """When it may start at the earliest: its due, with jitter, or the end of a retry's delay."""
        if self.state is State.AWAITING_RETRY and self.until:
            return self.until
        return self.turn


@dataclass(slots=True)
class Observed:
    """The fold of the log. Finished runs are not held here: they lie in the store."""

    seq: int = 0
    branch: str | None = None
    remote: str | None = None
    env: str | None = None
    """The environment whose overlay is laid over the spec files."""
    revision: str | None = None
    tree: str | None = None
    whole_commit: str | None = None
    applied_at: datetime | None = None
    problems: list[dict[str, Json]] = field(default_factory=list)
    pools: dict[str, Json] = field(default_factory=dict)
    refused: dict[str, Json] | None = None
    """`{revision, reason, prunes, at}` of the revision held back by a guard, until another is applied."""
    confirmed: str | None = None
    """The revision a person confirmed."""
    stale: dict[str, Json] | None = None
    """`{reason, since}` while the source is unavailable."""
    isolated: dict[str, dict[str, Json]] = field(default_factory=dict)
    """By file: `{blob, reason, at}` of the bytes that killed the daemon; left out until the file changes."""
    left: datetime | None = None
    """How far schedules that are gone were accounted for: should the clock go back, no slot of theirs runs again."""
    deployments: dict[str, Deployment] = field(default_factory=dict)
    any_invalid: bool = False
    """Whether any of them is invalid."""
    previews: dict[str, Preview] = field(default_factory=dict)
    """By branch. One whose time is over stays here, without deployments, until the branch moves or goes."""
    runs: dict[str, Run] = field(default_factory=dict)
    """Runs that are not over."""
    active: dict[str, Run] = field(default_factory=dict)
    """Those of `runs` that hold a slot."""
    queued: dict[str, Run] = field(default_factory=dict)
    """Those of `runs` that wait for their time, or have not been told yet which slot they wait for."""
    waiting: dict[str, Run] = field(default_factory=dict)
    """Those of `runs` in AwaitingConcurrencySlot."""
    lanes: Lanes[Run] = field(default_factory=Lanes, compare=False, repr=False)
    """The same runs, filed for core/admit."""
    suspended: dict[str, Run] = field(default_factory=dict)
    """Those of `runs` in Suspended."""

    @property
    def tracked(self) -> dict[str, Deployment]:
        """The deployments of the tracked branch: all but those of previews."""
        if not self.previews:
            return self.deployments
        return {name: d for name, d in self.deployments.items() if not d.preview}

    def of_preview(self, branch: str) -> dict[str, Deployment]:
        """The deployments that preview a branch."""
        return {name: d for name, d in self.deployments.items() if d.preview == branch}

    def place(self, run: Run) -> None:
        """File a run under what its state means; nowhere when it is over."""
        for group in (self.active, self.queued, self.waiting, self.suspended):
            group.pop(run.id, None)
        holds = run.state in ACTIVE and run.trigger != SCRIPT
        waits = run.state is State.AWAITING_CONCURRENCY_SLOT
        self.lanes.file(run, holds=holds, waits=waits, queued=run.state in QUEUED and not waits)
        if run.final:
            self.runs.pop(run.id, None)
            return
        self.runs[run.id] = run
        if run.state is State.AWAITING_CONCURRENCY_SLOT:
            self.waiting[run.id] = run
        elif run.state is State.SUSPENDED:
            self.suspended[run.id] = run
        elif holds:
            self.active[run.id] = run
        elif run.state in QUEUED:
            self.queued[run.id] = run
