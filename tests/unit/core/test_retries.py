"""How often, and after how long."""

from datetime import timedelta

import pytest
from helpers_facts import NOW, a_run

from reconciler.core.retries import LONGEST, again_at, attempts, budget, reported
from reconciler.model.state import State

S = State


def waits(run, end=S.FAILED, **flow):
    again = again_at(run, end, NOW, {"flow": flow})
    return None if again is None else (again - NOW).total_seconds()


def test_attempts_of_a_resume_or_that_never_began_use_up_no_retry():
    run = a_run(attempt=4, retries=1, resumes=2, unlaunched=1)
    assert budget(run, S.CRASHED) == 5
    assert waits(run) == 0
    assert waits(a_run(attempt=5, retries=1, resumes=2, unlaunched=1)) is None
    assert waits(a_run(attempt=4, retries=2, resumes=2), retry_delay_seconds=[3, 9]) == 9


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ({"retries": 3, "retry_delays": [1, 2.5], "retry_jitter": 0.3},) * 2,
        ({"retries": 1001}, {}),
        ({"retries": -1}, {}),
        ({"retries": True, "retry_jitter": True, "retry_delays": [True]}, {}),
        ({"retry_delays": [1] * 51}, {}),
        ({"retry_delays": [-1]}, {}),
        ({"retry_delays": [10**400], "retry_jitter": 10**400}, {"retry_delays": [LONGEST], "retry_jitter": 10.0}),
        ({"retry_jitter": -0.1}, {}),
    ],
)
def test_what_a_run_says_is_bounded(said, kept):
    assert reported({"fact": "running", **said}) == kept


def test_jitter_spreads_runs_and_is_the_same_for_the_same_attempt():
    found = [waits(a_run(n, attempt=1, retries=1), retry_delay_seconds=100, retry_jitter_factor=0.5) for n in range(50)]
    assert all(50 <= each <= 150 for each in found)
    assert len(set(found)) == 50
    assert min(found) < 70
    assert max(found) > 130
    assert found[0] == waits(a_run(0, attempt=1, retries=1), retry_delay_seconds=100, retry_jitter_factor=0.5)
    wide = [waits(a_run(n, attempt=1, retries=1), retry_delay_seconds=100, retry_jitter_factor=10) for n in range(20)]
    assert min(wide) == 0
    assert max(wide) <= 1100


def test_the_delays_that_a_run_told_are_for_what_it_tells():
    run = a_run(attempt=1, retries=1, detail={"retries": 1, "retry_delays": [5]})
    assert (waits(run, retry_delay_seconds=9), waits(run, S.CRASHED, retry_delay_seconds=9)) == (5, 9)
    assert again_at(run, S.FAILED, NOW, {}) == NOW + timedelta(seconds=5)


def test_how_many_attempts_are_shown():
    assert attempts(a_run(attempt=1, retries=2)) == 3
    assert attempts(a_run(attempt=1, detail={"retries": 4})) == 5
    assert attempts(a_run(attempt=7, detail={"retries": 0})) == 7
