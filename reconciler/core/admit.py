"""Which queued runs may start now, within the limits of deployment, queue and pool. Called by the loop.

A slot is taken at Pending and counted from the states themselves, so it cannot leak. Strict priority between queues,
then the order of due, then of creation; a run that waits for its own deployment holds nobody else up. A run that waits
says for which slot. A turn costs what became ready and what starts, however many wait (model/lanes).
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import heappop, heappush
from types import MappingProxyType

from reconciler.model.events import RunMoved
from reconciler.model.fact import Fact
from reconciler.model.lanes import Lane
from reconciler.model.plan import Json
from reconciler.model.state import Observed, Run, State

LATE = timedelta(seconds=15)
"""How long after its due (its start, where that is later) a run that has not started is Late."""

LAST = 1_000_000
"""The priority of a queue that its pool does not declare: after all that are."""


@dataclass(frozen=True, slots=True)
class Host:
    """What this machine offers."""

    places: int
    """Runs at once."""
    types: frozenset[str]
    """Work pools that need no declaration: the types themselves."""


@dataclass(frozen=True, slots=True)
class Taker:
    """A process of a user's that takes the runs of some deployments over while it is there."""

    pid: int
    limit: int | None
    """Runs that it takes at once."""
    deployments: frozenset[str]
    away: bool = False
    """Whether it served before the daemon restarted, and is expected back."""


@dataclass(slots=True)
class _Round:
    """One look: the state, and what was started on top of it."""

    observed: Observed
    host: Host
    takers: Mapping[str, Taker]
    """Who takes runs over, by deployment."""
    all: int
    deployments: Counter[str] = field(default_factory=Counter)
    lanes: Counter[Lane] = field(default_factory=Counter)
    pools: Counter[str] = field(default_factory=Counter)
    out: set[str] = field(default_factory=set)
    """Runs that were decided about."""
    blocked: list[str] = field(default_factory=list)
    """Runs found to wait for a slot of their own deployment."""
    heads: list[tuple[int, datetime, int, str]] = field(default_factory=list)
    """The first run of each lane that is open, by priority, due and creation: a heap."""
    facts: list[Fact] = field(default_factory=list)

    def line_up(self, lane: Lane) -> None:
        """The first of a lane that its own deployment lets go; those before it step aside."""
        filed = self.observed.lanes
        pile = filed.fronts[lane]
        while (first := pile.first()) is not None:
            run = self.observed.runs[first[2]]
            if run.id not in self.out and self.free(run.deployment) != 0:
                heappush(self.heads, (_priority(self.observed, lane), *first))
                return
            pile.take()
            if run.id not in self.out:
                filed.park(run)
                self.blocked.append(run.id)

    def start(self, run: Run) -> None:
        """A run takes a slot of everything."""
        self.deployments[run.deployment] += 1
        self.lanes[run.pool, run.queue] += 1
        self.pools[run.pool] += 1
        self.all += 1
        self.out.add(run.id)
        kind = (self.observed.pools.get(run.pool) or {}).get("type") or run.pool
        detail: dict[str, Json] = {"pool_type": kind} if kind != run.pool else {}
        taker, reason = self.takers.get(run.deployment), "a slot is free"
        if taker is not None:
            detail, reason = {**detail, "served": taker.pid}, f"served by pid {taker.pid}"
        self.facts.append(
            RunMoved(run=run.id, state=State.PENDING, attempt=run.attempt + 1, reason=reason, detail=detail)
        )

    def free(self, name: str) -> int | None:
        """Slots that a deployment, and who takes its runs over, have left; None for any number."""
        deployment, taker = self.observed.deployments.get(name), self.takers.get(name)
        left = []
        if deployment is not None and deployment.limit is not None:
            left.append(deployment.limit - self.used(name))
        if taker is not None and (taker.away or taker.limit is not None):
            left.append(0 if taker.away else (taker.limit or 0) - sum(map(self.used, taker.deployments)))
        return max(0, min(left)) if left else None

    def used(self, name: str) -> int:
        """Slots of a deployment that are taken."""
        return len(self.observed.lanes.held.get(name, ())) + self.deployments[name]

    def closed(self, lane: Lane) -> str | None:
        """Why nobody of a lane may start, however long the line, in words that stay the same while it lasts."""
        pool, queue, filed = self.observed.pools.get(lane[0]), _queue(self.observed, lane), self.observed.lanes
        if pool is None:
            return None if lane[0] in self.host.types else f"{_gone(lane[0])}: declare it again, or cancel the run"
        if paused := _paused(self.observed, lane):
            return paused
        limits: tuple[tuple[str, int | None, int], ...] = (
            (f"work queue {lane[1]} of {lane[0]}", queue.get("concurrency_limit"),
             filed.queues[lane] + self.lanes[lane]),
            (f"work pool {lane[0]}", pool.get("concurrency_limit"), filed.pools[lane[0]] + self.pools[lane[0]]),
        )  # fmt: skip
        return next((_full(what, limit) for what, limit, used in limits if limit is not None and used >= limit), None)

    def wait(self, run: Run) -> str | None:
        """Which slot is not free, in words; None when all are."""
        lane = (run.pool, run.queue)
        closed = self.closed(lane)
        if self.free(run.deployment) == 0 and not (closed and _shut(self, lane)):
            return self._own(run.deployment)
        return closed or (_full("this host", self.host.places) if self.all >= self.host.places else None)

    def _own(self, name: str) -> str:
        """Why a deployment, or who takes its runs over, lets no more in."""
        deployment, taker = self.observed.deployments.get(name), self.takers.get(name)
        if deployment is not None and deployment.limit is not None and self.used(name) >= deployment.limit:
            return _full(f"deployment {name}", deployment.limit)
        pid = taker.pid if taker else 0
        if taker is not None and taker.limit is not None and not taker.away:
            return _full(f"the serving process (pid {pid})", taker.limit)
        return f"its serving process (pid {pid}) is expected back"


