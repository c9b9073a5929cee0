"""Desired against observed."""

import pytest
from helpers_facts import a_declared, a_ledger, a_rule, a_spec, apply, desired_of, history, later, tell

from reconciler.core import commands, plan
from reconciler.core.plan import Policy
from reconciler.model.plan import Source, SourceKind

A, B, C, D = (a_spec(f"etl/{n}") for n in "abcd")


def applied(*specs, **fields):
    ledger = a_ledger()
    assert apply(ledger, desired_of(*specs, revision="r1", **fields)).refused is None
    return ledger


def planned(ledger, desired, **policy):
    return plan.plan(desired, ledger.observed, Policy(**policy))


def said(made):
    return [(str(c.action), c.deployment) for c in made.changes]


def test_with_no_log_all_is_a_create():
    made = planned(a_ledger(), desired_of(A, B))
    assert (made.base, said(made)) == (None, [("create", "etl/a"), ("create", "etl/b")])
    assert made.changes[0].version == "r1-commi"
    assert made.changes[0].reason == "declared in specs/a.yaml"


def test_create_update_prune_with_reasons_and_fields():
    ledger = applied(A, B, C)
    changed = a_spec("etl/b", tags=["x"], paused=True)
    made = planned(ledger, desired_of(A, changed, D, revision="r2"))
    assert said(made) == [("create", "etl/d"), ("prune", "etl/c"), ("update", "etl/b")]
    update = made.changes[2]
    assert update.reason == "spec changed in specs/b.yaml"  # the old spec is not at hand here
    assert made.changes[1].reason == "no longer declared (was in specs/c.yaml)"
    desired = desired_of(changed, revision="r2")
    both = {**desired.specs, a_declared(B).digest: B}
    made = plan.plan(
        desired_of(changed, revision="r2").__class__(**{**_fields(desired), "specs": both}), ledger.observed, Policy()
    )
    assert [(d.field, d.before, d.after) for d in made.changes[-1].diff] == [
        ("paused", False, True),
        ("tags", [], ["x"]),
    ]


def _fields(desired):
    return {name: getattr(desired, name) for name in desired.__slots__}


def test_a_moved_file_is_an_update_without_a_generation():
    ledger = applied(A)
    made = apply(ledger, desired_of((A, a_declared(A, file="specs/other.yaml")), revision="r2"))
    assert [d.field for d in made.changes[0].diff] == ["file"]
    assert (ledger.observed.deployments["etl/a"].generation, ledger.observed.deployments["etl/a"].file) == (
        1,
        "specs/other.yaml",
    )
    apply(ledger, desired_of(a_spec("etl/a", tags=["x"]), revision="r3"))
    assert ledger.observed.deployments["etl/a"].generation == 2


def test_one_fact_moves_all_of_the_whole_repository():
    ledger = applied(A, B)
    made = apply(ledger, desired_of(A, B, revision="r2"))
    assert (made.moved.before, made.moved.after, made.moved.deployments) == (
        "r1-commit",
        "r2-commit",
        ("etl/a", "etl/b"),
    )
    assert [e.type for e in history(ledger.store)][3:] == ["RevisionApplied"]
    assert ledger.observed.deployments["etl/a"].version(ledger.observed.whole_commit) == "r2-commi"


def test_a_scope_of_its_own_moves_by_its_own_fact():
    def at(commit):
        return a_declared(A, source=Source(SourceKind.SCOPE, commit, directories=("src",)))

    ledger = applied((A, at("c1")), B)
    made = apply(ledger, desired_of((A, at("c2")), B, revision="r2", whole="r1-commit"))
    assert made.moved.deployments == ("etl/a",)
    assert [e.type for e in history(ledger.store)][3:] == ["DeploymentMoved", "RevisionApplied"]
    assert planned(ledger, desired_of((A, at("c2")), B, revision="r2", whole="r1-commit")).empty


def test_the_same_revision_again_is_no_fact():
    ledger = applied(A)
    desired = desired_of(A, revision="r1")
    assert plan.facts(planned(ledger, desired), desired, ledger.observed) == []


BIG = {"type": "process", "file": "specs/pools.yaml", "work_queues": {"hi": {"priority": 1}}}


