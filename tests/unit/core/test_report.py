"""What a run's report means."""

from dataclasses import replace
from datetime import timedelta

import pytest
from helpers_facts import NOW, a_run

from reconciler.core.report import Report, backoff, moves
from reconciler.model.ids import instant, moment
from reconciler.model.state import ACTIVE, State

S = State
RUNNING = {"fact": "running", "attempt": 1, "at": "x", "pid": 7, "tree": None}
PAUSED, RESUMED = {"fact": "paused", "timeout": 60, "reason": "look at it"}, {"fact": "resumed"}
DONE, FAILED, LATE = {"fact": "completed"}, {"fact": "failed", "message": "no"}, {"fact": "timed_out"}
SUSPENDED = {"fact": "suspended", "timeout": 30, "reason": "until monday"}
OK, ONE, KILLED = {"code": 0}, {"code": 1}, {"code": None, "signal": 9}


def told(run, *, attempt=1, facts=(), final=None, status=None, dead=False, spec=None):
    found = moves(run, Report(run.id, attempt, facts, final, status, dead), NOW, spec or {})
    return [(str(m.state), m.reason) for m in found]


def running(**fields):
    return a_run(attempt=1, **({"state": S.RUNNING} | fields))


ENDS = {
    "completed": (DONE, OK, False, "Completed", "the flow returned"),
    "completed, then dead without a status": (DONE, None, True, "Completed", "the flow returned"),
    "completed, but the process failed": (DONE, ONE, False, "Crashed", "exit code 1 after the flow had returned"),
    "suspended": (SUSPENDED, OK, False, "Suspended", "until monday"),
    "suspended, but killed": (SUSPENDED, KILLED, False, "Crashed", "killed by signal 9 after the flow had suspended"),
    "completed, but killed": (DONE, KILLED, False, "Crashed", "killed by signal 9"),
    "failed": (FAILED, ONE, False, "Failed", "no"),
    "failed says nothing": ({"fact": "failed"}, ONE, False, "Failed", "the flow raised"),
    "timed out": (LATE, ONE, False, "TimedOut", "timed out"),
    "no word, a status": (None, {"code": 3}, False, "Crashed", "exit code 3 without a final report"),
    "no word, status 0": (None, OK, False, "Crashed", "exit code 0 without a final report"),
    "no word, no status": (None, None, True, "Crashed", "exit status unknown"),
}


