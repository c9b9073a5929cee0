"""Previews on the loop: what is asked to be read, when it is decided, what is kept of what was read."""

import json
import logging
from dataclasses import replace

import pytest
from helpers_facts import NOW, a_spec, apply, desired_of, later, tell, texts_of

from reconciler.core.preview import Head, Policy
from reconciler.daemon.ledger import Ledger
from reconciler.daemon.payloads import Payloads
from reconciler.daemon.previews import KIND, UNREAD, Previews
from reconciler.daemon.reading import Branches, Previewed
from reconciler.model.events import BranchTracked
from reconciler.stores.memory import MemoryStore

POLICY = Policy(("**",), ttl=100, most=2)


class Turns:
    """Turns of a loop that has nothing else to do."""

    def __init__(self, policy=POLICY):
        self.ledger = Ledger(MemoryStore())
        self.payloads = Payloads(self.ledger.store)
        self.asked = []
        self.previews = Previews(policy, self.asked.append)
        tell(self.ledger, BranchTracked(branch="main"))
        apply(self.ledger, desired_of(a_spec(), revision="m1"))

    def turn(self, *messages, now=NOW):
        for message in messages:
            self.previews.take(message)
        stage = lambda facts: self.ledger.stage(facts, now, self.payloads.new())  # noqa: E731 - a thing to hand over
        self.previews.decide(self.ledger.observed, now, stage, self.payloads)
        events = self.ledger.flush()
        self.payloads.stored()
        self.previews.stored(self.ledger.store, self.ledger.observed)
        return [event.type for event in events]


def heads(**commits):
    return Branches({branch: Head(commit, NOW) for branch, commit in commits.items()})


def read(branch, commit, *names):
    desired = desired_of(*map(a_spec, names), revision=commit)
    return Previewed(branch, commit, desired, texts_of(desired))


CREATED = ["DeploymentCreated", "PreviewApplied"]
ENDED = ["DeploymentPruned", "PreviewPruned"]


def test_a_branch_is_asked_for_once_at_each_commit_and_deployed_when_it_was_read():
    turns = Turns()
    assert not turns.previews.settled
    assert (turns.turn(heads(x="1")), turns.turn(heads(x="1"))) == ([], [])
    assert turns.asked == [{"x": "1"}]
    assert not turns.previews.settled
    assert turns.turn(read("x", "1", "etl/a")) == CREATED
    assert turns.previews.settled
    assert turns.turn(heads(x="2")) == []
    assert turns.asked[1:] == [{"x": "2"}]
    assert turns.turn(read("x", "1", "etl/a", "etl/b")) == []
    assert turns.turn(read("x", "2", "etl/a")) == ["PreviewApplied"]
    assert turns.turn(heads()) == ENDED


def test_its_time_wakes_the_loop_and_nothing_else_does():
    turns = Turns()
    turns.turn(heads(x="1"), read("x", "1"))
    turns.turn(read("x", "1", "etl/a"))
    assert turns.previews.wake_at() == later(100)
    assert turns.turn(now=later(99)) == []
    assert turns.turn(now=later(100)) == ENDED
    assert turns.previews.wake_at() is None


def test_what_cannot_be_read_is_told_and_asked_for_at_the_next_look(caplog):
    turns = Turns()
    turns.turn(heads(x="1"))
    with caplog.at_level(logging.WARNING):
        assert turns.turn(Previewed("x", "1", None, {}, "no such object")) == []
    assert "branch x cannot be previewed: no such object" in caplog.text
    assert turns.previews.settled
    assert json.loads(turns.ledger.store.cache_get(KIND, UNREAD)) == {"x": "no such object"}
    turns.turn()
    assert len(turns.asked) == 1
    turns.turn(heads(x="1"))
    assert turns.asked == [{"x": "1"}] * 2
    turns.turn(read("x", "1", "etl/a"))
    assert json.loads(turns.ledger.store.cache_get(KIND, UNREAD)) == {}


def test_nothing_is_known_of_branches_that_git_did_not_name():
    turns = Turns()
    turns.turn(heads(x="1"))
    turns.turn(read("x", "1", "etl/a"))
    assert turns.turn(Branches(None)) == []
    assert turns.ledger.observed.previews.keys() == {"x"}


def test_those_that_are_too_many_are_told_once_and_kept_for_status(caplog):
    turns = Turns()
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            turns.turn(heads(a="1", b="1", c="1", d="1"))
    assert turns.asked == [{"a": "1", "b": "1"}]
    assert [r.getMessage() for r in caplog.records] == ["2 more branches match, and are not previewed: c, d"]
    assert json.loads(turns.ledger.store.cache_get(KIND, "")) == ["c", "d"]
    turns.turn(heads(a="1", c="1"))
    assert json.loads(turns.ledger.store.cache_get(KIND, "")) == []


@pytest.mark.parametrize("revision", ["m2", "m3"])
def test_a_preview_gives_way_to_the_tracked_branch_and_comes_back_without_being_read_again(revision):
    turns = Turns()
    turns.turn(heads(x="1"))
    turns.turn(read("x", "1", "etl/a"))
    apply(turns.ledger, desired_of(a_spec(), a_spec("etl/a--x"), revision=revision))
    turns.previews.stir()
    assert turns.turn() == ["PreviewApplied"]
    apply(turns.ledger, desired_of(a_spec(), revision="m9"))
    turns.previews.stir()
    assert turns.turn() == CREATED
    assert turns.turn() == []
    assert len(turns.asked) == 1


def test_a_branch_that_cannot_be_planned_leaves_the_others_alone(caplog):
    turns = Turns()
    turns.turn(heads(x="1", y="1"))
    bad = read("x", "1", "etl/a")
    bad = replace(bad, desired=replace(bad.desired, deployments={"etl/a": None}))
    with caplog.at_level(logging.ERROR):
        assert turns.turn(bad, read("y", "1", "etl/a")) == CREATED
    assert "branch x at 1 cannot be planned" in caplog.text


def test_a_spec_that_retention_let_go_of_is_read_again():
    turns = Turns()
    turns.turn(heads(x="1"))
    one = read("x", "1", "etl/a")
    assert turns.turn(replace(one, texts={}, desired=replace(one.desired, specs={}))) == []
    assert turns.asked == [{"x": "1"}] * 2
    assert turns.turn(one) == CREATED


def test_a_turn_that_came_to_nothing_is_decided_again():
    turns = Turns()
    turns.turn(heads(x="1"))
    turns.previews.take(read("x", "1", "etl/a"))
    turns.previews.decide(turns.ledger.observed, NOW, lambda facts: turns.ledger.stage(facts, NOW), turns.payloads)
    turns.ledger.drop()
    turns.payloads.forget()
    turns.previews.undone()
    assert turns.turn() == CREATED
    assert turns.turn() == []


def test_without_patterns_what_was_previewed_is_pruned_at_once():
    before = Turns()
    before.turn(heads(x="1"))
    before.turn(read("x", "1", "etl/a"))
    before.previews = Previews()
    assert before.previews.looked
    assert before.turn() == ENDED
    assert before.previews.settled
