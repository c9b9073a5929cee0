"""What a person asks for: facts, or one clear refusal."""

import pytest
from helpers_facts import NOW, a_deployment, a_run, a_scheduled, later, observed_of

from reconciler.core import commands
from reconciler.core.commands import RunRequest
from reconciler.model.errors import ConflictError, InvalidRequestError, NotFoundError
from reconciler.model.ids import run_id
from reconciler.model.plan import Source, SourceKind
from reconciler.model.state import ACTIVE, FINAL, QUEUED, Hold, State

HELD = a_deployment(suspended=Hold("moving", "ada", NOW), schedules=(a_scheduled(interval=60),))
ASKED = RunRequest("etl/nightly", "p" * 64, "key", NOW, None, ("own", "shared"))


def test_a_run_is_pinned_to_this_moment():
    ident, (fact,) = commands.run(observed_of(a_deployment(tags=("shared",), generation=3)), ASKED, "ada")
    assert fact.run == ident
    assert (fact.trigger, fact.cause, fact.who, fact.generation) == ("manual", "key", "ada", 3)
    assert (fact.source_commit, fact.version, fact.tags) == ("w" * 40, "w" * 8, ("shared", "own"))
    assert commands.run(observed_of(a_deployment()), ASKED, "bob")[0] == ident


def test_a_key_that_reads_like_a_schedule_gets_no_slots_run():
    ident, _ = commands.run(observed_of(a_deployment()), ASKED, "ada")
    assert ident != run_id("etl/nightly", "key", NOW)


@pytest.mark.parametrize("state", [{"paused": True}, {"suspended": HELD.suspended}, {"invalid": True}])
def test_a_run_by_hand_is_for_any_deployment_that_git_has(state):
    assert commands.run(observed_of(a_deployment(**state)), ASKED, "ada")[1]


def test_without_a_source_commit_there_is_no_run():
    with pytest.raises(ConflictError, match="unknown"):
        commands.run(observed_of(a_deployment(), whole_commit=None), ASKED, "ada")
    image = a_deployment(source=Source(SourceKind.NONE))
    assert commands.run(observed_of(image, whole_commit=None), ASKED, "ada")[1][0].version == "none"


@pytest.mark.parametrize(
    "ask",
    [
        lambda o: commands.run(o, RunRequest("no/one", "", "k", NOW), "ada"),
        lambda o: commands.suspend(o, "no/one", NOW, "ada", "why"),
        lambda o: commands.resume(o, "no/one", NOW, "ada", "why"),
        lambda _: commands.cancel(None, "f00", "ada", ""),
    ],
    ids=["run", "suspend", "resume", "cancel"],
)
def test_nothing_of_that_name(ask):
    with pytest.raises(NotFoundError, match="there is no"):
        ask(observed_of(a_deployment()))


@pytest.mark.parametrize("state", sorted(set(State) - FINAL - {State.CANCELLING}))
def test_cancel(state: State):
    (fact,) = commands.cancel(a_run(state=state, attempt=2), "f00", "ada", "")
    assert fact.state == (State.CANCELLING if state in ACTIVE else State.CANCELLED)
    assert (fact.attempt, fact.reason, fact.who) == (2, "cancelled by ada", "ada")


def test_cancel_twice_is_nothing_and_of_what_is_over_a_conflict():
    assert commands.cancel(a_run(state=State.CANCELLING), "f00", "ada", "") == []
    for state in FINAL:
        with pytest.raises(ConflictError, match="is over"):
            commands.cancel(a_run(state=state), "f00", "ada", "")


def test_suspend_cancels_scheduled_runs_that_wait():
    runs = [a_run(n, state=s) for n, s in enumerate(sorted(QUEUED))]
    runs += [a_run(8, trigger="manual"), a_run(9, state=State.RUNNING)]
    first, *rest = commands.suspend(observed_of(a_deployment(), runs=runs), "etl/nightly", NOW, "ada", "moving")
    assert (first.type, first.reason, first.who) == ("DeploymentSuspended", "moving", "ada")
    assert {f.run for f in rest} == {r.id for r in runs[: len(QUEUED)]}


@pytest.mark.parametrize("reason", ["", "  "])
def test_a_reason_is_needed(reason):
    with pytest.raises(InvalidRequestError, match="reason"):
        commands.suspend(observed_of(a_deployment()), "etl/nightly", NOW, "ada", reason)
    with pytest.raises(InvalidRequestError, match="reason"):
        commands.confirm(observed_of(refused={"revision": "r1"}), "r1", "ada", reason)


def test_suspend_and_resume_only_change_what_is_otherwise():
    with pytest.raises(ConflictError, match="already: moving"):
        commands.suspend(observed_of(HELD), "etl/nightly", NOW, "ada", "again")
    with pytest.raises(ConflictError, match="not suspended") as caught:
        commands.resume(observed_of(a_deployment(paused=True)), "etl/nightly", NOW, "ada", "go")
    assert "specs/nightly.yaml" in str(caught.value)


def test_resume_tells_what_passed():
    told, resumed = commands.resume(observed_of(HELD), "etl/nightly", later(600), "bob", "done")
    assert (told.type, told.count, told.reason) == ("SlotsSkipped", 10, "suspended by ada: moving")
    assert (resumed.type, resumed.who) == ("DeploymentResumed", "bob")


def test_confirm_is_for_the_refused_revision_only():
    (fact,) = commands.confirm(observed_of(refused={"revision": "r1"}), "r1", "ada", "meant so")
    assert (fact.type, fact.revision, fact.reason, fact.who) == ("RevisionConfirmed", "r1", "meant so", "ada")
    with pytest.raises(ConflictError, match="not r2"):
        commands.confirm(observed_of(refused={"revision": "r1"}), "r2", "ada", "x")
    with pytest.raises(ConflictError, match="no revision is refused"):
        commands.confirm(observed_of(), "r1", "ada", "x")
