"""Desired against observed: the plan, and the facts that applying it appends. Called by the loop and by `plan`.

The guard: a revision that would prune every applied deployment, or three or more and a larger share than
`prune_limit`, is refused until a person confirms it (DESIGN section 5). A broken file prunes nothing it held, and while
a newly added file is broken nothing is pruned at all.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from reconciler.core.diff import diff
from reconciler.model.events import (
    DeploymentCreated,
    DeploymentMoved,
    DeploymentPruned,
    DeploymentUpdated,
    HistoryRewound,
    PoolCreated,
    PoolPruned,
    PoolUpdated,
    RevisionApplied,
    RevisionRefused,
)
from reconciler.model.fact import Fact
from reconciler.model.names import DEFAULT_POOL, DEFAULT_QUEUE
from reconciler.model.plan import (
    Action,
    Change,
    Declared,
    Desired,
    FieldDiff,
    Json,
    Moved,
    Plan,
    PoolChange,
    Problem,
    Refusal,
    Source,
    SourceKind,
)
from reconciler.model.state import UNKNOWN, Deployment, Observed

FEW = 3
"""Fewer prunes than this never ask for a confirmation, unless they are all there is."""


NAMED = 3
"""Changed fields that a reason names."""


QUARANTINED = "this change takes effect when it is released"


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator allows."""

    prune_limit: float = 0.5
    """The share of applied deployments that one revision may prune unasked, 0 to 1."""
    on_rewind: str = "accept"
    """`accept` or `refuse` a revision that does not descend from the applied one."""


@dataclass(slots=True)
class _Compared:
    """Every deployment on either side, sorted by what became of it in one pass over ten thousand."""

    new: list[Declared] = field(default_factory=list)
    written: list[tuple[Declared, Deployment]] = field(default_factory=list)
    missing: list[Deployment] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    """Same spec, another source commit."""
    own: dict[str, Source] = field(default_factory=dict)
    """The new sources of those of `moved` that do not follow the whole repository."""
    spec_commits: dict[str, str | None] = field(default_factory=dict)
    """Files whose newest change is another commit than the applied one."""
    quarantined: list[Deployment] = field(default_factory=list)


def _compare(desired: Desired, observed: Observed) -> _Compared:
    found = _Compared()
    declared_as, whole, applied_whole = desired.deployments, desired.whole_commit, observed.whole_commit
    whole_moved = whole != applied_whole
    applied = observed.tracked
    for name, live in applied.items():
        known = live
        if live.quarantine is not None:
            known = live.declared
            found.quarantined.append(live)
        declared = declared_as.get(name)
        if declared is None:
            found.missing.append(known)
            continue
        if declared.spec_commit != known.spec_commit:
            found.spec_commits[declared.file] = declared.spec_commit
        before, after = known.source, declared.source
        if declared.digest != known.digest or declared.file != known.file:
            found.written.append((declared, known))
        elif before.kind is SourceKind.WHOLE and after.kind is SourceKind.WHOLE:
            if whole_moved if before.commit is None else before.commit != whole:
                found.moved.append(name)
        elif before != after:
            found.moved.append(name)
            found.own[name] = after
    found.new = [declared_as[name] for name in declared_as.keys() - applied.keys()]
    return found


def plan(desired: Desired, observed: Observed, policy: Policy) -> Plan:
    """What applying `desired` would do."""
    found = _compare(desired, observed)
    new_and_broken = desired.broken - _files(observed) if desired.broken and not desired.unsure else desired.broken
    held = [d for d in found.missing if new_and_broken or d.file in desired.broken]
    prunes = [d for d in found.missing if d not in held] if held else found.missing
    changes = [_create(desired, declared) for declared in found.new]
    changes += [_update(desired, declared, known) for declared, known in found.written]
    changes += [_prune(known, observed) for known in prunes]
    return Plan(
        revision=desired.revision,
        base=observed.revision,
        moved=_moved(desired, observed, found, held),
        changes=tuple(sorted(changes, key=lambda c: (c.action, c.deployment))),
        pools=tuple(_pools(desired, observed, held, new_and_broken)),
        refused=_guard(desired, observed, [d.name for d in prunes], policy),
        problems=desired.problems,
        notes=_noted(desired, found, changes),
    )


def _noted(desired: Desired, found: _Compared, changes: Collection[Change]) -> tuple[Problem, ...]:
    """What git notes, and what a quarantine makes of the changes."""
    actions = {change.deployment: change.action for change in changes}
    extra = []
    for live in found.quarantined:
        declared = desired.deployments.get(live.name)
        if live.name in actions or live.name in found.moved:
            said = "with it the quarantine ends" if declared is None else QUARANTINED
            held = live.quarantine.version if live.quarantine else ""
            at = declared or live.declared
            extra.append(Problem(at.file, at.line, 1, "", f"{live.name} is quarantined at {held}: {said}"))
    return tuple(sorted({*desired.notes, *extra})) if extra else desired.notes


