"""The fold: events to observed state. Called by the loop, by `verify`.

`fold` changes `Observed` in place (a million events fold in seconds) and says what it touched; core/rows turns that
into the projections written in the transaction of the events. Finished runs leave `Observed` and live on in their row.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from reconciler.core import lifecycle, previewed
from reconciler.core.written import placed, written
from reconciler.model.errors import ChainBrokenError
from reconciler.model.fact import Event
from reconciler.model.ids import instant, moment
from reconciler.model.names import DEFAULT_POOL, DEFAULT_QUEUE
from reconciler.model.plan import Json, Source, SourceKind
from reconciler.model.state import FINAL, REPLAY, Deployment, Hold, Observed, Quarantine, Run, Scheduled, State

SET_BACK = timedelta(days=1)
"""A clock set back by more was wrong before: a new schedule does not wait for that time to come again."""


@dataclass(slots=True)
class Touched:
    """What a fold changed: deployments by name, runs by id (kept here because finished ones leave `Observed`)."""

    deployments: set[str] = field(default_factory=set)
    runs: dict[str, Run] = field(default_factory=dict)
    repository: bool = False


def fold(observed: Observed, event: Event, touched: Touched) -> None:
    """Apply one event. Raises ChainBrokenError for an event that cannot follow what went before."""
    observed.seq = event.seq
    fold_one = _FOLDS.get(event.type) or (_run_moved if event.type.startswith("Run") else None)
    if fold_one is None:
        raise ChainBrokenError(
            f"event {event.seq} has the unknown type {event.type!r}",
            hint="it was written by a newer reconciler: use that version",
        )
    fold_one(observed, event, touched)


def _branch_tracked(observed: Observed, event: Event, touched: Touched) -> None:
    observed.branch = event.data["branch"]
    observed.remote = event.data.get("remote")
    observed.env = event.data.get("env")
    touched.repository = True


def _revision_applied(observed: Observed, event: Event, touched: Touched) -> None:
    data = event.data
    previous = observed.whole_commit
    observed.revision = data["revision"]
    observed.tree = data["tree"]
    observed.whole_commit = data.get("whole_commit")
    observed.applied_at = event.at
    observed.problems = list(data.get("problems", ()))
    observed.refused = None
    observed.confirmed = None
    observed.stale = None
    if data.get("pools") is not None:  # of the first logs, in which pools had no facts of their own
        observed.pools = dict(data["pools"])
    touched.repository = True
    _mark_held(observed, set(data.get("held", ())), previous, touched)
    _touch_files(observed, data.get("spec_commits") or {}, touched)


def _mark_held(observed: Observed, held: set[str], previous: str | None, touched: Touched) -> None:
    if not held and not observed.any_invalid:
        return
    observed.any_invalid = bool(held)
    for deployment in (d.declared for d in observed.tracked.values()):
        if deployment.invalid == (deployment.name in held):
            continue
        deployment.invalid = not deployment.invalid
        if deployment.source.kind is SourceKind.WHOLE:
            # Held back: the commit it had becomes its own; valid again: it follows the repository again.
            deployment.source = Source(SourceKind.WHOLE, previous if deployment.invalid else None)
        touched.deployments.add(deployment.name)


def _touch_files(observed: Observed, commits: dict[str, str | None], touched: Touched) -> None:
    if not commits:
        return
    for live in observed.tracked.values():
        deployment = live if live.quarantine is None else live.declared
        if deployment.file in commits and not deployment.invalid:
            deployment.spec_commit = commits[deployment.file]
            touched.deployments.add(deployment.name)


def _revision_refused(observed: Observed, event: Event, touched: Touched) -> None:
    data = event.data
    observed.refused = {**data, "prunes": list(data.get("prunes", ())), "at": instant(event.at)}
    touched.repository = True


def _revision_confirmed(observed: Observed, event: Event, touched: Touched) -> None:
    observed.confirmed = event.data["revision"]
    touched.repository = True


def _noted(observed: Observed, event: Event, touched: Touched) -> None:
    """A fact that people read and no decision needs."""


def _source_lost(observed: Observed, event: Event, touched: Touched) -> None:
    observed.stale = {"reason": event.data["reason"], "since": instant(event.at)}
    touched.repository = True


def _source_found(observed: Observed, _event: Event, touched: Touched) -> None:
    observed.stale = None
    touched.repository = True


def _spec_isolated(observed: Observed, event: Event, touched: Touched) -> None:
    data = event.data
    observed.isolated[data["file"]] = {"blob": data["blob"], "reason": data["reason"], "at": instant(event.at)}
    touched.repository = True


def _deployment_written(observed: Observed, event: Event, touched: Touched) -> None:
    old = observed.deployments.get(event.subject)
    if old is not None and old.quarantine is not None:
        # A pause in git is the author's word on whether it runs, not on what: it counts at once.
        old.quarantine.wanted = wanted = written(event.subject, event.data, (), event.at, event.at)
        old.paused = wanted.paused
        touched.deployments.add(event.subject)
        return
    _put(observed, event, event.data, touched)


def _put(observed: Observed, event: Event, data: Mapping[str, Json], touched: Touched) -> Deployment:
    """A deployment becomes what `data` says: what is not of a version stays, and its schedules keep their place."""
    old = observed.deployments.get(event.subject)
    kept = old.schedules if old else ()
    made = written(event.subject, data, kept, event.at, _start(observed, event.at))
    if old is not None:
        made = replace(made, **{key: getattr(old, key) for key in _OF_ALL_VERSIONS})
    observed.deployments[event.subject] = made
    observed.lanes.turn(event.subject)
    now = {scheduled.id for scheduled in made.schedules}
    _leave(observed, (s for s in kept if s.id not in now), touched)
    touched.deployments.add(event.subject)
    return made


_OF_ALL_VERSIONS = ("created_at", "suspended", "last_run", "last_state", "last_at")


def _leave(observed: Observed, gone: Iterable[Scheduled], touched: Touched) -> None:
    for scheduled in gone:
        observed.left = max(scheduled.accounted, observed.left or scheduled.accounted)
        touched.repository = True


def _start(observed: Observed, at: datetime) -> datetime:
    """When a new schedule starts: now, or where the slots of one that is gone ended, after the clock was set back."""
    back = observed.left is not None and at < observed.left <= at + SET_BACK
    return observed.left if back and observed.left else at


def _deployment_moved(observed: Observed, event: Event, touched: Touched) -> None:
    deployment = _deployment(observed, event).declared
    deployment.source = Source.load(event.data["source"])
    touched.deployments.add(event.subject)


def _deployment_pruned(observed: Observed, event: Event, touched: Touched) -> None:
    _leave(observed, _deployment(observed, event).schedules, touched)
    del observed.deployments[event.subject]
    observed.lanes.turn(event.subject)
    touched.deployments.add(event.subject)


def _deployment_suspended(observed: Observed, event: Event, touched: Touched) -> None:
    _deployment(observed, event).suspended = Hold(event.data["reason"], event.data["who"], event.at)
    touched.deployments.add(event.subject)


def _deployment_resumed(observed: Observed, event: Event, touched: Touched) -> None:
    _deployment(observed, event).suspended = None
    touched.deployments.add(event.subject)


def _deployment_quarantined(observed: Observed, event: Event, touched: Touched) -> None:
    data, wanted = event.data, _deployment(observed, event).declared
    made = _put(observed, event, data["held"], touched)
    # What is not of a version stays with what is live.
    wanted = replace(wanted, quarantine=None, suspended=None, last_run=None, last_state=None, last_at=None)
    made.quarantine = Quarantine(data["version"], data["reason"], data["who"], event.at, wanted)


def _deployment_released(observed: Observed, event: Event, touched: Touched) -> None:
    held = _deployment(observed, event)
    if held.quarantine is None:
        raise ChainBrokenError(f"event {event.seq}: {event.subject!r} is not quarantined")
    wanted, start = held.quarantine.wanted, _start(observed, event.at)
    kept = {s.id: s for s in held.schedules}
    schedules = tuple(placed(s.rule, kept, event.at, start) for s in wanted.schedules)
    same = {key: getattr(held, key) for key in _OF_ALL_VERSIONS}
    observed.deployments[held.name] = replace(wanted, **same, schedules=schedules, updated_at=event.at)
    observed.lanes.turn(held.name)
    now = {s.id for s in schedules}
    _leave(observed, (s for s in held.schedules if s.id not in now), touched)
    touched.deployments.add(held.name)


def _preview_applied(observed: Observed, event: Event, touched: Touched) -> None:
    touched.deployments.update(previewed.applied(observed, event))
    touched.repository = True


def _preview_pruned(observed: Observed, event: Event, touched: Touched) -> None:
    previewed.pruned(observed, event)
    touched.repository = True


def _slots_accounted(observed: Observed, event: Event, touched: Touched) -> None:
    _account(observed, event.subject, event.data["schedule"], moment(event.data["last"]), touched)


def _account(observed: Observed, name: str, schedule: str, until: datetime, touched: Touched) -> None:
    deployment = observed.deployments.get(name)
    for scheduled in deployment.schedules if deployment else ():
        if scheduled.id == schedule and until > scheduled.accounted:
            scheduled.accounted = until
            if scheduled.next_due is not None and scheduled.next_due <= until:
                ahead = scheduled.following
                scheduled.next_due = ahead if ahead is not None and ahead > until else None
                scheduled.following = None
            touched.deployments.add(name)


def _run_created(observed: Observed, event: Event, touched: Touched) -> None:
    if event.subject in observed.runs:
        raise ChainBrokenError(f"event {event.seq}: run {event.subject} exists already")
    data = event.data
    run = Run(
        id=event.subject,
        name=data["name"],
        deployment=data["deployment"],
        state=State.SCHEDULED,
        since=event.at,
        due=moment(data["due"]),
        created_at=event.at,
        trigger=data["trigger"],
        cause=data["cause"],
        who=data.get("who", ""),
        parameters=data.get("parameters", ""),
        spec=data["spec"],
        spec_commit=data.get("spec_commit"),
        source_commit=data.get("source_commit"),
        version=data["version"],
        generation=data["generation"],
        tags=tuple(data.get("tags", ())),
        pool=data.get("pool", DEFAULT_POOL),
        queue=data.get("queue", DEFAULT_QUEUE),
        retries=data.get("retries", 0),
        seq=event.seq,
        origin=data.get("origin", ""),
        schedule=data.get("schedule") or (data["cause"] if data["trigger"] == "schedule" else ""),
        start_at=moment(data["start_at"]) if data.get("start_at") else None,
        variables=data.get("variables", ""),
        labels=dict(data.get("labels", {})),
        made_for=data.get("reason", ""),
        preview=data.get("preview", ""),
    )
    observed.place(run)
    touched.runs[run.id] = run
    if run.trigger == "schedule":
        _account(observed, run.deployment, run.cause, run.due, touched)


def _run_moved(observed: Observed, event: Event, touched: Touched) -> None:
    run = observed.runs.get(event.subject)
    if run is None:
        raise ChainBrokenError(f"event {event.seq}: run {event.subject} is not live")
    data = event.data
    state = State(data["state"])
    if not lifecycle.allowed(run.state, state):
        raise ChainBrokenError(f"event {event.seq}: run {run.id} cannot go from {run.state} to {state}")
    attempt = data.get("attempt", run.attempt)
    if attempt != run.attempt:
        run.detail = {}
    run.resumes += run.state is State.SUSPENDED and state not in FINAL
    run.unlaunched += bool(data.get("detail", {}).get("unlaunched"))
    run.state, run.since, run.attempt = state, event.at, attempt
    run.reason = data.get("reason", "")
    run.until = moment(data["until"]) if data.get("until") else None
    run.detail = {**run.detail, **data.get("detail", {})}
    run.name = run.detail.get("name") or run.name
    if state in {State.RUNNING, State.RETRYING} and run.started_at is None:
        run.started_at = event.at
    observed.place(run)
    if run.final:
        run.finished_at = event.at
        _remember_last(observed, run, touched)
    touched.runs[run.id] = run


def _run_resumed(observed: Observed, event: Event, touched: Touched) -> None:
    run = observed.runs.get(event.subject)
    if run is None or run.state not in {State.PAUSED, State.SUSPENDED}:
        raise ChainBrokenError(f"event {event.seq}: run {event.subject} is neither paused nor suspended")
    run.reason, run.until = event.data["reason"], None
    run.detail = {**run.detail, "resumed": run.detail.get("pauses", 0)}
    touched.runs[run.id] = run


def _remember_last(observed: Observed, run: Run, touched: Touched) -> None:
    deployment = observed.deployments.get(run.deployment)
    if deployment is not None and run.trigger != REPLAY:
        deployment.last_run, deployment.last_state, deployment.last_at = run.id, str(run.state), run.finished_at
        touched.deployments.add(deployment.name)


def _pool_written(observed: Observed, event: Event, touched: Touched) -> None:
    observed.pools[event.subject] = dict(event.data["declared"])
    observed.lanes.turn(event.subject)
    touched.repository = True


def _pool_pruned(observed: Observed, event: Event, touched: Touched) -> None:
    observed.pools.pop(event.subject, None)
    observed.lanes.turn(event.subject)
    touched.repository = True


def _deployment(observed: Observed, event: Event) -> Deployment:
    try:
        return observed.deployments[event.subject]
    except KeyError:
        raise ChainBrokenError(f"event {event.seq}: there is no deployment {event.subject!r}") from None


_FOLDS = {
    "BranchTracked": _branch_tracked,
    "RevisionApplied": _revision_applied,
    "RevisionRefused": _revision_refused,
    "RevisionConfirmed": _revision_confirmed,
    "HistoryRewound": _noted,
    "SourceLost": _source_lost,
    "SourceFound": _source_found,
    "SpecIsolated": _spec_isolated,
    "DeploymentCreated": _deployment_written,
    "DeploymentUpdated": _deployment_written,
    "DeploymentMoved": _deployment_moved,
    "DeploymentPruned": _deployment_pruned,
    "DeploymentSuspended": _deployment_suspended,
    "DeploymentResumed": _deployment_resumed,
    "DeploymentQuarantined": _deployment_quarantined,
    "DeploymentReleased": _deployment_released,
    "SlotsSkipped": _slots_accounted,
    "SlotsMissed": _slots_accounted,
    "BackfillRequested": _noted,
    "PoolCreated": _pool_written,
    "PoolUpdated": _pool_written,
    "PoolPruned": _pool_pruned,
    "PayloadsPurged": _noted,
    "PreviewApplied": _preview_applied,
    "PreviewPruned": _preview_pruned,
    "RunCreated": _run_created,
    "RunResumed": _run_resumed,
}


def replay(events: Iterable[Event]) -> tuple[Observed, Touched]:
    """Fold a whole log from nothing."""
    observed, touched = Observed(), Touched()
    for event in events:
        fold(observed, event, touched)
    return observed, touched