@pytest.mark.parametrize(("final", "status", "dead", "state", "reason"), ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("before", [S.PENDING, S.RUNNING, S.RETRYING, S.PAUSED])
def test_the_end(final, status, dead, state, reason, before):
    *between, (found, why) = told(running(state=before), final=final, status=status, dead=dead)
    untold = (before, state) in {(S.PENDING, "Suspended"), (S.PAUSED, "Suspended"), (S.PAUSED, "Completed")}
    assert between == ([("Running", "it had gone on")] if untold else [])
    assert found == state
    assert reason in why


@pytest.mark.parametrize(("final", "status", "dead", "state"), [e[:4] for e in ENDS.values()], ids=ENDS)
def test_a_run_being_cancelled_ends_cancelled_unless_it_had_completed(final, status, dead, state):
    run = running(state=S.CANCELLING, reason="cancelled by ada", retries=3)
    expected = ("Completed", "the flow returned") if state == "Completed" else ("Cancelled", "cancelled by ada")
    assert told(run, facts=(RUNNING, PAUSED), final=final, status=status, dead=dead) == [expected]


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
    assert told(run, attempt=2, facts=(RUNNING,)) == [("Retrying", "the flow is called")]
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


# --- pauses ---------------------------------------------------------------------------------------------------------

LIFE = (RUNNING, PAUSED, RESUMED, PAUSED, RESUMED)


def test_a_whole_life_in_one_report_is_told_in_order():
    run = a_run(state=S.PENDING, attempt=1)
    found = moves(run, Report(run.id, 1, LIFE, DONE, OK), NOW, {})
    assert [m.state for m in found] == ["Running", "Paused", "Running", "Paused", "Running", "Completed"]
    assert [m.detail.get("pauses") for m in found] == [None, 1, None, 2, None, None]
    assert (found[1].reason, found[1].until) == ("look at it", instant(NOW + timedelta(seconds=60)))


def test_what_the_log_holds_adds_nothing_however_often_it_is_told():
    """The journal is read from its start after a restart: each move counts once, wherever the log stands."""
    whole = told(a_run(state=S.PENDING, attempt=1), facts=LIFE)
    held = [(S.PENDING, 0), (S.RUNNING, 0), (S.PAUSED, 1), (S.RUNNING, 1), (S.PAUSED, 2), (S.RUNNING, 2)]
    for number, (state, pauses) in enumerate(held):
        assert told(running(state=state, detail={"pauses": pauses}), facts=LIFE) == whole[number:]


def test_facts_out_of_turn_are_nothing():
    facts = (RESUMED, PAUSED, RUNNING, RUNNING, RESUMED, PAUSED)
    assert [state for state, _ in told(a_run(state=S.PENDING, attempt=1), facts=facts)] == ["Running", "Paused"]


def test_a_pause_whose_time_was_over_is_followed_by_another():
    facts = (RUNNING, PAUSED, PAUSED)
    assert [
        s for s, _ in told(a_run(state=S.PENDING, attempt=1), facts=facts)
    ] == "Running Paused Running Paused".split()
    assert [s for s, _ in told(running(state=S.PAUSED, detail={"pauses": 1}), facts=facts)] == ["Running", "Paused"]
    assert told(running(state=S.PAUSED, detail={"pauses": 2}), facts=facts) == []


@pytest.mark.parametrize("timeout", [None, -1, True, 1e300, 10**400])
def test_a_pause_without_a_sane_end_has_none(timeout):
    run = running()
    (found,) = moves(run, Report(run.id, 1, (RUNNING, {**PAUSED, "timeout": timeout})), NOW, {})
    assert found.until is None


def test_who_resumed_it_is_told_when_it_goes_on():
    detail = {"pauses": 1, "resumed": 1}
    run = running(state=S.PAUSED, reason="resumed by ada: fine", detail=detail)
    assert told(run, facts=LIFE[:3]) == [("Running", "resumed by ada: fine")]
    assert (
        told(running(state=S.PAUSED, reason="look", detail={"pauses": 1}), facts=LIFE[:3])[0][1] == "the flow goes on"
    )


def test_a_suspended_run_waits_its_time():
    run = running(retries=3)
    (found,) = moves(run, Report(run.id, 1, (), SUSPENDED, OK), NOW, {})
    assert (found.state, found.until) == ("Suspended", instant(NOW + timedelta(seconds=30)))


@pytest.mark.parametrize("name", ["", "x" * 300, "a\nb", 7, None])
def test_a_name_that_is_none_is_dropped(name):
    run = a_run(state=S.PENDING, attempt=1)
    (found,) = moves(run, Report(run.id, 1, ({**RUNNING, "name": name},)), NOW, {})
    assert "name" not in found.detail
    (found,) = moves(run, Report(run.id, 1, ({**RUNNING, "name": "of-the-day"},)), NOW, {})
    assert found.detail["name"] == "of-the-day"


# --- retries --------------------------------------------------------------------------------------------------------


def test_what_a_run_says_of_its_retries_counts_for_failures_it_tells():
    said = {**RUNNING, "retries": 2, "retry_delays": [7], "retry_jitter": 0}
    run = a_run(state=S.PENDING, attempt=1)
    failed = moves(run, Report(run.id, 1, (said,), FAILED, ONE), NOW, {})[-1]
    assert (failed.state, failed.until) == ("AwaitingRetry", instant(NOW + timedelta(seconds=7)))
    assert failed.reason == "attempt 1 of 3 failed: no"
    lost = moves(run, Report(run.id, 1, (said,), None, None, dead=True), NOW, {})[-1]
    assert lost.state == "Crashed"
    known = a_run(state=S.PENDING, attempt=1, retries=1)
    assert moves(known, Report(run.id, 1, (said,), None, KILLED), NOW, {})[-1].state == "AwaitingRetry"
    none = {**said, "retries": 0}
    assert moves(known, Report(run.id, 1, (none,), FAILED, ONE), NOW, {})[-1].state == "Failed"


def test_a_flow_that_gave_up_is_not_tried_again():
    assert told(running(retries=2), final={**FAILED, "retry": False}, status=ONE) == [("Failed", "no")]


def test_what_never_began_for_a_passing_reason_backs_off_and_ends():
    final = {**FAILED, "unlaunched": True}
    run, waits = a_run(state=S.PENDING, attempt=1), []
    while True:
        (found,) = moves(run, Report(run.id, run.attempt, (), final, None, dead=True), NOW, {})
        if found.state != "AwaitingRetry":
            break
        waits.append((moment(found.until) - NOW).total_seconds())
        run = replace(run, unlaunched=run.unlaunched + 1, attempt=run.attempt + 1)
    assert (found.state, len(waits)) == ("Failed", 5)
    assert waits == sorted(waits)
