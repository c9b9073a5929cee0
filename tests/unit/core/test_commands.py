"""What a person asks for: facts, or one clear refusal."""

from dataclasses import replace

import pytest
from helpers_facts import (
    NOW,
    a_deployment,
    a_ledger,
    a_run,
    a_scheduled,
    a_spec,
    apply,
    desired_of,
    later,
    observed_of,
    tell,
)

from reconciler.core import commands
from reconciler.core.commands import Again, Replay, RunRequest
from reconciler.model.errors import ConflictError, InvalidRequestError, NotFoundError
from reconciler.model.events import RunMoved
from reconciler.model.ids import instant, run_id
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
        lambda _: commands.known(None, "f00"),
    ],
    ids=["run", "suspend", "resume", "cancel", "any run"],
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


def test_cancelling_says_when_its_grace_ends():
    (fact,) = commands.cancel(a_run(state=State.RUNNING), "f00", "ada", "", later(30))
    assert fact.until == instant(later(30))
    assert commands.cancel(a_run(state=State.SUSPENDED), "f00", "ada", "", later(30))[0].until is None


def test_a_run_of_its_own_labels_and_variables():
    request = RunRequest("etl/nightly", "p" * 64, "key", later(60), "mine", (), {"team": "data"}, "v" * 64)
    _, (fact,) = commands.run(observed_of(a_deployment()), request, "ada")
    assert (fact.labels, fact.variables, fact.name, fact.due) == (
        {"team": "data"},
        "v" * 64,
        "mine",
        instant(later(60)),
    )


OVER = a_run(state=State.FAILED, parameters="p" * 64, variables="v" * 64, labels={"a": 1}, tags=("t",), attempt=3,
             retries=2, origin="0" * 16, deployment="etl/nightly")  # fmt: skip


def test_retry_is_a_new_run_as_the_old_one_was():
    ident, (fact,) = commands.retry(observed_of(), Again(OVER, "k", latest=False, reason="fixed"), later(9), "ada")
    assert (fact.run, fact.trigger, fact.origin, fact.reason) == (ident, "retry", OVER.id, "fixed")
    assert (fact.who, fact.due) == ("ada", instant(later(9)))
    assert ident != OVER.id
    for same in "spec source_commit version generation parameters variables labels tags pool queue retries".split():
        assert getattr(fact, same) == getattr(OVER, same)


def test_retry_with_the_latest_is_of_the_deployment_as_it_is_now():
    observed = observed_of(a_deployment(digest="n" * 64, generation=7, tags=("new",), retries=5))
    _, (fact,) = commands.retry(observed, Again(OVER, "k", latest=True), NOW, "ada")
    assert (fact.spec, fact.generation, fact.source_commit, fact.retries) == ("n" * 64, 7, "w" * 40, 5)
    assert (fact.parameters, fact.variables, fact.tags, fact.origin) == ("p" * 64, "v" * 64, ("new", "t"), OVER.id)
    with pytest.raises(NotFoundError, match="there is no deployment"):
        commands.retry(observed_of(), Again(OVER, "k", latest=True), NOW, "ada")


SPEC = {"pull": None}


def a_replay(run=OVER, **fields) -> Replay:
    return Replay(run, "k", fields.pop("parameters", run.parameters), **fields)


def test_a_replay_is_the_run_as_it_was_and_never_the_run_of_its_slot():
    old = replace(OVER, schedule="hourly", start_at=later(3), version="v2")
    ident, (fact,) = commands.replay(a_replay(old, reason="look"), SPEC, later(9), "ada")
    assert (fact.run, fact.trigger, fact.origin, fact.who, fact.reason) == (ident, "replay", old.id, "ada", "look")
    assert (fact.due, fact.start_at, fact.schedule) == (instant(old.due), instant(later(9)), "")
    for same in "spec source_commit version generation parameters variables labels tags pool queue retries".split():
        assert getattr(fact, same) == getattr(old, same)
    assert commands.replay(a_replay(old), SPEC, later(9), "bob")[0] == ident


def test_a_replay_at_another_commit_with_other_parameters():
    asked = a_replay(parameters="q" * 64, given=("n", "m"), commit="e" * 40)
    _, (fact,) = commands.replay(asked, SPEC, NOW, "ada")
    assert (fact.source_commit, fact.version, fact.parameters) == ("e" * 40, "eeeeeeee", "q" * 64)
    assert fact.reason == "at eeeeeeee instead of cccccccc; with other n, m"
    labelled = replace(OVER, version="v2")
    assert commands.replay(a_replay(labelled, commit="e" * 40), SPEC, NOW, "ada")[1][0].version == "v2"


@pytest.mark.parametrize(
    ("run", "spec", "said"),
    [
        (a_run(state=State.RUNNING), SPEC, "is not over: Running"),
        (replace(OVER, trigger="script"), SPEC, "call in a script"),
        (OVER, {"pull": [{"step": "git_clone", "inputs": {"commit_sha": "a" * 40}}]}, "pins commit_sha"),
        (OVER, {"pull": []}, "takes no code from git"),
    ],
)
def test_what_cannot_be_replayed_at_another_commit(run, spec, said):
    with pytest.raises(ConflictError, match=said):
        commands.replay(a_replay(run, commit="e" * 40), spec, NOW, "ada")


def test_a_replay_says_nothing_of_how_its_deployment_fares():
    ledger = a_ledger()
    apply(ledger, desired_of(a_spec()))
    _, created = commands.replay(a_replay(), SPEC, NOW, "ada")
    moves = [RunMoved(run=created[0].run, state=state, attempt=1) for state in (State.PENDING, State.FAILED)]
    tell(ledger, *created, *moves)
    assert not ledger.observed.runs
    assert ledger.observed.deployments["etl/nightly"].last_run is None


@pytest.mark.parametrize("state", sorted(set(State) - FINAL))
def test_what_is_not_over_is_not_tried_again(state: State):
    with pytest.raises(ConflictError, match="is not over"):
        commands.retry(observed_of(a_deployment()), Again(a_run(state=state), "k", latest=False), NOW, "ada")


def test_a_key_of_a_retry_is_no_key_of_a_run():
    one, two = (Again(a_run(n, state=State.FAILED), "key", latest=False) for n in (1, 2))
    assert len({"key", one.cause, two.cause, Replay(one.run, "key", "").cause}) == 4


def test_resume_of_a_paused_run_is_told_once_for_each_pause():
    run = a_run(state=State.PAUSED, attempt=1, detail={"pauses": 2, "resumed": 1})
    (fact,) = commands.resume_run(run, "ada", "looks fine")
    assert (fact.type, fact.reason, fact.who, fact.attempt) == ("RunResumed", "resumed by ada: looks fine", "ada", 1)
    run.detail["resumed"] = 2
    assert commands.resume_run(run, "ada", "") == []


def test_resume_of_a_suspended_run_waits_for_a_slot():
    told, moved = commands.resume_run(a_run(state=State.SUSPENDED, attempt=1), "ada", "")
    assert (told.type, moved.type, moved.attempt) == ("RunResumed", "RunAwaitingConcurrencySlot", 1)
    assert told.reason == moved.reason == "resumed by ada"


@pytest.mark.parametrize("state", sorted(set(State) - {State.PAUSED, State.SUSPENDED}))
def test_nothing_else_is_resumed(state: State):
    with pytest.raises(ConflictError, match=f"neither paused nor suspended: {state}"):
        commands.resume_run(a_run(state=state), "ada", "")


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
