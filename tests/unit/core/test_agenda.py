"""When to look at which deployment."""

from helpers_facts import a_deployment, a_scheduled, later, observed_of

from reconciler.core.agenda import Agenda, known, look_ahead, remember
from reconciler.core.due import due


def test_what_changed_is_looked_at_once_and_then_when_it_is_due():
    agenda = Agenda(["a", "b"])
    assert (agenda.ripe(later(0)), agenda.wake_at(later(0))) == (["a", "b"], later(0))
    agenda.learn({"a": later(60), "b": None})
    assert (agenda.ripe(later(59)), agenda.wake_at(later(59))) == ([], later(60))
    agenda.touch(["b"])
    assert agenda.ripe(later(59)) == ["b"]
    agenda.learn({"b": later(30)})
    assert agenda.ripe(later(60)) == ["a", "b"]
    agenda.learn({"a": None, "b": None})
    assert (agenda.ripe(later(9e9)), agenda.wake_at(later(9e9))) == ([], None)


def test_a_look_that_was_put_off_or_brought_forward_happens_once():
    agenda = Agenda([])
    agenda.learn({"a": later(60)})
    agenda.learn({"a": later(90)})
    assert agenda.ripe(later(60)) == []
    agenda.learn({"a": later(70)})
    assert agenda.ripe(later(70)) == ["a"]
    agenda.learn({"a": later(90)})
    assert (agenda.ripe(later(89)), agenda.ripe(later(90))) == ([], ["a"])


def test_looking_again_and_again_costs_no_memory():
    agenda = Agenda([])
    for _ in range(1000):
        agenda.touch(["a"])
        agenda.learn({"a": later(10**6)})
    assert len(agenda._heap) == 1
    agenda.learn({"a": None})
    assert agenda.ripe(later(10**6)) == []


def test_a_clock_set_back_has_everything_looked_at_again():
    agenda = Agenda(["a"])
    agenda.ripe(later(0))
    agenda.learn({"a": later(60)})
    assert agenda.ripe(later(10)) == []
    assert agenda.ripe(later(9)) == ["a"]
    agenda.learn({"a": later(60)})
    assert agenda.ripe(later(9)) == []


def test_known_slots_are_taken_up_where_nothing_changed():
    def one(**fields):
        return observed_of(a_deployment(schedules=(a_scheduled(interval=60),), **fields))

    first = one()
    due(first, later(0), lambda *_: "")
    kept = known(first)
    for fields, expected in (({}, later(60)), ({"digest": "e" * 64}, None)):
        again = one(**fields)
        remember(again, kept)
        assert again.deployments["etl/nightly"].schedules[0].next_due == expected
    assert known(one()) == {}


def test_what_rests_is_not_looked_ahead():
    paused = observed_of(a_deployment(schedules=(a_scheduled(interval=60),), paused=True))
    assert list(look_ahead(paused)) == []
    assert paused.deployments["etl/nightly"].schedules[0].following is None
