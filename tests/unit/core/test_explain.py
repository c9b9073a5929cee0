"""Why a slot ran or did not, from the deployment's own facts."""

from datetime import timedelta

import pytest

from reconciler.core import explain
from reconciler.model.events import (
    DeploymentCreated,
    DeploymentPruned,
    DeploymentQuarantined,
    DeploymentReleased,
    DeploymentResumed,
    DeploymentSuspended,
    DeploymentUpdated,
    SlotsMissed,
    SlotsSkipped,
)
from reconciler.model.fact import Event, Fact
from reconciler.model.ids import instant
from tests.helpers_facts import NOW, a_rule

HOURLY = a_rule(interval=3600, slug="hourly")
NAME = "etl/nightly"


def hours(count: float):
    return NOW + timedelta(hours=count)


def created(**fields) -> DeploymentCreated:
    given = {"file": "specs/nightly.yaml", "spec": "d" * 64, "source": {"kind": "whole"}, "schedules": (HOURLY,)}
    return DeploymentCreated(deployment=NAME, **{**given, **fields})


def log(*facts: tuple[float, Fact]) -> list[Event]:
    """Facts with the hours after NOW at which they happened."""
    return [Event(i, f.type, f.subject, hours(at), "r1", f.data()) for i, (at, f) in enumerate(facts, 1)]


def stretch(kind, first: float, last: float, reason: str = "why", schedule: str = "hourly"):
    return kind(
        deployment=NAME, schedule=schedule, first=instant(hours(first)), last=instant(hours(last)), count=2,
        reason=reason,
    )  # fmt: skip


def a_run(**fields) -> dict:
    row = {"id": "abc", "name": "quiet-otter", "state": "Completed", "schedule": "hourly", "trigger": "schedule"}
    return {**row, **fields}


HELD = DeploymentQuarantined(
    deployment=NAME, version="1a2b", held={"spec": "e" * 64, "source": {"kind": "whole"}}, reason="bad", who="ada"
)
RELEASED = DeploymentReleased(deployment=NAME, reason="mended", who="ada")
UPDATED = DeploymentUpdated(
    deployment=NAME, file="specs/nightly.yaml", spec="f" * 64, source={"kind": "whole"}, schedules=(HOURLY,)
)
SUSPENDED = DeploymentSuspended(deployment=NAME, reason="quiet", who="ada")


@pytest.mark.parametrize(
    ("facts", "at", "verdict", "said"),
    [
        pytest.param([(0.5, created())], 0, "none", "no deployment of this name yet", id="before it was there"),
        pytest.param([(-2, created())], 0.5, "none", "next slot after it is", id="at a moment that no schedule names"),
        pytest.param([(-2, created())], 9, "ahead", "to go", id="still to come"),
        pytest.param([(-2, created())], 1, "open", "no daemon has looked", id="nobody looked since"),
        pytest.param(
            [(-2, created()), (-1, HELD), (0, UPDATED)], 1, "none", "no schedule names that moment",
            id="held at a version without the schedule",
        ),
        pytest.param(
            [(-2, created()), (-1, HELD), (0, RELEASED)], 1, "open", "no daemon has looked", id="released again"
        ),
        pytest.param(
            [(-2, created(schedules=())), (-1, HELD), (0, UPDATED), (0.5, RELEASED)], 1, "open", "no daemon",
            id="released to what git said meanwhile",
        ),
        pytest.param([(-2, created(paused=True))], 1, "skipped", "paused in git", id="paused, and not told yet"),
        pytest.param([(-2, created()), (-1, SUSPENDED)], 1, "skipped", "suspended by ada: quiet", id="suspended now"),
        pytest.param(
            [(-2, created(schedules=({**HOURLY, "active": False},)))], 1, "none", "inactive", id="inactive schedule"
        ),
        pytest.param(
            [(-2, created()), (-1, DeploymentPruned(deployment=NAME, reason="no longer declared"))],
            1,
            "none",
            "pruned: no longer declared",
            id="pruned before",
        ),
        pytest.param(
            [(-2, created()), (3, stretch(SlotsMissed, 1, 2, "nobody looked"))],
            1,
            "missed",
            "nobody looked",
            id="missed",
        ),
        pytest.param(
            [
                (-2, created()),
                (-1, SUSPENDED),
                (3, stretch(SlotsSkipped, 0, 2, "suspended by ada")),
                (3, DeploymentResumed(deployment=NAME, reason="", who="ada")),
            ],
            1,
            "skipped",
            "suspended by ada",
            id="skipped while suspended",
        ),
        pytest.param(
            [(-2, created()), (3, stretch(SlotsMissed, 1, 2, schedule="other"))],
            1,
            "missed",
            "(schedule other)\nno daemon has looked",
            id="a stretch of another schedule is not all of its fate",
        ),
        pytest.param(
            [(-2, created()), (2, DeploymentUpdated(deployment=NAME, **{**created().data(), "schedules": ()}))],
            1,
            "open",
            "no daemon",
            id="a schedule removed later still named it",
        ),
    ],
)  # fmt: skip
def test_a_slot_without_a_run(facts, at, verdict, said):
    answer = explain.slot(log(*facts), [], hours(at), hours(8))
    assert (answer.verdict, said in answer.said) == (verdict, True), answer


def test_a_slot_that_ran_names_its_run_and_why():
    row = a_run(state="Failed", reason="it raised", made_for="caught up")
    answer = explain.slot(log((-2, created())), [row], hours(1), hours(8))
    assert answer.verdict == "run"
    assert answer.said == "run abc (quiet-otter) was made for it: Failed (caught up; it raised)"


def test_each_schedule_that_names_the_moment_has_its_own_fate():
    rules = (HOURLY, a_rule(interval=3600, slug="twin"))
    row = a_run()
    facts = log((-2, created(schedules=rules)), (3, stretch(SlotsMissed, 1, 2, "nobody looked", schedule="twin")))
    answer = explain.slot(facts, [row], hours(1), hours(8))
    assert answer.verdict == "run"
    assert answer.said.splitlines() == [
        "run abc (quiet-otter) was made for it: Completed",
        "missed: nobody looked (schedule twin)",
    ]


def test_a_slot_that_was_missed_and_then_backfilled_tells_both():
    facts = log((-2, created()), (3, stretch(SlotsMissed, 1, 2, "nobody looked")))
    answer = explain.slot(facts, [a_run(trigger="backfill")], hours(1), hours(8))
    assert answer.verdict == "run"
    assert "missed: nobody looked" in answer.said


def test_the_facts_behind_an_answer_come_in_the_order_of_the_log():
    facts = log((-2, created()), (-1, SUSPENDED), (3, stretch(SlotsSkipped, 0, 2)))
    because = explain.slot(facts, [], hours(1), hours(8)).because
    assert [b.seq for b in because] == [1, 2, 3]
    assert because[0].json()["said"] == "created: declared in specs/nightly.yaml"
