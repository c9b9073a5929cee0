"""What holding a deployment at a version means for its schedules, its runs and its plans."""

from dataclasses import replace

import pytest
from helpers_facts import NOW, a_ledger, a_rule, a_spec, apply, desired_of, history, later, picture, rows_of, tell

from reconciler.core import commands, due, plan, project, quarantine
from reconciler.core.plan import Policy
from reconciler.core.versions import find
from reconciler.daemon import past
from reconciler.daemon.ledger import load
from reconciler.model.errors import ChainBrokenError, ConflictError, InvalidRequestError, NotFoundError
from reconciler.model.events import DeploymentReleased
from reconciler.model.plan import SourceKind

NAME = "etl/a"
GOOD, BAD = "1" * 40, "2" * 40
MINUTES, HOURS = a_rule(interval=60), a_rule(interval=3600)


def git(ledger, number, *, now, whole=None, **fields):
    wanted = desired_of(a_spec(NAME, **fields), a_spec("etl/b"), revision=f"r{number}", whole=whole or BAD)
    return wanted, apply(ledger, wanted, now=now)


def hold(ledger, given="gen:1", now=100, **how):
    held = find(NAME, list(past.read(ledger.store, NAME)), given)
    said = {"now": later(now), "who": "ada", "reason": "bad"} | how
    return tell(ledger, *quarantine.quarantine(ledger.observed, NAME, held, **said), now=later(now))


def release(ledger, now=900):
    return tell(ledger, *quarantine.release(ledger.observed, NAME, later(now), "ada", "fine"), now=later(now))


def live(ledger):
    return ledger.observed.deployments[NAME]


@pytest.fixture
def ledger():
    ledger = a_ledger()
    git(ledger, 1, now=NOW, whole=GOOD, schedules=[MINUTES], tags=["good"])
    git(ledger, 2, now=later(30), schedules=[MINUTES, HOURS], tags=["bad"])
    return ledger


def test_new_runs_are_made_at_the_held_version(ledger):
    hold(ledger)
    made = due.due(ledger.observed, later(120), lambda *_: "p").facts
    assert {(f.source_commit, f.version, f.generation, f.tags, f.spec) for f in made if f.type == "RunCreated"} == {
        (GOOD, GOOD[:8], 1, ("good",), live(ledger).digest)
    }
    asked = commands.RunRequest(NAME, "p", "k", later(120))
    assert commands.run(ledger.observed, asked, "ada")[1][0].source_commit == GOOD


def test_what_the_name_was_as_a_preview_is_never_held(ledger):
    """The tracked branch took the name over: what another branch said under it is no version of this deployment."""
    held = find(NAME, list(past.read(ledger.store, NAME)), "gen:1")
    theirs = replace(held, fields={**held.fields, "preview": "y"})
    with pytest.raises(ConflictError, match="previewed the branch y"):
        quarantine.quarantine(ledger.observed, NAME, theirs, now=later(100), who="ada", reason="bad")


def test_what_git_says_is_kept_beside_it_and_planned_against(ledger):
    hold(ledger)
    wanted, made = git(ledger, 3, now=later(200), tags=["worse"], paused=True)
    assert [c.deployment for c in made.changes] == [NAME]
    assert "is quarantined at 11111111: this change takes effect" in str(made.notes[0])
    assert (live(ledger).tags, live(ledger).generation, live(ledger).source.commit) == (("good",), 1, GOOD)
    assert (live(ledger).quarantine.wanted.tags, live(ledger).quarantine.wanted.generation) == (("worse",), 3)
    again = plan.plan(wanted, ledger.observed, Policy())
    assert (again.empty, again.notes, plan.facts(again, wanted, ledger.observed)) == (True, (), [])


def test_a_pause_in_git_counts_at_once(ledger):
    hold(ledger)
    git(ledger, 3, now=later(200), tags=["bad"], paused=True)
    assert live(ledger).paused
    git(ledger, 4, now=later(300), tags=["bad"])
    assert not live(ledger).paused
    told = [e for e in history(ledger.store) if e.type == "SlotsSkipped"]
    assert [(e.data["reason"], e.data["count"]) for e in told] == [("paused in git", 2)]