def test_pools_are_created_updated_and_pruned_by_facts_of_their_own():
    ledger = applied(A)
    more = {**BIG, "concurrency_limit": 2}
    made = [
        apply(ledger, desired_of(A, revision=f"r{n}"), pools=pools)
        for n, pools in enumerate(({"big": BIG}, {"big": BIG}, {"big": more}, {}), 2)
    ]
    assert [[(str(c.action), c.pool, c.reason) for c in m.pools] for m in made] == [
        [("create", "big", "declared in specs/pools.yaml")],
        [],
        [("update", "big", "concurrency_limit changed in specs/pools.yaml")],
        [("prune", "big", "no longer declared (was in specs/pools.yaml)")],
    ]
    told = [(e.type, e.subject, e.data) for e in history(ledger.store) if e.type.startswith("Pool")]
    assert [t[:2] for t in told] == [("PoolCreated", "big"), ("PoolUpdated", "big"), ("PoolPruned", "big")]
    assert told[1][2] == {"declared": more, "changed": ["concurrency_limit"]}
    assert made[2].json()["pools"][0]["diff"] == [{"field": "concurrency_limit", "from": None, "to": 2}]
    assert ledger.observed.pools == {}


STAYS = {
    "its own file is broken": {"broken": ["specs/pools.yaml"]},
    "a new file is broken": {"broken": ["specs/new.yaml"]},
    "a held deployment names it": {"broken": ["specs/a.yaml"], "specs": (B,)},
    "another file is broken": {"broken": ["specs/b.yaml"], "gone": True},
}


@pytest.mark.parametrize("case", STAYS.values(), ids=STAYS)
def test_a_pool_stays_while_it_may_be_meant_or_is_needed(case):
    sent = a_spec("etl/a", work_pool={"name": "big", "work_queue_name": "default"})
    ledger = a_ledger()
    apply(ledger, desired_of(sent, B, revision="r1"), pools={"big": BIG})
    specs = case.get("specs", (A, B))
    apply(ledger, desired_of(*specs, revision="r2", broken=case["broken"]), pools={})
    assert ("big" in ledger.observed.pools) is not case.get("gone", False)


def test_the_guard_counts_no_pools():
    ledger = a_ledger()
    apply(ledger, desired_of(A, revision="r1"), pools={str(n): {**BIG} for n in range(9)})
    assert apply(ledger, desired_of(A, revision="r2"), pools={}).refused is None
    assert ledger.observed.pools == {}


def test_a_changed_comment_moves_the_spec_commit_only():
    ledger = applied(A)
    apply(ledger, desired_of((A, a_declared(A, commit="n" * 40)), revision="r2"))
    known = ledger.observed.deployments["etl/a"]
    assert (known.spec_commit, known.generation) == ("n" * 40, 1)


# --- what is broken -------------------------------------------------------------------------------------


def test_a_broken_file_keeps_what_it_held_spec_and_source():
    ledger = applied(A, B)
    made = apply(ledger, desired_of(B, revision="r2", broken=["specs/a.yaml"]))
    assert (made.changes, made.moved.held, made.moved.deployments) == ((), ("etl/a",), ("etl/b",))
    known = ledger.observed.deployments["etl/a"]
    assert (known.invalid, known.source_commit(ledger.observed.whole_commit)) == (True, "r1-commit")
    apply(ledger, desired_of(B, revision="r3", broken=["specs/a.yaml"]))
    assert ledger.observed.deployments["etl/a"].source_commit(ledger.observed.whole_commit) == "r1-commit"
    made = apply(ledger, desired_of(A, B, revision="r4"))
    assert "etl/a" in made.moved.deployments
    known = ledger.observed.deployments["etl/a"]
    assert (known.invalid, known.source_commit(ledger.observed.whole_commit)) == (False, "r4-commit")


def test_a_rename_with_a_typo_prunes_nothing_and_holds_the_source_too():
    ledger = applied(A, B)
    made = apply(ledger, desired_of(B, revision="r2", broken=["specs/renamed.yaml"]))
    assert (made.changes, made.moved.held) == ((), ("etl/a",))
    known = ledger.observed.deployments["etl/a"]
    assert (known.invalid, known.source_commit(ledger.observed.whole_commit)) == (True, "r1-commit")
    made = apply(ledger, desired_of((A, a_declared(A, file="specs/renamed.yaml")), B, revision="r3"))
    assert said(made) == [("update", "etl/a")]
    assert not ledger.observed.deployments["etl/a"].invalid


def test_a_fault_that_comes_or_goes_at_the_same_revision_is_told():
    ledger = applied(A)
    apply(ledger, desired_of(A, revision="r1", broken=["specs/b.yaml"]))
    assert [p["file"] for p in ledger.observed.problems] == ["specs/b.yaml"]
    apply(ledger, desired_of(A, revision="r1"))
    assert ledger.observed.problems == []


# --- the guard ------------------------------------------------------------------------------------------

GUARD = {
    "all of one": ((A,), (), True),
    "one of two": ((A, B), (B,), False),
    "two of three": ((A, B, C), (C,), False),
    "three of four": ((A, B, C, D), (D,), True),
    "all of two": ((A, B), (), True),
    "all replaced": ((A, B), (C, D), True),
    "none": ((A, B), (A, B), False),
}


