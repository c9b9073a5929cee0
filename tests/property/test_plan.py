"""Random desired states, one after the other: what planning and applying promise whatever git says."""

import random

import pytest
from helpers_facts import (
    a_declared,
    a_ledger,
    a_rule,
    a_run,
    a_spec,
    apply,
    desired_of,
    later,
    observed_of,
    picture,
    tell,
)
from helpers_facts import a_deployment as deployed
from helpers_invariants import Account
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core import admit, commands, lifecycle, plan, report
from reconciler.core.plan import Policy
from reconciler.core.report import Report
from reconciler.model.events import SourceFound, SourceLost
from reconciler.model.ids import run_id
from reconciler.model.plan import Source, SourceKind
from reconciler.model.state import ACTIVE, FINAL, State

NAMES = ("etl/a", "etl/b", "ml/c", "ml/d", "web/e")
FILES = {name: f"specs/{'one' if name < 'ml' else name[-1]}.yaml" for name in NAMES}


def desired(rng: random.Random, number: int):
    """Some of the names with random specs, sources and broken files."""
    broken = {f for f in (*FILES.values(), "specs/new.yaml") if rng.random() < 0.12}
    commits = {file: f"s{rng.randint(0, 2)}" for file in FILES.values()}
    pairs = []
    for name in NAMES:
        if FILES[name] in broken or rng.random() < 0.3:
            continue
        rules = [a_rule(interval=rng.choice((60, 90)), **({"slug": "s"} if rng.random() < 0.5 else {}))]
        spec = a_spec(name, tags=[rng.choice("xy")], schedules=rules[: rng.randint(0, 1)], paused=rng.random() < 0.2)
        scoped = Source(SourceKind.SCOPE, f"c{rng.randint(0, 2)}", directories=("src",))
        source = scoped if name == "ml/c" else Source(SourceKind.WHOLE)
        pairs.append((spec, a_declared(spec, file=FILES[name], commit=commits[FILES[name]], source=source)))
    whole = f"w{rng.randint(0, 2)}"
    return desired_of(*pairs, revision=f"r{number}", whole=whole, broken=broken)


@pytest.mark.parametrize("seed", range(60))
def test_applying_leaves_nothing_and_broken_prunes_nothing(seed: int):
    rng, ledger = random.Random(seed), a_ledger()
    for number in range(12):
        before, wanted = ledger.observed.deployments.copy(), desired(rng, number)
        commits = {n: d.source_commit(ledger.observed.whole_commit) for n, d in before.items()}
        made = apply(ledger, wanted, now=later(number * 100))
        after = ledger.observed.deployments
        for name, known in before.items():
            if known.file in wanted.broken or made.refused or wanted.broken - {d.file for d in before.values()}:
                assert name in after
            if name in made.moved.invalid and not made.refused:
                assert after[name].source_commit(ledger.observed.whole_commit) == commits[name]
                assert (after[name].digest, after[name].invalid) == (known.digest, True)
        if made.refused:
            assert after.keys() == before.keys()
            continue
        again = plan.plan(wanted, ledger.observed, Policy())
        assert again.empty
        assert plan.facts(again, wanted, ledger.observed) == []
        told = {n for n in before if n in after and commits[n] != after[n].source_commit(ledger.observed.whole_commit)}
        changed = {c.deployment for c in made.changes}
        assert told - changed <= set(made.moved.deployments)
        for name, declared in wanted.deployments.items():
            assert (after[name].digest, after[name].file) == (declared.digest, declared.file)
            assert after[name].spec_commit == declared.spec_commit
            assert not after[name].invalid


@pytest.mark.parametrize("seed", range(30))
def test_asking_again_or_losing_git_changes_no_deployment(seed: int):
    rng, ledger = random.Random(seed), a_ledger()
    for number in range(6):
        wanted = desired(rng, number)
        apply(ledger, wanted, now=later(number))
        head, shown = ledger.store.head(), picture(ledger.observed)
        for _ in range(2):
            apply(ledger, wanted, now=later(number + 50))
        assert (ledger.store.head(), picture(ledger.observed)) == (head, shown)
        deployments = dict(ledger.observed.deployments)
        tell(ledger, SourceLost(reason="away"), SourceFound(revision="r"))
        assert ledger.observed.deployments == deployments


