"""Random histories of runs: who is let in is who a look at all of them, sorted, would let in."""

import random

import pytest
from helpers_facts import a_deployment, a_run, later, observed_of

from reconciler.core import admit
from reconciler.core.admit import Host
from reconciler.model.state import ACTIVE, Observed, State

S = State
NAMES = ("etl/a", "etl/b", "ml/c", "ml/d")
LIMITS = (None, 1, 2, 3)
TYPES = frozenset({"r"})


def naive(observed: Observed, now, places: int) -> list[str]:
    """The runs to start, in order, by looking at everything."""
    active = [(r.deployment, r.pool, r.queue) for r in observed.active.values()]
    wanting = [r for r in observed.queued.values() if r.ready_at <= now] + list(observed.waiting.values())

    def queue(run):
        return (observed.pools.get(run.pool) or {}).get("work_queues", {}).get(run.queue, {})

    wanting.sort(key=lambda r: (queue(r).get("priority") or admit.LAST, r.turn, r.seq))
    started = []
    for run in wanting:
        pool, known = observed.pools.get(run.pool), observed.deployments.get(run.deployment)
        if (pool is None and run.pool not in TYPES) or (pool or {}).get("paused") or queue(run).get("paused"):
            continue
        limits = (
            (known.limit if known else None, sum(d == run.deployment for d, _, _ in active)),
            (queue(run).get("concurrency_limit"), sum((p, q) == (run.pool, run.queue) for _, p, q in active)),
            ((pool or {}).get("concurrency_limit"), sum(p == run.pool for _, p, _ in active)),
            (places, len(active)),
        )
        if all(limit is None or used < limit for limit, used in limits):
            active.append((run.deployment, run.pool, run.queue))
            started.append(run.id)
    return started


class History:
    """Runs come, wait, run, end; git changes limits, pools and queues meanwhile."""

    def __init__(self, seed: int, *strategies: str) -> None:
        self.rng = random.Random(seed)
        self.strategies = strategies
        self.seconds = 0
        self.number = 0
        self.places = self.rng.choice((1, 3, 100))
        self.observed = observed_of(*map(self.deployment, NAMES), pools={p: self.pool() for p in "pq"})

    @property
    def now(self):
        return later(self.seconds)

    def deployment(self, name):
        return a_deployment(name, limit=self.rng.choice(LIMITS), collision=self.rng.choice(self.strategies))

    def pool(self):
        rng = self.rng
        queues = {
            q: {
                "priority": rng.randint(1, 2),
                "concurrency_limit": rng.choice(LIMITS),
                "paused": rng.random() < 0.15,
            }
            for q in "xy"
        }
        return {"paused": rng.random() < 0.15, "concurrency_limit": rng.choice(LIMITS), "work_queues": queues}

    def move(self, run, state, **fields):
        run.state = state
        for key, value in fields.items():
            setattr(run, key, value)
        self.observed.place(run)

    def happen(self):
        """One thing."""
        rng, observed = self.rng, self.observed
        kind = rng.choice(("create",) * 4 + ("end",) * 4 + ("cancel", "retry", "limit", "pool", "drop", "time"))
        if kind == "create":
            self.number += 1
            due = later(self.seconds + rng.choice((-20, 0, 0, 5)))
            start = spread(rng, due)
            run = a_run(
                self.number, deployment=rng.choice(NAMES), pool=rng.choice("pqr"), queue=rng.choice("xyz"), due=due,
                start_at=start,
            )  # fmt: skip
            observed.place(run)
        elif kind in {"end", "retry"} and observed.active:
            run = rng.choice(list(observed.active.values()))
            if kind == "end":
                self.move(run, S.COMPLETED)
            else:
                self.move(run, S.AWAITING_RETRY, until=later(self.seconds + rng.choice((0, 3))))
        elif kind == "cancel" and observed.waiting:
            self.move(rng.choice(list(observed.waiting.values())), S.CANCELLED)
        elif kind == "limit":
            name = rng.choice(NAMES)
            observed.deployments[name] = self.deployment(name)
            observed.lanes.turn(name)
        elif kind in {"pool", "drop"}:
            name = rng.choice("pq")
            observed.pools[name] = self.pool()
            if kind == "drop":
                del observed.pools[name]
            observed.lanes.turn(name)
        elif kind == "time":
            self.seconds += rng.choice((1, 3, 10))

    def look(self):
        """Let in, and fold what follows."""
        for fact in (facts := admit.admit(self.observed, self.now, Host(self.places, TYPES))):
            run = self.observed.runs[fact.run]
            assert (run.state, run.reason) != (S(fact.state), fact.reason), "told twice"
            self.move(run, S(fact.state), reason=fact.reason, attempt=fact.attempt)
        return facts


