"""Branches deployed beside the tracked one: which, under what names, until when. Called by daemon/previews.

A preview is what its branch declares, under names that end in the branch's own, with every source pinned to a commit of
the branch and no schedules. The tracked branch's plan, guard and problems know nothing of it.
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from reconciler.core import pinned, plan
from reconciler.core.branch_patterns import matches
from reconciler.model.events import (
    DeploymentCreated,
    DeploymentMoved,
    DeploymentPruned,
    PreviewApplied,
    PreviewPruned,
)
from reconciler.model.fact import Fact
from reconciler.model.ids import instant
from reconciler.model.names import DEFAULT_QUEUE, MAX_NAME
from reconciler.model.plan import Action, Declared, Desired, Json, Plan, Problem, Source, SourceKind
from reconciler.model.state import Observed

MOST = 20
"""Branches that are previewed at once."""
AHEAD = timedelta(days=1)
"""How far the date of a commit may lie ahead."""
MOST_TOLD = 1_000
"""Problems of a branch that the log keeps: with each push, all of them are told again."""
LONGEST_SUFFIX = 60
HASH = 6


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator wants previewed."""

    patterns: tuple[str, ...] = ()
    ttl: float = 7 * 86_400.0
    """Seconds that a preview stays after its branch last moved."""
    most: int = MOST


@dataclass(frozen=True, slots=True)
class Head:
    """The newest commit of a branch."""

    commit: str
    at: datetime
    """When it was committed."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What deploying a branch does, and the facts that say so: none when it is deployed already."""

    plan: Plan
    facts: tuple[Fact, ...]


# --- which branches -------------------------------------------------------------------------------------------------


def chosen(
    heads: Mapping[str, Head], observed: Observed, now: datetime, policy: Policy
) -> tuple[dict[str, str], tuple[str, ...]]:
    """The branches to deploy with their commits, and those that are too many; the newest commits come first."""
    wanted = [b for b, head in heads.items() if _asked_for(b, observed, policy) and not _over(b, head, observed, now)]
    # A clock that is set ahead, by mistake or not, would hold its place against all others: it counts as the oldest.
    wanted.sort(key=lambda b: (heads[b].at > now + AHEAD, -heads[b].at.timestamp(), b))
    return {b: heads[b].commit for b in wanted[: policy.most]}, tuple(wanted[policy.most :])


def _asked_for(branch: str, observed: Observed, policy: Policy) -> bool:
    return branch != observed.branch and matches(branch, policy.patterns)


def _over(branch: str, head: Head, observed: Observed, now: datetime) -> bool:
    known = observed.previews.get(branch)
    return known is not None and known.revision == head.commit and (known.over or now >= known.until)


def wake_at(observed: Observed, now: datetime) -> datetime | None:
    """When the next preview's time is over."""
    return min((p.until for p in observed.previews.values() if not p.over and p.until > now), default=None)


# --- the end --------------------------------------------------------------------------------------------------------


def ended(heads: Mapping[str, Head] | None, observed: Observed, now: datetime, policy: Policy) -> list[Fact]:
    """The facts for previews that end; `heads` None while git has not said which branches there are."""
    left = chosen(heads, observed, now, policy)[1] if heads is not None else ()
    facts: list[Fact] = []
    for branch, known in observed.previews.items():
        why, over = _why(branch, observed, policy), False
        if not why and heads is not None and branch not in heads:
            why = "the branch is gone"
        if not why and branch in left:
            why = f"{policy.most} other branches have newer commits: no more are previewed at once"
        moved = heads is not None and branch in heads and heads[branch].commit != known.revision
        if not why and not known.over and now >= known.until and not moved:
            why, over = f"its time was over at {instant(known.until)}", True
        if why:
            facts += _pruned(branch, why, observed, over=over)
    return facts


def _why(branch: str, observed: Observed, policy: Policy) -> str:
    if branch == observed.branch:
        return "it is the tracked branch now"
    if not matches(branch, policy.patterns):
        return "branches of this name are not previewed any more"
    return ""


def _pruned(branch: str, why: str, observed: Observed, *, over: bool) -> Iterator[Fact]:
    names = list(observed.of_preview(branch))
    for name in names:
        yield from pinned.cancelled(observed, name, pinned.PRUNED, manual=True)
        yield DeploymentPruned(deployment=name, reason=f"preview of {branch}: {why}")
    yield PreviewPruned(branch=branch, reason=why, over=over, pruned=len(names))


# --- what is deployed -----------------------------------------------------------------------------------------------


def apply(branch: str, desired: Desired, observed: Observed, now: datetime, policy: Policy) -> Applied:
    """What deploying `branch` as it is at `desired.revision` does."""
    known = observed.previews.get(branch)
    suffix = known.suffix if known else suffix_of(branch, observed)
    mine = observed.of_preview(branch)
    wanted = _as_preview(branch, suffix, desired, observed)
    before = Observed(revision=known.revision if known else None, deployments=mine, confirmed=desired.revision)
    made = plan.plan(wanted, before, plan.Policy())
    stays = known is not None and known.revision == desired.revision and not known.over
    held = {name for name, d in mine.items() if d.invalid}
    told = list(_told(wanted.problems))
    if known and stays and made.empty and told == known.problems and made.moved.invalid == held:
        return Applied(made, ())
    facts = pinned.before(made, wanted, observed, now)
    facts += [_in_preview(plan.change_fact(change, wanted, before), branch) for change in made.changes]
    own = ((name, source) for name, source in made.moved.own.items() if not source.follows(branch))
    facts += [DeploymentMoved(deployment=name, source=source.json()) for name, source in own]
    until = known.until if known and stays else now + timedelta(seconds=policy.ttl)
    return Applied(made, (*facts, _applied(branch, suffix, made, desired.whole_commit, until)))