def _files(observed: Observed) -> set[str]:
    """The files that hold what is applied."""
    pools = {pool["file"] for pool in observed.pools.values() if "file" in pool}
    return pools | {d.declared.file for d in observed.tracked.values()}


def _pools(
    desired: Desired, observed: Observed, held: Collection[Deployment], new_and_broken: Collection[str]
) -> Iterator[PoolChange]:
    """Changes of work pools. One that broken files may still declare, or that a held deployment names, stays."""
    used = {d.pool for d in held}
    for name in sorted(desired.pools.keys() | observed.pools.keys()):
        before, after = observed.pools.get(name), desired.pools.get(name)
        if after is None and before is not None:
            if not (new_and_broken or before.get("file") in desired.broken or name in used):
                yield PoolChange(Action.PRUNE, name, f"no longer declared (was in {before.get('file', 'git')})")
        elif before is None and after is not None:
            yield PoolChange(Action.CREATE, name, f"declared in {after['file']}", declared=after)
        elif before is not None and after is not None and before != after:
            fields = diff(before, after)
            yield PoolChange(Action.UPDATE, name, f"{_said(fields)} changed in {after['file']}", fields, after)


def _said(fields: tuple[FieldDiff, ...]) -> str:
    return ", ".join(d.field for d in fields[:NAMED]) + (", …" if len(fields) > NAMED else "")


def _create(desired: Desired, declared: Declared) -> Change:
    return Change(
        Action.CREATE,
        declared.name,
        version_of(desired, declared),
        commit_of(desired, declared),
        f"declared in {declared.where}",
        (),
        declared,
    )


def _update(desired: Desired, declared: Declared, known: Deployment) -> Change:
    before, after = desired.specs.get(known.digest), desired.specs[declared.digest]
    fields = diff(before, after) if before is not None else ()
    if known.file != declared.file:
        fields = (*fields, FieldDiff("file", known.file, declared.file))
    reason = f"{_said(fields) or 'spec'} changed in {declared.where}"
    return Change(
        Action.UPDATE, declared.name, version_of(desired, declared), commit_of(desired, declared), reason, fields,
        declared,
    )  # fmt: skip


def _prune(known: Deployment, observed: Observed) -> Change:
    return Change(
        Action.PRUNE,
        known.name,
        known.version(observed.whole_commit),
        known.source_commit(observed.whole_commit),
        f"no longer declared (was in {known.file})",
    )


def version_of(desired: Desired, declared: Declared) -> str | None:
    """The label of the spec, else the first 8 of the source commit, else None."""
    label = desired.specs[declared.digest].get("version")
    commit = commit_of(desired, declared)
    if label or commit:
        return label or (commit or "")[:8]
    return declared.source.note or (None if declared.source.kind is SourceKind.NONE else UNKNOWN)


def lane_of(spec: Mapping[str, Json]) -> tuple[str, str]:
    """The work pool and the queue that the runs of an effective spec go to."""
    given = spec.get("work_pool") or {}
    return given.get("name") or DEFAULT_POOL, given.get("work_queue_name") or DEFAULT_QUEUE


def commit_of(desired: Desired, declared: Declared) -> str | None:
    """The source commit at the desired revision."""
    return desired.whole_commit if declared.source.kind is SourceKind.WHOLE else declared.source.commit


def _moved(desired: Desired, observed: Observed, found: _Compared, held: list[Deployment]) -> Moved:
    whole_moves = observed.revision is not None and desired.whole_commit != observed.whole_commit
    back = [d.name for d in held if whole_moves and d.source.kind is SourceKind.WHOLE]
    return Moved(
        before=observed.whole_commit,
        after=desired.whole_commit,
        deployments=tuple(found.moved),
        own=found.own,
        spec_commits=found.spec_commits,
        held=tuple(back),
        invalid=frozenset(d.name for d in held),
    )


