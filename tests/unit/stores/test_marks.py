"""Runs under their labels: no filter reads what it does not return, and damage is found."""

import re
import sqlite3

import pytest
from unit.stores.samples import created, fold, moved, tell

from reconciler.stores import _marks
from reconciler.stores.sqlite import SqliteStore


@pytest.fixture
def store(tmp_path):
    opened = SqliteStore.open(tmp_path / "log.db")
    tell(opened, created(1, tags=("x",)), created(2, tags=("x", "x", "y")), moved(1, "Failed"))
    yield opened
    opened.close()


@pytest.mark.parametrize("others", [0, 2])
def test_a_filter_is_a_walk_in_order_over_one_key_range(store, others):
    values = ("*", "Failed", "", "~", 0, *["t:x"] * others, 10)
    plan = store._all("EXPLAIN QUERY PLAN " + _marks.WALK.format(also=_marks.ALSO * others), values)
    steps = [step[3] for step in plan]
    assert not [step for step in steps if step.startswith("SCAN") or "TEMP B-TREE" in step]
    assert "label=? AND state=? AND created_at>?" in steps[0] or "(created_at,seq)<" in steps[0]


def test_live_runs_are_read_without_the_finished_ones(store):
    (plan,) = store._all("EXPLAIN QUERY PLAN SELECT row FROM runs WHERE final = 0 ORDER BY seq")
    assert "runs_live" in plan[3]


def test_counts_are_kept_for_every_label(store):
    counted = {(label, state): n for label, state, n in store._all("SELECT * FROM counts WHERE n > 0")}
    assert counted == {
        ("*", "Failed"): 1,
        ("*", "Scheduled"): 1,
        ("d:etl/nightly", "Failed"): 1,
        ("d:etl/nightly", "Scheduled"): 1,
        ("t:x", "Failed"): 1,
        ("t:x", "Scheduled"): 1,
        ("t:y", "Scheduled"): 1,
        ("v:etl/nightly\n1\n", "Failed"): 1,
        ("v:etl/nightly\n1\n", "Scheduled"): 1,
    }


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("UPDATE runs SET state = 'Running' WHERE seq = 1", "columns are not those"),
        ("UPDATE runs SET final = 1 WHERE seq = 2", "columns are not those"),
        ("UPDATE runs SET labels = X'5B5D'", "columns are not those"),
        ("UPDATE runs SET row = X'7B7D' WHERE seq = 1", "none of a run"),
        ("INSERT INTO slots VALUES ('etl/nightly', '2026', 1)", "slot 2026 of etl/nightly"),
        ("DELETE FROM marks WHERE label = 't:y'", "marks of 't:y' in Scheduled"),
        ("UPDATE counts SET n = n + 1 WHERE label = '*'", "counts of '\\*' in Failed"),
    ],
)
def test_verify_finds_what_does_not_follow_from_the_rows(store, tmp_path, sql, says):
    assert store.verify(fold).problems == ()
    with sqlite3.connect(tmp_path / "log.db") as other:
        other.executescript(sql)
    other.close()
    assert re.search(says, "\n".join(store.verify(fold).problems))