@pytest.mark.parametrize("seed", range(80))
def test_no_more_are_let_in_than_any_limit(seed: int):
    rng = random.Random(seed)
    states = sorted(set(State) - FINAL)
    limits = (None, 1, 2, 3)
    pools = {
        p: {
            "concurrency_limit": rng.choice(limits),
            "work_queues": {q: {"priority": i, "concurrency_limit": rng.choice(limits)} for i, q in enumerate("xy")},
        }
        for p in "pq"
    }
    known = [deployed(n, limit=rng.choice(limits), collision=rng.choice(("ENQUEUE", "CANCEL_NEW"))) for n in NAMES]
    runs = [
        a_run(
            n, deployment=rng.choice(NAMES), pool=rng.choice("pqr"), queue=rng.choice("xyz"), state=rng.choice(states)
        )
        for n in range(30)
    ]
    observed, places = observed_of(*known, runs=runs, pools=pools), rng.choice((1, 5, 100))
    facts = admit.admit(observed, later(0), admit.Host(places, frozenset("pqr")))
    account = Account(places)
    account.pools, account.deployments = pools, {d.name: {"limit": d.limit} for d in known}
    for r in runs:
        account.runs[r.id] = {
            "deployment": r.deployment,
            "pool": r.pool,
            "queue": r.queue,
            "state": str(r.state),
            "trigger": r.trigger,
        }
    for fact in facts:
        run = account.runs[fact.run]
        assert lifecycle.allowed(State(run["state"]), State(fact.state))
        if fact.state == State.PENDING:
            account._admitted(fact.run, run)
        run["state"] = str(fact.state)
    assert len({f.run for f in facts}) == len(facts)
    for fact in facts:
        moved = observed.runs[fact.run]
        moved.state = State(fact.state)
        observed.place(moved)
    assert not [
        f for f in admit.admit(observed, later(0), admit.Host(places, frozenset("pqr"))) if f.state == State.PENDING
    ]


FINALS = [None, {"fact": "completed"}, {"fact": "failed"}, {"fact": "timed_out"}]
EXITS = [None, {"code": 0}, {"code": 2}, {"code": None, "signal": 9}]
reports = st.builds(
    Report,
    st.just("r"),
    st.integers(-1, 4),
    st.sampled_from([(), ({"fact": "running", "pid": 1},), ({"fact": "step", "step": "s"}, {"fact": "unknown"})]),
    st.sampled_from(FINALS),
    st.sampled_from(EXITS),
    st.booleans(),
)


@given(st.lists(reports, max_size=25), st.integers(0, 3), st.booleans())
def test_whatever_is_reported_a_run_moves_as_it_may_and_reaches_an_end(said, retries, cancelled):
    run = a_run(state=State.PENDING, attempt=1, retries=retries)

    def follow(each: Report) -> None:
        for move in report.moves(run, each, later(0), {}):
            assert lifecycle.allowed(run.state, State(move.state)), (run.state, move.state)
            assert move.attempt == run.attempt
            run.state = State(move.state)
        if run.state is State.AWAITING_RETRY:
            run.state, run.attempt = State.PENDING, run.attempt + 1

    for number, each in enumerate(said):
        if cancelled and number == 3 and run.state in ACTIVE - {State.CANCELLING}:
            run.state = State.CANCELLING
        follow(each)
        assert run.attempt <= retries + 1
    for _ in range(retries + 1):
        follow(Report("r", run.attempt, dead=True))
    assert run.final


@given(st.lists(st.sampled_from([*"abc"]), min_size=1, max_size=6))
def test_ids_come_from_facts(keys):
    observed = observed_of(*(deployed(name) for name in NAMES))
    asked = [commands.RunRequest(NAMES[0], "", key, later(0)) for key in keys]
    assert len({commands.run(observed, r, "x")[0] for r in asked}) == len(set(keys))
    assert run_id("a/b", "c", later(0)) == "fd0425912ed11f58"
    ids = {commands.run(observed, commands.RunRequest(n, "", "k", later(s)), "x")[0] for n in NAMES for s in range(3)}
    assert len(ids) == 15