def spread(rng, due):
    return due + (later(2) - later(0)) if rng.random() < 0.2 else None


@pytest.mark.parametrize("seed", range(60))
def test_who_starts_is_who_a_look_at_everything_would_start(seed: int):
    history = History(seed, "ENQUEUE")
    for _ in range(120):
        for _ in range(history.rng.choice((1, 1, 2, 6))):
            history.happen()
        expected = naive(history.observed, history.now, history.places)
        facts = admit.admit(history.observed, history.now, Host(history.places, TYPES))
        again = admit.admit(history.observed, history.now, Host(history.places, TYPES))
        assert [f.run for f in facts if f.state == S.PENDING] == expected
        assert [f.run for f in again if f.state == S.PENDING] == expected
        history.look()
        assert not [f for f in history.look() if f.state == S.PENDING]
        assert {r.state for r in history.observed.queued.values() if r.ready_at <= history.now} == set()
        assert all(r.reason for r in history.observed.waiting.values())


@pytest.mark.parametrize("seed", range(40))
def test_slots_never_leak_and_no_limit_is_passed(seed: int):
    history = History(seed, "ENQUEUE", "CANCEL_NEW", "CANCEL_RUNNING")
    for _ in range(80):
        history.happen()
        before = {r.id for r in history.observed.active.values()}
        history.look()
        observed, lanes = history.observed, history.observed.lanes
        held = list(observed.active.values())
        assert sum(map(len, lanes.held.values())) == len(held) <= max(history.places, len(before))
        for name, deployment in observed.deployments.items():
            mine = [r for r in held if r.deployment == name]
            assert len(lanes.held.get(name, ())) == len(mine)
            assert deployment.limit is None or len(mine) <= deployment.limit or {r.id for r in mine} <= before
    for run in [*observed.runs.values()]:
        history.move(run, S.CANCELLED)
    assert not lanes.held
    assert not lanes.waits
    assert not lanes.times
    assert not +lanes.pools
    assert not any(lanes.fronts.values())


@pytest.mark.parametrize("seed", range(30))
def test_cancel_running_leaves_the_newest(seed: int):
    history = History(seed, "CANCEL_RUNNING")
    history.observed.pools.update({p: {} for p in "pq"})
    for _ in range(60):
        history.happen()
        history.observed.pools.update({p: {} for p in "pq"})
        came = {r.deployment for r in history.observed.queued.values() if r.ready_at <= history.now}
        history.look()
        for name in came:
            deployment, runs = history.observed.deployments[name], history.observed.runs.values()
            stay = [r for r in runs if r.deployment == name and r.state in ACTIVE | {S.AWAITING_CONCURRENCY_SLOT}]
            stay = [r for r in stay if r.state is not S.CANCELLING]
            assert deployment.limit is None or len(stay) <= deployment.limit


def test_a_thousand_that_wait_cost_a_look_nothing_and_are_told_once():
    runs = [a_run(n, state=S.SCHEDULED) for n in range(1, 1001)]
    observed = observed_of(a_deployment(limit=2), runs=runs)
    host = Host(1000, frozenset({"process"}))
    facts = admit.admit(observed, later(0), host)
    assert len(facts) == 1000
    for fact in facts:
        run = observed.runs[fact.run]
        run.state, run.reason = S(fact.state), fact.reason
        observed.place(run)
    told = 0
    for run in runs[:500]:
        assert run.state is S.PENDING
        run.state = S.COMPLETED
        observed.place(run)
        for fact in (found := admit.admit(observed, later(1), host)):
            moved = observed.runs[fact.run]
            moved.state, moved.reason = S(fact.state), fact.reason
            observed.place(moved)
        told += len(found)
        assert len(observed.lanes.fronts.get(("process", "default"), ())) <= 2
    assert told == 500


def test_a_naive_look_and_this_one_agree_on_a_pool_that_came_back():
    """A pinned example of what the histories above walk through."""
    waits = [a_run(n, state=S.AWAITING_CONCURRENCY_SLOT, pool="p", queue="x", reason="?") for n in (1, 2)]
    observed = observed_of(a_deployment(), runs=waits, pools={"p": {"paused": True}})
    host = Host(9, TYPES)
    observed.lanes.turn("p")
    assert {f.reason for f in admit.admit(observed, later(0), host)} == {"work pool p is paused in git"}
    observed.pools["p"] = {}
    assert [f.run for f in admit.admit(observed, later(0), host)] == [w.id for w in waits]
