"""The `verify` verb: a log that was changed behind our back is exit 1, and says where."""

import sqlite3
from datetime import UTC, datetime

import pytest

from reconciler.model.events import SourceLost
from reconciler.stores.sqlite import SqliteStore


@pytest.fixture
def log(verbs):
    verbs.repo.commit({"a": "b"})
    state = verbs.path / ".git/reconciler"
    state.mkdir(mode=0o700)
    with_log = state / "log.db"
    store = SqliteStore.open(with_log)
    store.append([SourceLost(reason="gone")], at=datetime(2026, 1, 1, tzinfo=UTC), revision=None, expect=0)
    store.close()
    return with_log


def test_a_projection_that_does_not_follow_is_told(verbs, log):
    told = verbs.json("verify")
    assert (told["events"], told["problems"]) == (1, ["meta repository: follows from the events, but is not stored"])
    assert verbs("verify").exit_code == 1


def test_projections_of_the_version_before_are_no_fault(verbs, log):
    with sqlite3.connect(log) as db:
        db.execute("INSERT INTO meta VALUES ('repository', ?)", (b'{"format": 3}',))
    db.close()
    done = verbs("verify")
    assert (done.exit_code, done.stdout[:16]) == (0, "the log verifies")
    assert "`reconciler serve` makes them anew" in done.stderr
    assert "`reconciler serve`: it makes them anew" in str(verbs("status").exception)


def test_a_changed_event_is_told(verbs, log):
    with sqlite3.connect(log) as db:
        db.execute("UPDATE events SET at = '2026-01-02T00:00:00.000000Z'")
    db.close()
    done = verbs("verify")
    assert done.exit_code == 1
    assert "problem event 1 (SourceLost): its hash is not that of its content" in done.stdout
    assert "the log does not verify: 1 events" in done.stdout


def test_without_a_log_it_says_so(verbs):
    assert "no log here yet" in str(verbs("verify").exception)
