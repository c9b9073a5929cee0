"""A call in a script as facts: a run without a deployment that holds no slot and is never disturbed."""

from dataclasses import replace

import pytest
from helpers_facts import NOW, a_deployment, a_run, later, observed_of

from reconciler.core import commands, project, rows
from reconciler.core.admit import Host, Taker, admit
from reconciler.core.report import Report, moves
from reconciler.core.script import Call, called
from reconciler.model.errors import ConflictError
from reconciler.model.fact import Event
from reconciler.model.state import Observed, State

TYPES = frozenset({"process"})
HOST = Host(1, TYPES)
CALL = Call("etl", "key", "s" * 64, "p" * 64, {"pid": 7, "started": 1, "boot": "b"}, ("x",))


def folded():
    ident, facts = called(CALL, NOW, "ada")
    observed, _ = project.replay(Event(n, f.type, f.subject, NOW, None, f.data()) for n, f in enumerate(facts, 1))
    return observed, observed.runs[ident]


def test_a_call_is_a_run_of_its_own_about_to_begin():
    _, run = folded()
    assert (run.deployment, run.state, run.attempt, run.trigger, run.version) == (
        "",
        State.PENDING,
        1,
        "script",
        "none",
    )
    assert (run.reason, run.detail["flow_name"], run.source_commit) == ("called by pid 7", "etl", None)
    assert rows.run_of(rows.run_row(run)) == run


def test_an_end_that_is_no_exit_of_the_process_is_believed():
    _, run = folded()
    for final, state in (("completed", State.COMPLETED), ("failed", State.FAILED)):
        (fact,) = moves(run, Report(run.id, 1, (), {"fact": final, "message": "m"}, {}), NOW, {})
        assert fact.state == state
        assert "exit" not in fact.detail


def test_it_takes_no_slot_of_others():
    observed, run = folded()
    observed.place(a_run())
    (fact,) = admit(observed, later(1), HOST)
    assert fact.state is State.PENDING
    assert run.id in observed.runs
    assert run.id not in observed.active


def test_cancelling_it_is_refused_with_where_it_runs():
    _, run = folded()
    with pytest.raises(ConflictError, match="pid 7"):
        commands.cancel(run, run.id, "ada", "")


def test_it_is_not_tried_again_from_here():
    _, run = folded()
    over = replace(run, state=State.FAILED)
    with pytest.raises(ConflictError, match="call it there again"):
        commands.retry(Observed(), commands.Again(over, "key", latest=False), NOW, "ada")


@pytest.mark.parametrize(
    ("taker", "state", "reason"),
    [
        (None, State.PENDING, "a slot is free"),
        (Taker(9, None, frozenset({"etl/nightly"})), State.PENDING, "served by pid 9"),
        (Taker(9, 2, frozenset({"etl/nightly"})), State.PENDING, "served by pid 9"),
        (Taker(9, 1, frozenset({"etl/nightly"})), State.AWAITING_CONCURRENCY_SLOT,
         "the serving process (pid 9) is full (1 of 1)"),
        (Taker(9, None, frozenset({"etl/nightly"}), away=True), State.AWAITING_CONCURRENCY_SLOT,
         "its serving process (pid 9) is expected back"),
    ],
    ids=["nobody serves", "no limit", "below its limit", "at its limit", "expected back"],
)  # fmt: skip
def test_who_serves_a_deployment_takes_its_runs_up_to_a_limit(taker, state: State, reason: str):
    name = "etl/nightly"
    observed = observed_of(a_deployment(name), runs=[a_run(1, state=State.RUNNING), a_run(2)])
    (fact,) = admit(observed, later(1), Host(10, TYPES), {name: taker} if taker else {})
    assert (fact.state, fact.reason) == (state, reason)
    assert fact.detail == ({"served": 9} if taker and state is State.PENDING else {})