def _guard(desired: Desired, observed: Observed, prunes: list[str], policy: Policy) -> Refusal | None:
    if observed.confirmed == desired.revision:
        return None
    applied = len(observed.tracked)
    confirm = f"reconciler confirm {desired.revision[:12]} --reason '…'"
    if desired.rewound_from and policy.on_rewind == "refuse":
        reason = f"the branch moved back or aside from {desired.rewound_from[:8]}, and on-rewind is refuse"
        return Refusal(reason, tuple(prunes), confirm)
    if prunes and len(prunes) == applied:
        what = f"all {applied} deployments" if applied > 1 else f"{prunes[0]}, the only deployment"
        return Refusal(f"it would prune {what}", tuple(prunes), confirm)
    if len(prunes) >= FEW and len(prunes) > policy.prune_limit * applied:
        reason = f"it would prune {len(prunes)} of {applied} deployments, more than {policy.prune_limit:.0%}"
        return Refusal(reason, tuple(prunes), confirm)
    return None


def facts(plan: Plan, desired: Desired, observed: Observed) -> list[Fact]:
    """What applying the plan appends: nothing when the revision is applied already or was refused before."""
    if plan.refused:
        known = observed.refused or {}
        told = (known.get("revision"), known.get("reason"), {*known.get("prunes", ())})
        if told == (plan.revision, plan.refused.reason, {*plan.refused.prunes}):
            return []  # else, at the same revision: in another environment, or by other limits
        return [RevisionRefused(revision=plan.revision, reason=plan.refused.reason, prunes=plan.refused.prunes)]
    if observed.revision == plan.revision and plan.empty and not observed.refused and not _repaired(desired, observed):
        return []
    found: list[Fact] = []
    if desired.rewound_from:
        found.append(HistoryRewound(before=desired.rewound_from, after=desired.revision))
    found += [_pool_fact(change) for change in plan.pools]
    found += [
        DeploymentPruned(deployment=c.deployment, reason="the tracked branch declares this name")
        for c in plan.changes
        if c.action is Action.CREATE and c.deployment in observed.deployments  # of a preview
    ]
    found += [change_fact(change, desired, observed) for change in plan.changes]
    found += [DeploymentMoved(deployment=n, source=s.json()) for n, s in plan.moved.own.items()]
    return [*found, _applied(plan, desired, observed)]


def _pool_fact(change: PoolChange) -> Fact:
    if change.action is Action.PRUNE:
        return PoolPruned(pool=change.pool, reason=change.reason)
    if change.action is Action.CREATE:
        return PoolCreated(pool=change.pool, declared=change.declared)
    return PoolUpdated(pool=change.pool, declared=change.declared, changed=tuple(d.field for d in change.diff))


def _repaired(desired: Desired, observed: Observed) -> bool:
    return [p.json() for p in desired.problems] != observed.problems


def _applied(plan: Plan, desired: Desired, observed: Observed) -> RevisionApplied:
    counts = plan.counts
    return RevisionApplied(
        revision=desired.revision,
        tree=desired.tree,
        previous=observed.revision,
        whole_commit=desired.whole_commit,
        spec_commits=plan.moved.spec_commits,
        held=tuple(sorted(plan.moved.invalid)),
        problems=tuple(p.json() for p in desired.problems),
        notes=len(desired.notes),
        created=counts[Action.CREATE],
        updated=counts[Action.UPDATE],
        pruned=counts[Action.PRUNE],
        moved=len(plan.moved.deployments),
    )


def change_fact(change: Change, desired: Desired, observed: Observed) -> Fact:
    """What one change of a plan appends."""
    if change.declared is None:
        return DeploymentPruned(deployment=change.deployment, reason=change.reason)
    fields = _fields(change.declared, desired) | {"reason": change.reason}
    if change.action is Action.CREATE:
        return DeploymentCreated(**fields)
    known = observed.deployments[change.deployment].declared
    generation = known.generation + (known.digest != change.declared.digest)
    return DeploymentUpdated(**fields, generation=generation, changed=tuple(d.field for d in change.diff))


def _fields(declared: Declared, desired: Desired) -> dict[str, Json]:
    """The slim part of a spec that decisions read without opening it."""
    spec = desired.specs[declared.digest]
    source = declared.source
    if source.kind is SourceKind.WHOLE:
        source = Source(SourceKind.WHOLE)
    pool, queue = lane_of(spec)
    return {
        "deployment": declared.name,
        "file": declared.file,
        "line": declared.line,
        "spec": declared.digest,
        "spec_commit": declared.spec_commit,
        "source": source.json(),
        "version": spec.get("version"),
        "paused": bool(spec.get("paused")),
        "schedules": tuple(spec.get("schedules") or ()),
        "limit": spec.get("concurrency_limit"),
        "collision": spec.get("collision_strategy") or "ENQUEUE",
        "pool": pool,
        "queue": queue,
        "tags": tuple(spec.get("tags") or ()),
        "retries": (spec.get("flow") or {}).get("retries") or 0,
    }
