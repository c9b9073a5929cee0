"""Every state that waits says why, since when, until when, and what happens next."""

import pytest
from helpers_facts import NOW, a_run, later, observed_of

from reconciler.core.waiting import WAITS, next_move, waiting
from reconciler.model.state import State

S = State
T = "2026-11-22T09:00:{:02}.000000Z".format
HELD = a_run(8, state=S.RUNNING)
FULL = "deployment etl/nightly is full (1 of 1)"
PAUSED = "work queue hi of big is paused in git"
GONE = "work pool big is no longer declared in git: declare it again, or cancel the run"
CASES = {
    "scheduled": ({"state": S.SCHEDULED, "due": later(9)}, T(9), f"due at {T(9)}", f"starts at {T(9)}"),
    "put off": ({"state": S.SCHEDULED, "start_at": later(5)}, T(5), f"put off to {T(5)}", f"starts at {T(5)}"),
    "due now": ({"state": S.SCHEDULED}, T(0), "it is due", "as soon as a slot is free"),
    "late": ({"state": S.LATE, "reason": "no"}, None, "no", "as soon as a slot is free"),
    "for a slot": ({"state": S.AWAITING_CONCURRENCY_SLOT, "reason": FULL}, None, FULL, f"held by run {HELD.id}"),
    "for a paused queue": ({"state": S.AWAITING_CONCURRENCY_SLOT, "reason": PAUSED}, None, PAUSED, "no longer pauses"),
    "for a pool that is gone": ({"state": S.AWAITING_CONCURRENCY_SLOT, "reason": GONE}, None, GONE, "declared again"),
    "for a retry": ({"state": S.AWAITING_RETRY, "until": later(7)}, T(7), "go on", f"attempt 2 starts at {T(7)}"),
    "pending": ({"state": S.PENDING, "reason": "a slot is free"}, None, "a slot is free", "starts attempt 1"),
    "paused": ({"state": S.PAUSED, "reason": "look", "until": later(7), "detail": {"pauses": 1}}, T(7), "look",
               f"reconciler resume {a_run().id}; at {T(7)} the flow is told"),
    "paused, resumed": ({"state": S.PAUSED, "reason": "resumed by ada", "detail": {"pauses": 2, "resumed": 2}}, None,
                        "resumed by ada", "told to go on"),
    "suspended": ({"state": S.SUSPENDED, "reason": "look", "until": later(7)}, T(7), "look", f"at {T(7)} it fails"),
    "for ever": ({"state": S.SUSPENDED, "reason": "look"}, None, "look", f"reconciler resume {a_run().id}"),
    "cancelling": ({"state": S.CANCELLING, "reason": "no", "until": later(7)}, T(7), "no", f"killed at {T(7)}"),
}  # fmt: skip


@pytest.mark.parametrize(("fields", "until", "reason", "then"), CASES.values(), ids=CASES)
def test_a_run_that_waits(fields, until, reason, then):
    run = a_run(attempt=1, **fields)
    found = waiting(observed_of(runs=[run, HELD]), run, NOW)
    assert list(found) == ["reason", "since", "until", "next"]
    assert (found["since"], found["until"]) == (T(0), until)
    assert reason in found["reason"]
    assert then in found["next"]


def test_every_state_that_waits_is_among_the_cases():
    assert {fields["state"] for fields, *_ in CASES.values()} == WAITS


@pytest.mark.parametrize("state", sorted(set(S) - WAITS))
def test_a_run_that_goes_on_or_is_over_does_not_wait(state):
    run = a_run(state=state)
    assert waiting(observed_of(), run, NOW) is None
    assert bool(next_move(observed_of(), run, NOW)) is not run.final


@pytest.mark.parametrize(
    ("reason", "held"),
    [
        ("work queue hi of process is full (1 of 1)", "y"),
        ("work pool process is full (2 of 2)", "xy"),
        ("this host is full (5 of 5)", "5 runs"),
        ("work pool process is paused in git", ""),
    ],
)
def test_who_holds_the_slot(reason, held):
    x, y = (a_run(n, state=S.RUNNING, deployment=f"o/{n}", queue=q) for n, q in enumerate(("lo", "hi")))
    others = [a_run(n, state=S.PENDING, deployment=f"p/{n}", pool="far") for n in range(3, 6)]
    run = a_run(9, state=S.AWAITING_CONCURRENCY_SLOT, reason=reason, queue="hi")
    told = waiting(observed_of(runs=[x, y, *others, run]), run, NOW)["next"]
    assert (x.id in told, y.id in told) == ("x" in held or held == "5 runs", bool(held))
    assert ("and 2 more" in told) is (held == "5 runs")
