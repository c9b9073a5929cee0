"""Two deaths in a row isolate one thing, durably: a file by its bytes, or a run; one death only warns."""

import logging

import pytest
from helpers_facts import NOW, a_declared, a_ledger, a_spec, apply, desired_of, history, tell

from reconciler.daemon.crumbs import Busy, Crumbs
from reconciler.daemon.poison import NO_POISON, WHY, WHY_RUN, IsolatedError, Poison, isolate
from reconciler.model.events import RunCreated, RunMoved
from reconciler.model.state import State


@pytest.fixture
def ledger():
    made = a_ledger()
    spec = a_spec()
    apply(made, desired_of((spec, a_declared(spec))))
    given = {"due": NOW.isoformat(), "trigger": "manual", "cause": "k", "spec": "d", "version": "v", "generation": 1}
    for run in ("run-1", "run-2"):
        tell(made, RunCreated(run=run, deployment="etl/nightly", name=run, **given))
        tell(made, RunMoved(run=run, state=State.PENDING, attempt=1, reason="a slot is free"))
    return made


def after(path, deaths: int, *at_hand) -> Crumbs:
    """The notes of a daemon that starts after so many deaths in a row."""
    for _ in range(deaths):
        crumbs = Crumbs(path)
        for each in at_hand:
            crumbs.enter(*each)
    return Crumbs(path)


def test_one_death_warns_and_two_isolate_the_bytes_of_a_file(tmp_path, ledger, caplog):
    caplog.set_level(logging.WARNING, logger="reconciler")
    reading = (Busy.READING, "specs/a.yaml", "b10b")
    assert isolate(ledger, after(tmp_path / "c", 1, reading), NOW) == []
    assert ledger.observed.isolated == {}
    assert "specs/a.yaml" in caplog.text
    crumbs = after(tmp_path / "c", 1, reading)
    assert isolate(ledger, crumbs, NOW) == []
    assert ledger.observed.isolated["specs/a.yaml"]["blob"] == "b10b"
    assert history(ledger.store)[-1].type == "SpecIsolated"
    assert isolate(ledger, Crumbs(tmp_path / "c"), NOW) == []
    assert [e.type for e in history(ledger.store)].count("SpecIsolated") == 1


@pytest.mark.parametrize("busy", [Busy.LOOKING, Busy.HANDLING])
def test_a_run_is_crashed_and_a_run_that_is_over_is_left_alone(tmp_path, ledger, busy):
    (given_up,) = isolate(ledger, after(tmp_path / "c", 2, (busy, "run-1")), NOW)
    assert (given_up.id, given_up.state, given_up.reason) == ("run-1", State.CRASHED, WHY_RUN)
    assert ledger.observed.runs.keys() == {"run-2"}
    before = ledger.store.head()
    for gone in ("run-1", "run-0"):
        assert isolate(ledger, after(tmp_path / "c", 2, (busy, gone)), NOW) == []
    assert ledger.store.head() == before


def test_of_several_things_at_hand_the_file_goes_first_and_alone(tmp_path, ledger):
    at_hand = ((Busy.READING, "specs/a.yaml", "b10b"), (Busy.LOOKING, "run-1"), (Busy.HANDLING, "run-2"))
    crumbs = after(tmp_path / "c", 2, *at_hand)
    assert isolate(ledger, crumbs, NOW) == []
    assert ledger.observed.runs.keys() == {"run-1", "run-2"}
    assert crumbs.suspects == ()


def test_isolated_bytes_are_refused_by_name_and_others_read(tmp_path):
    crumbs = Crumbs(tmp_path / "c")
    poison = Poison(crumbs, {"f.py": {"blob": "b10b", "reason": WHY, "at": ""}})
    with poison.watched():
        poison.spec("specs/a.yaml", "1")
        with pytest.raises(IsolatedError, match=r"f\.py: the daemon died twice"):
            poison.code("f.py", "b10b")
        poison.code("f.py", "other")
        poison.code("not/there.py", "")
        assert [(s.name, s.blob) for s in Crumbs(tmp_path / "c").suspects] == [("f.py", "other")]
        poison.code_read()
        assert [(s.name, s.blob) for s in Crumbs(tmp_path / "c").suspects] == [("specs/a.yaml", "1")]
    NO_POISON.spec("specs/a.yaml", "b10b")
