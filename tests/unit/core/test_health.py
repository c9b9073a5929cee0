"""The three axes, each with its reason."""

import pytest
from helpers_facts import NOW, a_deployment, observed_of

from reconciler.core.health import status
from reconciler.model.plan import Source, SourceKind
from reconciler.model.state import Hold, Quarantine

HOLD = Hold("maintenance", "ada", NOW)
HELD = Quarantine("1a2b", "bad", "ada", NOW, a_deployment(digest="e" * 64))
BROKEN = Quarantine("1a2b", "bad", "ada", NOW, a_deployment(invalid=True))
PROBLEM = {"file": "specs/nightly.yaml", "line": 3, "column": 5, "key": "k", "message": "is wrong"}

SYNC = {
    "at the head": ({}, "r0", "Synced", ""),
    "a newer head": ({}, "r1", "OutOfSync", "not applied yet"),
    "a refused head": ({"refused": {"revision": "r1", "reason": "too much"}}, "r1", "OutOfSync", "too much"),
    "refused, but gone from the head": ({"refused": {"revision": "r1", "reason": "x"}}, "r0", "Synced", ""),
    "no head": ({}, None, "Unknown", "cannot be read"),
    "stale": ({"stale": {"reason": "disk away", "since": "9:00"}}, "r0", "Unknown", "disk away (since 9:00)"),
}


@pytest.mark.parametrize(("state", "head", "sync", "reason"), SYNC.values(), ids=SYNC)
def test_sync(state, head, sync, reason):
    found = status(a_deployment(), observed_of(**state), head)
    assert (found.sync, found.health) == (sync, "Healthy")
    assert reason in found.reason


HEALTH = {
    "fine": ({}, "Healthy", ""),
    "a bad last run": ({"last_run": "f00", "last_state": "TimedOut"}, "Degraded", "f00 TimedOut"),
    "a good last run": ({"last_run": "f00", "last_state": "Completed"}, "Healthy", ""),
    "cancelled is not bad": ({"last_run": "f00", "last_state": "Cancelled"}, "Healthy", ""),
    "paused beats degraded": ({"paused": True, "last_state": "Failed"}, "Paused", "specs/nightly.yaml"),
    "suspended beats paused": ({"suspended": HOLD, "paused": True}, "Suspended", "maintenance (ada)"),
    "quarantined beats all": (
        {"quarantine": HELD, "suspended": HOLD},
        "Quarantined",
        "held at 1a2b: bad (ada); git has",
    ),
    "quarantined and paused": ({"quarantine": HELD, "paused": True}, "Quarantined", "paused in specs/nightly.yaml too"),
    "quarantined and failed": ({"quarantine": HELD, "last_state": "Failed"}, "Quarantined", "the last run"),
    "quarantined and broken in git": ({"quarantine": BROKEN}, "Quarantined", "broken in git: specs/nightly.yaml:3:5"),
    "invalid beats all": ({"invalid": True, "suspended": HOLD}, "Invalid", "specs/nightly.yaml:3:5: is wrong"),
}


@pytest.mark.parametrize(("fields", "health", "reason"), HEALTH.values(), ids=HEALTH)
def test_health(fields, health, reason):
    found = status(a_deployment(**fields), observed_of(problems=[PROBLEM]), "r0")
    assert found.health == health
    assert reason in found.reason
    assert found.sync == ("OutOfSync" if health in {"Invalid", "Quarantined"} else "Synced")


def test_what_is_held_and_what_git_says_may_be_the_same():
    held = a_deployment(source=Source(SourceKind.WHOLE, "w" * 40))
    held.quarantine = Quarantine("wwwwwwww", "just in case", "ada", NOW, a_deployment())
    found = status(held, observed_of(), "r0")
    assert (found.sync, found.reason) == ("Synced", "held at wwwwwwww: just in case (ada)")


def test_invalid_by_its_code_says_so_without_a_problem_in_its_file():
    assert "last good version" in status(a_deployment(invalid=True), observed_of(), "r0").reason