def admit(
    observed: Observed, now: datetime, host: Host, takers: Mapping[str, Taker] = MappingProxyType({})
) -> list[Fact]:
    """Runs let in, told to wait, or cancelled by what their deployment does when it is full."""
    filed = observed.lanes
    filed.hand_over(takers)
    ripe = sorted(filed.ripe(now, observed.runs), key=lambda run: (run.turn, run.seq))
    if not ripe and not filed.turned and (not observed.waiting or len(observed.active) >= host.places):
        return []
    look = _Round(observed, host, takers, len(observed.active))
    _replace(look, ripe)
    for run in ripe:
        if run.id not in look.out:
            filed.come(run)
    for taker in set(takers.values()) if filed.parked else ():
        if not filed.stirred.isdisjoint(taker.deployments):
            filed.stirred |= taker.deployments
    for name in filed.stirred & filed.parked.keys():
        free = look.free(name)
        filed.unpark(name, observed.runs, len(observed.runs) if free is None else free)
    filed.stirred.clear()
    _start(look)
    waiting = observed.waiting.values() if filed.turned else ()
    turned = [run for run in waiting if run.pool in filed.turned or run.deployment in filed.turned]
    filed.turned.clear()
    _tell(look, dict.fromkeys([*(r.id for r in ripe), *look.blocked, *(r.id for r in turned)]))
    return look.facts


def _start(look: _Round) -> None:
    """Let in whoever may, the most urgent first."""
    filed, runs = look.observed.lanes, look.observed.runs
    for lane in [lane for lane, pile in filed.fronts.items() if not pile]:
        del filed.fronts[lane]
    for lane in filed.fronts if look.all < look.host.places else ():
        if not look.closed(lane):
            look.line_up(lane)
    while look.heads and look.all < look.host.places:
        run = runs[heappop(look.heads)[-1]]
        lane = (run.pool, run.queue)
        if not look.closed(lane):
            if look.free(run.deployment) != 0:
                look.start(run)
            look.line_up(lane)
    for ident in look.out:
        if ident in filed.ripened or ident in look.observed.waiting:
            filed.come(runs[ident])  # until it is folded it waits


