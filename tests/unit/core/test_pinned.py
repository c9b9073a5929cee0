"""What a change of a deployment does to its runs that exist."""

import pytest
from helpers_facts import (
    NOW,
    a_declared,
    a_deployment,
    a_rule,
    a_run,
    a_scheduled,
    a_spec,
    desired_of,
    later,
    observed_of,
)

from reconciler.core import pinned, plan
from reconciler.core.plan import Policy
from reconciler.model.state import QUEUED, Hold, State

SPEC = a_spec()


def before(deployment, *specs, runs=(), now=NOW):
    observed = observed_of(deployment, a_deployment("other/one"), runs=runs)
    other = a_spec("other/one")
    desired = desired_of(*specs, other)
    return pinned.before(plan.plan(desired, observed, Policy()), desired, observed, now)


def runs():
    return [
        *(a_run(n, state=state, attempt=0) for n, state in enumerate(sorted(QUEUED), 1)),
        a_run(10, state=State.SCHEDULED, trigger="manual"),
        a_run(11, state=State.RUNNING, attempt=1),
        a_run(12, state=State.PENDING, attempt=1),
        a_run(13, deployment="other/one"),
    ]


@pytest.mark.parametrize(
    ("specs", "manual", "reason"),
    [((), 1, "the deployment was pruned"), ((a_spec(paused=True),), 0, "the deployment was paused in git")],
    ids=["pruned", "paused"],
)
def test_queued_runs_are_cancelled_and_running_ones_go_on(specs, manual, reason):
    found = before(a_deployment(), *specs, runs=runs())
    assert {str(f.state) for f in found} == {"Cancelled"}
    assert {f.reason for f in found} == {reason}
    assert len(found) == len(QUEUED) + manual


def test_a_change_of_spec_cancels_nothing():
    assert before(a_deployment(), a_spec(tags=["new"]), runs=runs()) == []


MINUTE = {"interval": 60}
STILL = {
    "suspended": ({"suspended": Hold("moving", "ada", NOW)}, {}, "suspended by ada: moving"),
    "paused": ({"paused": True}, {}, "paused in git"),
    "inactive": ({}, {"active": False}, "the schedule was inactive"),
}


@pytest.mark.parametrize(("fields", "rule", "reason"), STILL.values(), ids=STILL)
@pytest.mark.parametrize("specs", [(), (a_spec(tags=["new"]),)], ids=["pruned", "updated"])
def test_what_passed_while_standing_still_is_told_first(fields, rule, reason, specs):
    deployment = a_deployment(schedules=(a_scheduled(**MINUTE, **rule),), **fields)
    (told,) = before(deployment, *specs, now=later(600))
    assert (told.type, told.count, told.reason) == ("SlotsSkipped", 10, reason)


def test_an_active_schedule_has_nothing_to_tell():
    goes_on = a_spec(tags=["new"], schedules=[a_rule(**MINUTE)])
    assert before(a_deployment(schedules=(a_scheduled(**MINUTE),)), goes_on, now=later(600)) == []


ENDS = {
    "pruned": ((), "the deployment was pruned"),
    "paused": ((a_spec(paused=True, schedules=[a_rule(**MINUTE)]),), "the deployment was paused in git"),
    "removed": ((a_spec(),), "the schedule was changed or removed"),
    "inactive": ((a_spec(schedules=[a_rule(**MINUTE, active=False)]),), "the schedule was changed or removed"),
}


@pytest.mark.parametrize(("specs", "why"), ENDS.values(), ids=ENDS)
def test_slots_that_wait_to_be_caught_up_are_told_when_the_schedule_ends(specs, why):
    (told,) = before(a_deployment(schedules=(a_scheduled(**MINUTE, catchup="all"),)), *specs, now=later(600))
    assert (told.type, told.count, told.reason) == ("SlotsMissed", 10, f"{why} before they were caught up")


def test_a_new_name_goes_on_where_the_old_one_was():
    renamed = a_spec(schedules=[a_rule(**MINUTE, slug="new", replaces="old")])
    known = a_deployment(schedules=(a_scheduled(**MINUTE, slug="old"),))
    assert before(known, renamed, now=later(600)) == []


def test_an_unchanged_deployment_is_left_alone():
    declared = a_declared(SPEC)
    known = a_deployment(digest=declared.digest, file=declared.file, paused=True, schedules=(a_scheduled(**MINUTE),))
    assert before(known, (SPEC, declared), now=later(600)) == []


def test_cancelled_names_the_attempt():
    (fact,) = pinned.cancelled(
        observed_of(runs=[a_run(state=State.AWAITING_RETRY, attempt=2)]), "etl/nightly", "why", manual=False
    )
    assert (fact.attempt, fact.reason) == (2, "why")
