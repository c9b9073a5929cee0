"""Which queued runs may start now, within the limits of deployment, queue and pool. Called by the loop.

A slot is taken at Pending and counted from the states themselves, so it cannot leak. Strict priority between queues,
then the order of due, then of creation. A run that waits says for which slot (DESIGN section 5, Concurrency).
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from reconciler.model.events import Fact, RunMoved
from reconciler.model.plan import Json
from reconciler.model.state import Observed, Run, State

LATE = timedelta(seconds=15)
"""How long after its due a run that has not started is Late."""

DEFAULT_PRIORITY = 1_000_000
"""Of a queue that no pool declares: after all that are declared."""


@dataclass(slots=True)
class _Taken:
    """Slots in use, by deployment, queue and pool."""

    deployments: Counter[str]
    queues: Counter[tuple[str, str]]
    pools: Counter[str]
    all: int = 0

    def take(self, run: Run) -> None:
        self.deployments[run.deployment] += 1
        self.queues[run.pool, run.queue] += 1
        self.pools[run.pool] += 1
        self.all += 1


def admit(observed: Observed, now: datetime, places: int) -> list[Fact]:
    """Runs let in, told to wait, or cancelled by CANCEL_NEW; `places` is how many runs this host takes at once."""
    taken = _Taken(Counter(), Counter(), Counter())
    for run in observed.active.values():
        taken.take(run)
    ready = [run for run in observed.queued.values() if ready_at(run) <= now]
    if len(observed.active) < places:
        ready += observed.waiting.values()
    ready.sort(key=lambda run: _order(observed.pools, run))
    facts: list[Fact] = []
    for run in ready:
        fact = _decide(observed, run, taken, places)
        if fact is not None:
            facts.append(fact)
    return facts


def ready_at(run: Run) -> datetime:
    """When a queued run may start at the earliest: its due, or the end of a retry's delay."""
    return run.until if run.state is State.AWAITING_RETRY and run.until else run.due


def wake_at(observed: Observed, now: datetime) -> datetime | None:
    """The next instant at which a queued run becomes ready or Late by time alone."""
    ahead = []
    for run in observed.queued.values():
        ready = ready_at(run)
        if ready > now:
            ahead.append(ready)
        elif run.state is State.SCHEDULED and run.due + LATE > now:
            ahead.append(run.due + LATE)
    return min(ahead, default=None)


def _order(pools: Mapping[str, Json], run: Run) -> tuple[int, datetime, int]:
    queues = (pools.get(run.pool) or {}).get("work_queues") or {}
    priority = (queues.get(run.queue) or {}).get("priority") or DEFAULT_PRIORITY
    return (priority, run.due, run.seq)


def _decide(observed: Observed, run: Run, taken: _Taken, places: int) -> Fact | None:
    if taken.all >= places and run.state is State.AWAITING_CONCURRENCY_SLOT:
        return None
    wait = _full(observed, run, taken, places)
    if wait is None:
        taken.take(run)
        return RunMoved(run=run.id, state=State.PENDING, attempt=run.attempt + 1, reason="a slot is free")
    deployment = observed.deployments.get(run.deployment)
    new = run.state in {State.SCHEDULED, State.LATE}
    if new and wait.startswith("deployment") and deployment is not None and deployment.collision == "CANCEL_NEW":
        return RunMoved(run=run.id, state=State.CANCELLED, attempt=run.attempt, reason=f"CANCEL_NEW: {wait}")
    if run.state is not State.AWAITING_CONCURRENCY_SLOT or run.reason != wait:
        return RunMoved(run=run.id, state=State.AWAITING_CONCURRENCY_SLOT, attempt=run.attempt, reason=wait)
    return None


def _full(observed: Observed, run: Run, taken: _Taken, places: int) -> str | None:
    """Which slot is not free, in words; None when all are."""
    pool = observed.pools.get(run.pool) or {}
    queue = (pool.get("work_queues") or {}).get(run.queue) or {}
    deployment = observed.deployments.get(run.deployment)
    limits: Iterable[tuple[str, int | None, int]] = (
        (f"deployment {run.deployment}", deployment.limit if deployment else None,
         taken.deployments[run.deployment]),
        (f"work queue {run.queue} of {run.pool}", queue.get("concurrency_limit"), taken.queues[run.pool, run.queue]),
        (f"work pool {run.pool}", pool.get("concurrency_limit"), taken.pools[run.pool]),
        ("this host", places, taken.all),
    )  # fmt: skip
    if pool.get("paused"):
        return f"work pool {run.pool} is paused in git"
    for what, limit, used in limits:
        if limit is not None and used >= limit:
            return f"{what} is full ({used} of {limit})"
    return None


def late(observed: Observed, now: datetime) -> list[Fact]:
    """Runs still Scheduled past `LATE` become Late, so that a surface shows it."""
    return [
        RunMoved(
            run=r.id,
            state=State.LATE,
            attempt=r.attempt,
            reason=f"not started {(now - r.due).total_seconds():.0f} s after due",
        )
        for r in observed.queued.values()
        if r.state is State.SCHEDULED and r.due + LATE <= now
    ]
