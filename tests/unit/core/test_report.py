"""What a run's report means."""

from datetime import timedelta

import pytest
from helpers_facts import NOW, a_run

from reconciler.core.report import Report, backoff, moves
from reconciler.model.ids import instant
from reconciler.model.state import ACTIVE, State

S = State
RUNNING = {"fact": "running", "attempt": 1, "at": "x", "pid": 7, "tree": None}
DONE, FAILED, LATE = {"fact": "completed"}, {"fact": "failed", "message": "no"}, {"fact": "timed_out"}
OK, ONE, KILLED = {"code": 0}, {"code": 1}, {"code": None, "signal": 9}


def told(run, *, attempt=1, facts=(), final=None, status=None, dead=False, spec=None):
    found = moves(run, Report(run.id, attempt, facts, final, status, dead), NOW, spec or {})
    return [(str(m.state), m.reason) for m in found]


def running(**fields):
    return a_run(attempt=1, **({"state": S.RUNNING} | fields))


ENDS = {
    "completed": (DONE, OK, False, "Completed", ""),
    "completed, then dead without a status": (DONE, None, True, "Completed", ""),
    "completed, but the process failed": (DONE, ONE, False, "Crashed", "exit code 1 after the flow had returned"),
    "completed, but killed": (DONE, KILLED, False, "Crashed", "killed by signal 9"),
    "failed": (FAILED, ONE, False, "Failed", "no"),
    "failed says nothing": ({"fact": "failed"}, ONE, False, "Failed", "the flow raised"),
    "timed out": (LATE, ONE, False, "TimedOut", "timed out"),
    "no word, a status": (None, {"code": 3}, False, "Crashed", "exit code 3 without a final report"),
    "no word, status 0": (None, OK, False, "Crashed", "exit code 0 without a final report"),
    "no word, no status": (None, None, True, "Crashed", "exit status unknown"),
}


@pytest.mark.parametrize(("final", "status", "dead", "state", "reason"), ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("before", [S.PENDING, S.RUNNING, S.RETRYING])
def test_the_end(final, status, dead, state, reason, before):
    ((found, why),) = told(running(state=before), final=final, status=status, dead=dead)
    assert found == state
    assert reason in why


@pytest.mark.parametrize(("final", "status", "dead"), [e[:3] for e in ENDS.values()], ids=ENDS)
def test_a_run_being_cancelled_ends_cancelled(final, status, dead):
    run = running(state=S.CANCELLING, reason="cancelled by ada", retries=3)
    assert told(run, final=final, status=status, dead=dead) == [("Cancelled", "cancelled by ada")]


def test_a_final_fact_counts_only_with_the_process_over():
    assert told(running(), final=DONE) == []


@pytest.mark.parametrize("state", sorted(set(State) - ACTIVE))
@pytest.mark.parametrize("attempt", [0, 1])
def test_a_duplicate_report_of_what_is_not_under_way_is_nothing(state: State, attempt: int):
    run = a_run(state=state, attempt=attempt, retries=2)
    assert told(run, attempt=attempt, facts=(RUNNING,), final=DONE, status=OK) == []


@pytest.mark.parametrize("attempt", [-1, 0, 2])
def test_another_attempt_says_nothing(attempt: int):
    assert told(running(retries=5), attempt=attempt, facts=(RUNNING,), final=DONE, status=OK) == []


def test_the_start_and_the_end_in_one_report():
    run = running(state=S.PENDING)
    found = moves(
        run, Report(run.id, 1, (RUNNING, {"fact": "step", "step": "git_clone", "seconds": 1}), DONE, OK), NOW, {}
    )
    assert [m.state for m in found] == ["Running", "Completed"]
    assert found[0].detail == {"pid": 7, "steps": [{"step": "git_clone", "seconds": 1}]}


def test_a_second_attempt_is_retrying():
    run = a_run(state=S.PENDING, attempt=2)
    assert told(run, attempt=2, facts=(RUNNING,)) == [("Retrying", "")]
    assert told(running(), facts=(RUNNING,)) == []


@pytest.mark.parametrize(
    ("delay", "attempt", "seconds"),
    [(None, 1, 0), (5, 1, 5), ([1, 90], 1, 1), ([1, 90], 2, 90), ([1, 90], 3, 90), ([], 1, 0), (0.5, 1, 0.5)],
)
def test_a_retry_waits_its_delay(delay, attempt, seconds):
    run = a_run(state=S.RUNNING, attempt=attempt, retries=3)
    spec = {"flow": {"retry_delay_seconds": delay}}
    (found,) = moves(run, Report(run.id, attempt, (), FAILED, ONE), NOW, spec)
    assert (found.state, found.until) == ("AwaitingRetry", instant(NOW + timedelta(seconds=seconds)))
    assert "no" in found.reason


@pytest.mark.parametrize("delay", [1e300, 10**400, [10**30]])
def test_an_absurd_delay_does_not_stop_the_loop(delay):
    spec = {"flow": {"retry_delay_seconds": delay}}
    assert told(running(retries=1), final=FAILED, status=ONE, spec=spec)[0][0] == "AwaitingRetry"


def test_retries_end():
    assert told(a_run(state=S.RUNNING, attempt=3, retries=2), attempt=3, final=FAILED, status=ONE)[0][0] == "Failed"
    assert told(running(retries=2), final=DONE, status=OK)[0][0] == "Completed"


def test_what_the_end_proves():
    run = running()
    (found,) = moves(run, Report(run.id, 1, (), {"fact": "failed", "error": "e" * 64, "result": None}, ONE), NOW, {})
    assert found.detail == {"exit": {"code": 1}, "error": "e" * 64}


def test_backoff_doubles_to_a_quarter_of_an_hour():
    waits = [backoff(n, "x") for n in range(1, 20)]
    assert 0.75 <= waits[0] <= 1.25
    assert max(waits) <= 900 * 1.25
    assert waits[-1] >= 900 * 0.75
    assert waits == [backoff(n, "x") for n in range(1, 20)]
