"""Suspended runs that nobody resumes."""

from helpers_facts import NOW, a_run, later, observed_of

from reconciler.core.suspension import expired, wake_at
from reconciler.model.state import State


def test_a_run_that_nobody_resumed_in_time_fails_and_no_other():
    runs = [
        a_run(n, state=State.SUSPENDED, until=until, attempt=1) for n, until in enumerate((None, later(9), later(3)))
    ]
    observed = observed_of(runs=[*runs, a_run(7, state=State.PAUSED, until=later(1))])
    assert wake_at(observed) == later(3)
    assert expired(observed, later(2)) == []
    (fact,) = expired(observed, later(3))
    assert (fact.run, fact.state) == (runs[2].id, "Failed")
    assert fact.reason == "not resumed within 3 s, by 2026-11-22T09:00:03.000000Z"
    assert wake_at(observed_of()) is None
    assert expired(observed_of(runs=[runs[0]]), NOW) == []