@pytest.mark.parametrize(("before", "after", "refused"), GUARD.values(), ids=GUARD)
def test_the_guard(before, after, refused):
    ledger = applied(*before)
    made = apply(ledger, desired_of(*after, revision="r2"))
    assert (made.refused is not None) is refused
    assert ledger.observed.revision == ("r1" if refused else "r2")
    if made.refused:
        assert "reconciler confirm r2" in made.refused.confirm
        assert ledger.observed.deployments.keys() == {f"etl/{s['name']}" for s in before}


def test_exactly_the_limit_is_allowed_and_a_stricter_one_is_kept():
    specs = [a_spec(f"etl/{n}") for n in range(6)]
    assert not planned(applied(*specs), desired_of(*specs[3:], revision="r2")).refused
    assert planned(applied(*specs), desired_of(*specs[3:], revision="r2"), prune_limit=0.4).refused


def test_refused_once_confirmed_applied():
    ledger = applied(A, B)
    empty = desired_of(revision="r2")
    apply(ledger, empty)
    head = ledger.store.head()
    apply(ledger, empty)
    assert ledger.store.head() == head
    assert ledger.observed.refused["prunes"] == ["etl/a", "etl/b"]
    more = desired_of(revision="r2", rewound_from="r1")  # what is confirmed is what was told
    apply(ledger, more, policy=Policy(on_rewind="refuse"))
    assert "on-rewind" in ledger.observed.refused["reason"]
    tell(ledger, *commands.confirm(ledger.observed, "r2", "ada", "meant so"))
    assert apply(ledger, desired_of(revision="r3")).refused
    tell(ledger, *commands.confirm(ledger.observed, "r3", "ada", "meant so"))
    assert apply(ledger, desired_of(revision="r3")).refused is None
    assert (ledger.observed.deployments, ledger.observed.refused, ledger.observed.confirmed) == ({}, None, None)


def test_a_rewind_is_told_or_refused():
    ledger = applied(A)
    back = desired_of(A, revision="r0", rewound_from="r1")
    assert "moved back" in planned(ledger, back, on_rewind="refuse").refused.reason
    apply(ledger, back)
    assert [e.type for e in history(ledger.store)][-2:] == ["HistoryRewound", "RevisionApplied"]


# --- schedules through a change -------------------------------------------------------------------------


def schedule(ledger):
    (found,) = ledger.observed.deployments["etl/a"].schedules
    return found


def test_an_unchanged_schedule_keeps_its_place_and_a_new_one_starts_at_the_applying():
    hourly = a_rule(interval=3600)
    ledger = applied(a_spec("etl/a", schedules=[hourly]))
    place = schedule(ledger).accounted
    apply(ledger, desired_of(a_spec("etl/a", schedules=[hourly], tags=["x"]), revision="r2"), now=later(500))
    assert schedule(ledger).accounted == place
    apply(ledger, desired_of(a_spec("etl/a", schedules=[a_rule(interval=60)]), revision="r3"), now=later(1000))
    assert schedule(ledger).accounted == later(1000)


@pytest.mark.parametrize("slugs", [("own", "own", {}), ("old", "new", {"replaces": "old"})], ids=["slug", "replaces"])
def test_a_slug_whose_times_change_starts_at_the_applying_not_in_the_past(slugs):
    first, second, more = slugs
    ledger = applied(a_spec("etl/a", schedules=[a_rule(cron="0 0 1 1 *", slug=first)]))
    changed = a_rule(cron="* * * * *", slug=second, **more)
    apply(ledger, desired_of(a_spec("etl/a", schedules=[changed]), revision="r2"), now=later(86_400))
    assert schedule(ledger).accounted == later(86_400)
    again = a_rule(cron="* * * * *", slug="third", replaces=second)
    apply(ledger, desired_of(a_spec("etl/a", schedules=[again]), revision="r3"), now=later(90_000))
    assert schedule(ledger).accounted == later(86_400)


def test_set_back_a_schedule_taken_up_again_starts_where_it_ended():
    spec = a_spec("etl/a", schedules=[a_rule(interval=60)])
    ledger = applied(spec, B)
    apply(ledger, desired_of(B, revision="r2"), now=later(3600))
    apply(ledger, desired_of(spec, B, revision="r3"), now=later(-3600))
    assert schedule(ledger).accounted == later(3600)
    apply(ledger, desired_of(B, revision="r4"))
    apply(ledger, desired_of(spec, B, revision="r5"), now=later(-10 * 86_400))
    assert schedule(ledger).accounted == later(-10 * 86_400)