def _tell(look: _Round, runs: Iterable[str]) -> None:
    """Say what those wait for who have just come, or wait for something else than before."""
    for ident in runs:
        run = look.observed.runs[ident]
        wait = look.wait(run) if ident not in look.out else None
        if wait is None:
            continue
        deployment = look.observed.deployments.get(run.deployment)
        # A person who asks for a hundred slots wants all of them: a backfill waits.
        new = run.state in {State.SCHEDULED, State.LATE} and run.trigger != "backfill"
        if new and wait.startswith("deployment ") and deployment and deployment.collision == "CANCEL_NEW":
            look.facts.append(_moved(run, State.CANCELLED, f"CANCEL_NEW: {wait}"))
        elif run.state is not State.AWAITING_CONCURRENCY_SLOT or run.reason != wait:
            look.facts.append(_moved(run, State.AWAITING_CONCURRENCY_SLOT, wait))


def _replace(look: _Round, ripe: Collection[Run]) -> None:
    """CANCEL_RUNNING: of the runs that hold or want a slot of the deployment, only the newest stay."""
    observed = look.observed
    for name in dict.fromkeys(run.deployment for run in ripe):
        deployment = observed.deployments.get(name)
        if deployment is None or deployment.limit is None or deployment.collision != "CANCEL_RUNNING":
            continue
        held = [r for r in observed.lanes.held.get(name, {}).values() if r.state is not State.CANCELLING]
        wanting = [*observed.lanes.waits.get(name, {}).values(), *(r for r in ripe if r.deployment == name)]
        order = sorted([*held, *wanting], key=lambda run: run.seq)
        newest = order[-1]
        for run in order[: max(0, len(order) - deployment.limit)]:
            said = f"CANCEL_RUNNING: run {newest.id} replaces it"
            if run not in held:
                look.out.add(run.id)
                look.facts.append(_moved(run, State.CANCELLED, said))
            elif not _shut(look, (newest.pool, newest.queue)):  # nothing ends for one that cannot start
                look.facts.append(_moved(run, State.CANCELLING, said))


def _moved(run: Run, state: State, reason: str) -> RunMoved:
    return RunMoved(run=run.id, state=state, attempt=run.attempt, reason=reason)


def _full(what: str, limit: int) -> str:
    """The same words however many more hold slots since the limit was lowered: nothing is told twice."""
    return f"{what} is full ({limit} of {limit})"


def _gone(pool: str) -> str:
    return f"work pool {pool} is no longer declared in git"


def _shut(look: _Round, lane: Lane) -> bool:
    """Whether a lane is closed by git, not for want of a slot."""
    missing = lane[0] not in look.observed.pools and lane[0] not in look.host.types
    return missing or _paused(look.observed, lane) is not None


def _paused(observed: Observed, lane: Lane) -> str | None:
    if (observed.pools.get(lane[0]) or {}).get("paused"):
        return f"work pool {lane[0]} is paused in git"
    return f"work queue {lane[1]} of {lane[0]} is paused in git" if _queue(observed, lane).get("paused") else None


def _queue(observed: Observed, lane: Lane) -> dict[str, Json]:
    queues = (observed.pools.get(lane[0]) or {}).get("work_queues") or {}
    return queues.get(lane[1]) or {}


def _priority(observed: Observed, lane: Lane) -> int:
    return int(_queue(observed, lane).get("priority") or LAST)


def wake_at(observed: Observed) -> datetime | None:
    """The next instant at which a queued run becomes ready by time alone."""
    first = observed.lanes.times.first()
    return first[0] if first else None


def late(observed: Observed, now: datetime) -> list[Fact]:
    """Runs still Scheduled past `LATE` become Late, so that a surface shows it."""
    return [
        _moved(run, State.LATE, f"not started {_seconds(now, run)} s after {'start' if run.start_at else 'due'}")
        for run in observed.lanes.ripe(now, observed.runs)
        if run.state is State.SCHEDULED and run.ready_at + LATE <= now
    ]


def _seconds(now: datetime, run: Run) -> str:
    return f"{(now - run.ready_at).total_seconds():.0f}"
