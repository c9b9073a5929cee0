"""Stretches of slots that do not run, each with the reason that held at its time."""

import pytest
from helpers_facts import NOW, a_deployment, a_ledger, a_rule, a_scheduled, a_spec, apply, desired_of, later, tell

from reconciler.core import commands
from reconciler.core.due import due
from reconciler.core.rest import resting, skipped
from reconciler.model.state import Hold

MINUTE = {"interval": 60, "anchor_date": "2026-11-22T09:00:00Z"}
HOLD = Hold("moving", "ada", NOW)
OTHER = a_spec("etl/other")


def test_what_passed_is_one_stretch_a_schedule_with_its_own_reason():
    two = (a_scheduled(**MINUTE), a_scheduled(**MINUTE, slug="off", active=False))
    told = {
        "active": [("off", 10, "the schedule was inactive")],
        "paused": [(two[0].id, 10, "paused in git"), ("off", 10, "paused in git")],
    }
    for state, expected in told.items():
        facts = skipped(a_deployment(schedules=two, paused=state == "paused"), later(600))
        assert [(f.schedule, f.count, f.reason) for f in facts] == expected
    assert skipped(a_deployment(schedules=two, paused=True), later(59)) == []


@pytest.mark.parametrize(
    ("fields", "active", "why"),
    [
        ({}, True, ""),
        ({}, False, "the schedule was inactive"),
        ({"paused": True}, False, "paused in git"),
        ({"paused": True, "suspended": HOLD}, False, "suspended by ada: moving"),
    ],
    ids=["it runs", "inactive", "paused", "suspended and paused"],
)
def test_why_a_schedule_rests(fields, active, why):
    assert resting(a_deployment(**fields), a_scheduled(**MINUTE, active=active)) == why


class Story:
    """Acts on one deployment, ten minutes apart; a stretch is (type, reason, count)."""

    def __init__(self) -> None:
        self.ledger, self.seconds, self.revision = a_ledger(), 0, 0

    def git(self, paused=False, **rule) -> None:
        self.revision += 1
        there = [] if rule.get("gone") else [a_spec("etl/a", paused=paused, schedules=[a_rule(**MINUTE | rule)])]
        apply(self.ledger, desired_of(*there, OTHER, revision=f"r{self.revision}"), now=later(self.seconds))

    def ask(self, verb, *words) -> None:
        decide = getattr(commands, verb)
        now = later(self.seconds)
        tell(self.ledger, *decide(self.ledger.observed, "etl/a", now, "ada", *words), now=now)

    def stretches(self):
        events = self.ledger.store.events(types=("SlotsSkipped", "SlotsMissed"))
        return [(e.type[5:].lower(), e.data["reason"].partition(":")[0], e.data["count"]) for e in events]


SUSPENDED, PAUSED, INACTIVE = "suspended by ada", "paused in git", "the schedule was inactive"
STORIES = {
    "pruned while paused": (
        [("git", True), ("git", False, {"gone": True})], [("skipped", PAUSED, 10)],
    ),
    "pruned while suspended": (
        [("git",), ("suspend",), ("git", False, {"gone": True})], [("skipped", SUSPENDED, 10)],
    ),
    "suspended while paused, then unpaused": (
        [("git", True), ("suspend",), ("git",), ("resume",)],
        [("skipped", PAUSED, 10), ("skipped", SUSPENDED, 10), ("skipped", SUSPENDED, 10)],
    ),
    "resumed while paused": (
        [("git",), ("suspend",), ("git", True), ("resume",), ("git",)],
        [("skipped", SUSPENDED, 10), ("skipped", SUSPENDED, 10), ("skipped", PAUSED, 10)],
    ),
    "inactive, then active": (
        [("git",), ("git", False, {"active": False}), ("git",)], [("skipped", INACTIVE, 10)],
    ),
    "inactive, then suspended": (
        [("git", False, {"active": False}), ("suspend",), ("resume",), ("git",)],
        [("skipped", INACTIVE, 10), ("skipped", SUSPENDED, 10), ("skipped", INACTIVE, 10)],
    ),
    "changed while paused": (
        [("git", True), ("git", True, {"interval": 30}), ("git", False, {"interval": 30})],
        [("skipped", PAUSED, 10), ("skipped", PAUSED, 20)],
    ),
    "removed while suspended": (
        [("git",), ("suspend",), ("git", False, {"cron": "0 0 1 1 *", "interval": None})], [("skipped", SUSPENDED, 10)],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("acts", "stretches"), STORIES.values(), ids=STORIES)
def test_every_slot_of_a_rest_is_told_once_with_the_reason_of_its_time(acts, stretches):
    story = Story()
    for name, *words in acts:
        now = later(story.seconds)
        tell(story.ledger, *due(story.ledger.observed, now, lambda *_: "").facts, now=now)
        if name == "git":
            story.git(*words[:1], **(words[1] if words[1:] else {}))
        else:
            story.ask(name, "a break")
        story.seconds += 600
    assert [each for each in story.stretches() if each[0] == "skipped"] == stretches
