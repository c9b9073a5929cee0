"""Which queued runs start, within every limit."""

from datetime import timedelta

import pytest
from helpers_facts import NOW, a_deployment, a_run, later, observed_of

from reconciler.core.admit import Host, admit, late, wake_at
from reconciler.model.state import ACTIVE, State

S = State
TYPES = frozenset({"process", "inline"})


def told(observed, places=10, now=NOW):
    return [(f.run, str(f.state), f.reason) for f in admit(observed, now, Host(places, TYPES))]


def started(observed, places=10, now=NOW):
    return [run for run, state, _ in told(observed, places, now) if state == "Pending"]


def names(*runs):
    return [run.id for run in runs]


def test_a_ready_run_starts_with_the_next_attempt():
    run = a_run(state=S.AWAITING_RETRY, attempt=1, until=NOW)
    (found,) = admit(observed_of(a_deployment(), runs=[run]), NOW, Host(1, TYPES))
    assert (found.state, found.attempt) == ("Pending", 2)


@pytest.mark.parametrize(
    "run", [a_run(due=later(1)), a_run(state=S.AWAITING_RETRY, attempt=1, until=later(0.000001))], ids=["due", "retry"]
)
def test_what_is_not_ready_waits_and_names_its_time(run):
    observed = observed_of(a_deployment(), runs=[run])
    assert told(observed) == []
    assert wake_at(observed) in (run.due, run.until)


@pytest.mark.parametrize("state", sorted(ACTIVE))
def test_every_active_state_holds_its_slot(state: State):
    runs = [a_run(1, state=state, attempt=1), a_run(2)]
    ((_, told_state, reason),) = told(observed_of(a_deployment(limit=1), runs=runs))
    assert told_state == "AwaitingConcurrencySlot"
    assert reason == "deployment etl/nightly is full (1 of 1)"


LIMITS = {
    "deployment": ({"limit": 1}, {}, 10, "deployment etl/nightly is full"),
    "queue": ({}, {"process": {"work_queues": {"default": {"concurrency_limit": 1}}}}, 10, "work queue default"),
    "pool": ({}, {"process": {"concurrency_limit": 1}}, 10, "work pool process is full"),
    "host": ({}, {}, 1, "this host is full (1 of 1)"),
}


@pytest.mark.parametrize(("fields", "pools", "places", "reason"), LIMITS.values(), ids=LIMITS)
def test_a_limit_lets_one_in_and_says_who_waits_for_what(fields, pools, places, reason):
    first, second = a_run(1), a_run(2)
    found = told(observed_of(a_deployment(**fields), runs=[second, first], pools=pools), places)
    assert found[0][:2] == (first.id, "Pending")
    assert found[1][:2] == (second.id, "AwaitingConcurrencySlot")
    assert reason in found[1][2]


def test_a_paused_pool_lets_nobody_in():
    observed = observed_of(a_deployment(collision="CANCEL_NEW"), runs=[a_run()], pools={"process": {"paused": True}})
    ((_, state, reason),) = told(observed)
    assert (state, reason) == ("AwaitingConcurrencySlot", "work pool process is paused in git")


def test_who_waits_is_told_once():
    waits = a_run(2, state=S.AWAITING_CONCURRENCY_SLOT, reason="this host is full (9 of 9)")
    observed = observed_of(a_deployment(limit=1), runs=[a_run(1, state=S.RUNNING, attempt=1), waits])
    ((_, _, reason),) = told(observed)
    assert "deployment" in reason
    waits.reason = reason
    assert told(observed) == []


def test_cancel_new_cancels_at_its_own_limit_only():
    runs = [a_run(1, state=S.RUNNING, attempt=1), a_run(2)]
    ((_, state, reason),) = told(observed_of(a_deployment(limit=1, collision="CANCEL_NEW"), runs=runs))
    assert (state, reason) == ("Cancelled", "CANCEL_NEW: deployment etl/nightly is full (1 of 1)")
    ((_, state, _),) = told(observed_of(a_deployment(collision="CANCEL_NEW"), runs=runs), places=1)
    assert state == "AwaitingConcurrencySlot"


def test_priority_then_due_then_creation():
    pools = {"process": {"work_queues": {"hi": {"priority": 1}, "lo": {"priority": 2}}}}
    low = a_run(1, queue="lo", due=NOW - timedelta(seconds=30))
    younger, older = a_run(4, queue="hi"), a_run(3, queue="hi")
    early = a_run(5, queue="hi", due=NOW - timedelta(seconds=1))
    other = a_run(2, queue="default", due=NOW - timedelta(seconds=40))
    observed = observed_of(a_deployment(), runs=[low, younger, older, early, other], pools=pools)
    assert started(observed) == names(early, older, younger, low, other)


def test_a_full_lane_does_not_hold_the_others_up():
    pools = {"process": {"work_queues": {"hi": {"priority": 1, "concurrency_limit": 1}}}}
    runs = [a_run(1, queue="hi"), a_run(2, queue="hi"), a_run(3)]
    assert started(observed_of(a_deployment(), runs=runs, pools=pools)) == names(runs[0], runs[2])


def test_a_run_whose_deployment_is_gone_still_counts_against_the_rest():
    assert started(observed_of(runs=[a_run(1, state=S.RUNNING, attempt=1), a_run(2)]), places=1) == []


@pytest.mark.parametrize(("after", "expected"), [(14.999999, []), (15, ["Late"]), (2 * 86_400, ["Late"])])
def test_late_past_fifteen_seconds(after, expected):
    observed = observed_of(a_deployment(), runs=[a_run()])
    found = late(observed, later(after))
    assert [str(f.state) for f in found] == expected
    assert all(f"{after:.0f} s after due" in f.reason for f in found)


def test_nothing_wakes_what_waits_for_a_slot_or_runs():
    runs = [a_run(1, state=S.AWAITING_CONCURRENCY_SLOT), a_run(2, state=S.RUNNING)]
    assert wake_at(observed_of(runs=runs)) is None


def test_jitter_puts_off_the_start_and_being_late():
    run = a_run(start_at=later(100))
    observed = observed_of(a_deployment(), runs=[run])
    assert (told(observed, now=later(99)), wake_at(observed)) == ([], later(100))
    assert late(observed, later(115) - timedelta(microseconds=1)) == []
    assert late(observed, later(115))[0].reason == "not started 15 s after start"
    assert started(observed, now=later(100)) == [run.id]


def test_a_backfill_waits_where_others_are_cancelled_and_takes_its_turn():
    active = a_run(1, state=S.RUNNING, attempt=1)
    filled = a_run(2, trigger="backfill", due=later(-9e6), start_at=later(-5))
    scheduled = a_run(3, due=later(-10))
    deployment = a_deployment(limit=1, collision="CANCEL_NEW")
    found = told(observed_of(deployment, runs=[active, filled, scheduled]))
    assert [(run, state) for run, state, _ in found] == [
        (scheduled.id, "Cancelled"), (filled.id, "AwaitingConcurrencySlot"),
    ]  # fmt: skip
    assert late(observed_of(deployment, runs=[filled]), NOW) == []