def _in_preview(fact: Fact, branch: str) -> Fact:
    if not isinstance(fact, DeploymentCreated):
        return fact
    return replace(fact, preview=branch, reason=f"{fact.reason} of branch {branch}")


def _applied(branch: str, suffix: str, made: Plan, whole: str | None, until: datetime) -> PreviewApplied:
    counts = made.counts
    return PreviewApplied(
        branch=branch,
        revision=made.revision,
        until=instant(until),
        suffix=suffix,
        whole_commit=whole,
        spec_commits=made.moved.spec_commits,
        held=tuple(sorted(made.moved.invalid)),
        problems=tuple(_told(made.problems)),
        created=counts[Action.CREATE],
        updated=counts[Action.UPDATE],
        pruned=counts[Action.PRUNE],
        moved=len(made.moved.deployments),
    )


def _told(problems: Sequence[Problem]) -> Iterator[dict[str, Json]]:
    yield from (problem.json() for problem in problems[:MOST_TOLD])
    if len(problems) > MOST_TOLD:
        first = problems[MOST_TOLD]
        more = f"{len(problems) - MOST_TOLD} more problems from here on"
        yield Problem(first.file, first.line, first.column, "", more).json()


class _Resting(Mapping[str, Mapping[str, Json]]):
    """Effective specs as previews have them: paused, and without schedules."""

    def __init__(self, specs: Mapping[str, Mapping[str, Json]]) -> None:
        self._specs = specs

    def __getitem__(self, key: str) -> Mapping[str, Json]:
        return {**self._specs[key], "paused": True, "schedules": []}

    def __iter__(self) -> Iterator[str]:
        return iter(self._specs)

    def __len__(self) -> int:
        return len(self._specs)


def _as_preview(branch: str, suffix: str, desired: Desired, observed: Observed) -> Desired:
    """What a branch declares, as its preview; what cannot be deployed is a problem instead."""
    taken = {name.casefold(): d.preview for name, d in observed.deployments.items() if d.preview != branch}
    own_pools = {name for name, pool in desired.pools.items() if _differs(pool, observed.pools.get(name))}
    found: dict[str, Declared] = {}
    problems = list(desired.problems)
    for declared in desired.deployments.values():
        name = named(declared.name, suffix)
        why = _misfit(name, taken)
        if not why and own_pools:  # specs are looked up in the store: not thousands of them for nothing
            why = _no_pool(desired.specs[declared.digest], own_pools, observed)
        if why:
            problems.append(Problem(declared.file, declared.line, 1, "", f"{declared.name} is not previewed: {why}"))
        else:
            found[name] = replace(declared, name=name, source=_pinned(declared.source, branch, desired.whole_commit))
    return replace(
        desired,
        whole_commit=None,
        deployments=found,
        specs=_Resting(desired.specs),
        problems=tuple(sorted(problems)),
        rewound_from=None,
        pools={},
    )


def _misfit(name: str, taken: Mapping[str, str]) -> str:
    if name.casefold() not in taken:
        return ""
    whose = taken[name.casefold()]
    return f"{name} is declared by {f'the preview of {whose}' if whose else 'the tracked branch'}: rename one of them"


def _differs(pool: Mapping[str, Json], applied: Mapping[str, Json] | None) -> bool:
    """Whether runs could be sent to a declared pool that could not be sent to it as applied."""
    return applied is None or not (pool.get("work_queues") or {}).keys() <= (applied.get("work_queues") or {}).keys()


def _no_pool(spec: Mapping[str, Json], own_pools: Collection[str], observed: Observed) -> str:
    """Why its runs could go nowhere: a preview creates and changes no work pool."""
    name, queue = plan.lane_of(spec)
    if name not in own_pools:
        return ""
    if name not in observed.pools:
        return f"work pool {name} is on this branch only, and previews make no work pools: merge it first"
    queues = observed.pools[name].get("work_queues")
    if queues and queue != DEFAULT_QUEUE and queue not in queues:
        return f"queue {queue} of work pool {name} is declared on this branch only: merge it first"
    return ""


def _pinned(source: Source, branch: str, whole: str | None) -> Source:
    """The source at a commit of the branch: a run of the preview never sees the tracked branch's code."""
    if source.kind is SourceKind.WHOLE:
        return replace(source, kind=SourceKind.COMMIT, commit=whole, branch=branch)
    return replace(source, kind=SourceKind.COMMIT, branch=branch) if source.kind is SourceKind.SCOPE else source


# --- names ----------------------------------------------------------------------------------------------------------


def suffix_of(branch: str, observed: Observed) -> str:
    """What the names of a new preview end in: the branch with `-` for what is odd, unlike that of every other."""
    plain = "".join(c if c.isalnum() or c in "._-" else "-" for c in branch).strip("-.") or "branch"
    taken = {preview.suffix.casefold() for preview in observed.previews.values()}
    if len(plain) <= LONGEST_SUFFIX and plain.casefold() not in taken:
        return plain
    return _hashed(plain, branch, LONGEST_SUFFIX)


def named(name: str, suffix: str) -> str:
    """The name of a deployment in a preview: `flow/name--suffix`, the name cut where all of it would be too long."""
    flow, _, own = name.partition("/")
    room = MAX_NAME - len(suffix) - 2
    return f"{flow}/{own if len(own) <= room else _hashed(own, own, room)}--{suffix}"


def _hashed(text: str, of: str, most: int) -> str:
    digest = hashlib.sha256(of.encode("utf-8", "surrogateescape")).hexdigest()[:HASH]
    return f"{text[: most - HASH - 1]}-{digest}"