def test_it_is_paused_as_git_says_it_is_not_as_the_version_was(ledger):
    git(ledger, 3, now=later(40), paused=True)
    hold(ledger, "gen:1")
    assert live(ledger).paused


def test_schedules_that_stay_keep_their_place_and_others_start_anew(ledger):
    tell(ledger, *due.due(ledger.observed, later(60), lambda *_: "p").facts, now=later(60))
    hold(ledger, now=100)
    assert [(s.id, s.accounted) for s in live(ledger).schedules] == [(MINUTES["id"], later(60))]
    git(ledger, 3, now=later(110), schedules=[HOURS, MINUTES])
    tell(ledger, *due.due(ledger.observed, later(120), lambda *_: "p").facts, now=later(120))
    release(ledger, now=150)
    assert [(s.id, s.accounted) for s in live(ledger).schedules] == [
        (HOURS["id"], later(150)), (MINUTES["id"], later(120)),
    ]  # fmt: skip


def test_slots_that_wait_when_their_schedule_goes_are_told(ledger):
    hold(ledger, now=7300)
    missed = [e for e in history(ledger.store) if e.type == "SlotsMissed"]
    assert [(e.data["schedule"], e.data["count"]) for e in missed] == [(HOURS["id"], 2)]


def test_suspension_and_last_run_stay_with_the_deployment(ledger):
    tell(ledger, *commands.suspend(ledger.observed, NAME, later(40), "ada", "rest"))
    hold(ledger)
    assert live(ledger).suspended.reason == "rest"
    tell(ledger, *commands.resume(ledger.observed, NAME, later(200), "ada", ""))
    release(ledger)
    assert (live(ledger).suspended, live(ledger).created_at) == (None, NOW)


def test_a_spec_that_breaks_meanwhile_is_told_of_what_git_says_and_mends(ledger):
    hold(ledger)
    file = live(ledger).file
    apply(ledger, desired_of(a_spec("etl/b"), revision="r3", whole="3" * 40, broken=[file]), now=later(200))
    assert (live(ledger).invalid, live(ledger).quarantine.wanted.invalid) == (False, True)
    assert live(ledger).quarantine.wanted.source.commit == BAD
    assert load(ledger.store).any_invalid
    git(ledger, 4, now=later(300), whole="4" * 40, tags=["bad"])
    release(ledger)
    assert live(ledger).source.kind is SourceKind.WHOLE
    assert live(ledger).source_commit(ledger.observed.whole_commit) == "4" * 40


def test_another_version_may_be_held_instead(ledger):
    hold(ledger)
    wanted = live(ledger).quarantine.wanted
    hold(ledger, "gen:2", now=200)
    assert (live(ledger).tags, live(ledger).quarantine.wanted) == (("bad",), wanted)


def test_git_drops_it_and_the_quarantine_ends(ledger):
    hold(ledger)
    made = apply(ledger, desired_of(a_spec("etl/b"), revision="r3"), now=later(200))
    assert "with it the quarantine ends" in str(made.notes[0])
    assert NAME not in ledger.observed.deployments


def test_the_rows_are_the_fold(ledger):
    hold(ledger)
    git(ledger, 3, now=later(200), tags=["worse"])
    folded = picture(project.replay(history(ledger.store))[0])
    assert folded == picture(ledger.observed) == picture(load(ledger.store))
    assert ledger.store.verify(rows_of).problems == ()


@pytest.mark.parametrize(
    ("ask", "error", "says"),
    [
        (lambda le: hold(le, reason="  "), InvalidRequestError, "needs a reason"),
        (lambda le: (hold(le), hold(le)), ConflictError, "is quarantined at 11111111 already: bad"),
        (release, ConflictError, "is not quarantined"),
        (lambda le: quarantine.release(le.observed, "etl/x", NOW, "ada", "r"), NotFoundError, "no deployment"),
        (lambda le: tell(le, DeploymentReleased(deployment=NAME, reason="r", who="w")), ChainBrokenError, "not quar"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(ledger, ask, error, says):
    with pytest.raises(error, match=says):
        ask(ledger)


def test_a_preview_is_not_held(ledger):
    live(ledger).preview = "feature/x"
    with pytest.raises(ConflictError, match="previews the branch feature/x"):
        hold(ledger)
