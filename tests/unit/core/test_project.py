"""The fold, and the rows it is kept in."""

import pytest
from helpers_facts import (
    NOW,
    a_ledger,
    a_rule,
    a_run,
    a_spec,
    apply,
    desired_of,
    history,
    later,
    picture,
    rows_of,
    tell,
)

from reconciler.core import commands, project, rows
from reconciler.daemon.ledger import load
from reconciler.model.errors import ChainBrokenError, StoreError
from reconciler.model.events import (
    BranchTracked,
    DeploymentMoved,
    DeploymentPruned,
    RunCreated,
    RunMoved,
    SlotsSkipped,
    SourceFound,
    SourceLost,
)
from reconciler.model.fact import Event
from reconciler.model.ids import instant

SPEC = a_spec("etl/a", schedules=[a_rule(interval=60)], flow={"retries": 2})
RUN = "a" * 16


def created(**fields):
    given = {"deployment": "etl/a", "name": "n", "due": instant(later(60)), "trigger": "schedule", "cause": ID}
    return RunCreated(**({"run": RUN, **given, "spec": "d", "version": "v", "generation": 1} | fields))


ID = a_rule(interval=60)["id"]


def moved(state, attempt=0, **fields):
    return RunMoved(run=RUN, state=state, attempt=attempt, **fields)


@pytest.fixture
def ledger():
    ledger = a_ledger()
    apply(ledger, desired_of(SPEC))
    return ledger


def schedule(ledger):
    return ledger.observed.deployments["etl/a"].schedules[0]


def test_a_run_accounts_for_its_slot(ledger):
    tell(ledger, created(), now=later(60))
    assert schedule(ledger).accounted == later(60)
    tell(ledger, created(run="b" * 16, trigger="manual", due=instant(later(600))))
    assert schedule(ledger).accounted == later(60)


def test_what_is_accounted_for_never_goes_back(ledger):
    tell(ledger, created(), now=later(60))
    told = SlotsSkipped(deployment="etl/a", schedule=ID, first=instant(NOW), last=instant(NOW), count=1, reason="r")
    tell(ledger, told)
    assert schedule(ledger).accounted == later(60)


def test_the_life_of_a_run(ledger):
    tell(ledger, created(), now=later(60))
    tell(ledger, moved("Pending", 1), moved("Running", 1, detail={"pid": 7}), now=later(61))
    run = ledger.observed.runs[RUN]
    assert (run.started_at, run.attempt, run.detail) == (later(61), 1, {"pid": 7})
    tell(ledger, moved("AwaitingRetry", 1, reason="no", until=instant(later(90)), detail={"exit": 1}), now=later(62))
    assert (run.until, run.detail) == (later(90), {"pid": 7, "exit": 1})
    tell(ledger, moved("Pending", 2), now=later(90))
    assert (run.until, run.detail, run.started_at) == (None, {}, later(61))
    tell(ledger, moved("Retrying", 2), moved("Completed", 2, detail={"result": "r"}), now=later(91))
    assert RUN not in ledger.observed.runs
    row = ledger.store.run(RUN)
    assert (row["state"], row["final"], row["finished_at"]) == ("Completed", True, instant(later(91)))
    known = ledger.observed.deployments["etl/a"]
    assert (known.last_run, known.last_state, known.last_at) == (RUN, "Completed", later(91))


CANNOT = {
    "an unknown event": Event(9, "Fancy", "x", NOW, None, {}),
    "no such deployment moved": Event(9, "DeploymentMoved", "no/one", NOW, None, {"source": {"kind": "whole"}}),
    "no such deployment pruned": Event(9, "DeploymentPruned", "no/one", NOW, None, {"reason": "r"}),
    "no such deployment suspended": Event(9, "DeploymentSuspended", "no/one", NOW, None, {"reason": "", "who": ""}),
    "no such run": Event(9, "RunPending", "f" * 16, NOW, None, {"state": "Pending"}),
    "a run twice": Event(9, "RunCreated", RUN, NOW, None, created().data()),
    "a move that may not be": Event(9, "RunRunning", RUN, NOW, None, {"state": "Running"}),
}


@pytest.mark.parametrize("event", CANNOT.values(), ids=CANNOT)
def test_what_cannot_follow_breaks_the_chain(ledger, event):
    tell(ledger, created())
    with pytest.raises(ChainBrokenError, match="9"):
        project.fold(ledger.observed, event, project.Touched())


def test_after_a_refused_stage_the_ledger_is_the_log(ledger):
    before = picture(ledger.observed)
    with pytest.raises(ChainBrokenError):
        ledger.stage([created(), moved("Running", 1)], NOW)
    ledger.drop()
    assert picture(ledger.observed) == before
    assert ledger.flush() == []


def test_a_run_as_the_version_before_kept_it_is_told():
    row = {key: value for key, value in rows.run_row(a_run()).items() if key != "preview"}
    with pytest.raises(StoreError, match="of another version"):
        rows.run_of(row)


def test_rows_restore_what_was_folded(ledger):
    tell(ledger, BranchTracked(branch="main", remote="origin"), SourceLost(reason="away"))
    tell(ledger, created(tags=("t",), retries=1), moved("Pending", 1))
    tell(ledger, *commands.suspend(ledger.observed, "etl/a", NOW, "ada", "moving"))
    tell(ledger, DeploymentMoved(deployment="etl/a", source={"kind": "scope", "commit": "c", "directories": ["x"]}))
    apply(ledger, desired_of(revision="r2"))
    assert ledger.observed.refused
    assert picture(load(ledger.store)) == picture(ledger.observed)
    assert load(ledger.store) == project.replay(history(ledger.store))[0]
    assert ledger.store.verify(rows_of).problems == ()


def test_only_what_a_fold_touched_is_written():
    observed, touched = project.replay([Event(1, "SourceFound", "repository", NOW, None, {"revision": "r"})])
    assert (touched.repository, touched.deployments, touched.runs, observed.seq) == (True, set(), {}, 1)
    _, touched = project.replay([Event(1, "HistoryRewound", "repository", NOW, None, {"before": "a", "after": "b"})])
    assert not touched.repository


def test_stale_and_found(ledger):
    tell(ledger, SourceLost(reason="away"), now=later(5))
    assert ledger.observed.stale == {"reason": "away", "since": instant(later(5))}
    tell(ledger, SourceFound(revision="r1"))
    assert ledger.observed.stale is None


def test_a_pruned_deployment_leaves_its_runs(ledger):
    tell(ledger, created(), moved("Pending", 1), DeploymentPruned(deployment="etl/a", reason="r"))
    assert ledger.observed.runs[RUN].state == "Pending"
    tell(ledger, moved("Completed", 1))
    assert list(ledger.store.deployments()) == []
