"""A timeline is made of whatever a journal says, and says no more than it can know."""

import json

import pytest

from reconciler.engine.journal import JOURNAL, TASK_BYTES, Journal
from reconciler.engine.timeline import MOST, timeline


def told(tmp_path, *facts, over=None):
    lines = [json.dumps({"attempt": 1, "at": 100.0 + n, **fact}) for n, fact in enumerate(facts)]
    (tmp_path / JOURNAL).write_text("\n".join(lines) + "\n")
    return [(e.name, e.kind, e.state, e.attempt, e.seconds) for e in timeline(tmp_path, 1, over=over).entries]


def task(state, **more):
    return {"fact": "task", "id": "r-1", "name": "load-0", "kind": "task", "state": state, "tries": 1, **more}


@pytest.mark.parametrize(
    ("facts", "over", "line"),
    [
        ([task("Running")], None, ("Running", 1, None)),
        ([task("Running"), task("AwaitingRetry", seconds=1.0), task("Retrying", tries=2)], None, ("Retrying", 2, None)),
        ([task("Running"), task("Completed", seconds=2.5)], "Completed", ("Completed", 1, 2.5)),
        ([task("Running")], "Cancelled", ("Cancelled", 1, None)),
        ([task("Running")], "Crashed", ("Crashed", 1, None)),
    ],
)
def test_the_last_word_on_a_task_counts(tmp_path, facts, over, line):
    assert told(tmp_path, *facts, over=over) == [("load-0", "task", *line)]


def test_steps_come_first_and_what_is_no_task_is_left_out(tmp_path):
    step = {"fact": "step", "index": 0, "step": "git_clone", "seconds": 0.5, "ok": False, "error": "x"}
    strange = [task("Exploded"), task("Running", kind="step"), task("Running", id=""), {"fact": "task"}]
    assert told(tmp_path, *strange, task("Running"), step) == [
        ("load-0", "task", "Running", 1, None),
        ("git_clone", "step", "Failed", 1, 0.5),
    ]


def test_there_is_an_end_to_what_is_read(tmp_path):
    facts = [task("Running", id=f"r-{n}", name="x" * 1000) for n in range(MOST + 5)]
    assert len(told(tmp_path, *facts)) == MOST
    found = timeline(tmp_path, 1)
    assert (found.left_out, len(found.entries[0].name)) == (5, 200)
    assert timeline(tmp_path / "nothing", 1).entries == []


def test_the_writer_stops_at_its_limit_and_counts(tmp_path):
    journal = Journal(tmp_path, run="r", attempt=1, address=None)
    long = {"id": "r-1", "name": "n" * 5000, "kind": "task", "state": "Running", "tries": 1, "message": "m" * 5000}
    each = None
    while not journal.unwritten:
        journal.task(**long, parent=None)
        each = each or (tmp_path / JOURNAL).stat().st_size
    assert each < 1200
    assert TASK_BYTES <= (tmp_path / JOURNAL).stat().st_size < TASK_BYTES + each
    journal.write("completed", result=None)
    assert timeline(tmp_path, 1).entries[0].name == "n" * 200
