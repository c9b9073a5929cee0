"""`run_deployment` before it reaches a daemon: what it takes, and what it says where none is."""

from pathlib import Path
from typing import Any

import pytest

from reconciler.engine.states import RunFailedError
from reconciler.engine.triggering import _told, nearest, run_deployment
from reconciler.model.errors import DaemonError

AT = "2024-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("given", "kind", "said"),
    [
        ({"timeout": -1}, ValueError, "timeout=-1"),
        ({"poll_interval": 0}, ValueError, "poll_interval=0"),
        ({"tags": "nightly"}, TypeError, "list of texts"),
        ({}, DaemonError, r"reconciler serve(.|\n)*RECONCILER_STATE_DIR"),
    ],
    ids=["negative timeout", "no interval", "one text", "no daemon"],
)
def test_what_cannot_be_asked_is_told_at_once(tmp_path: Path, monkeypatch, given: dict[str, Any], kind, said: str):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(kind, match=said):
        run_deployment("a/b", **given)


def a_row(state: str, **fields: Any) -> dict[str, Any]:
    final = state not in {"Running", "Scheduled", "Suspended"}
    plain = {"started_at": None, "finished_at": None, "attempt": 1, "tags": [], "parameters": {}, "version": "1"}
    row = {"id": "ab", "name": "calm-otter", "deployment": "a/b", "state": state, "final": final, "reason": "why"}
    return {**row, **plain, "due": AT, "created_at": AT, "source_commit": None, "result": None, **fields}


def test_a_result_is_had_of_a_completed_run_only():
    done = _told(a_row("Completed", result=[1]))
    assert (done.result(), done.state.is_completed(), done.state_name) == ([1], True, "Completed")
    with pytest.raises(RunFailedError, match=r"ended TimedOut: why(.|\n)*reconciler logs ab"):
        _told(a_row("TimedOut")).result()
    with pytest.raises(RunFailedError, match="is Running"):
        _told(a_row("Running")).result()


@pytest.mark.parametrize(
    ("word", "kind"), [("TimedOut", "FAILED"), ("Crashed", "CRASHED"), ("Suspended", "PAUSED"), ("Late", "SCHEDULED")]
)
def test_a_state_has_the_type_that_callers_know(word: str, kind: str):
    assert _told(a_row(word)).state.type == kind


@pytest.mark.parametrize(
    ("name", "known", "said"),
    [
        ("etl/nightli", ["etl/nightly", "b/c"], "did you mean 'etl/nightly'?"),
        ("nightly", ["x-y-z-w/nightly"], "did you mean 'x-y-z-w/nightly'?"),
        ("q", ["a/b", "c/d"], "known: a/b, c/d"),
        ("q", [], "no deployment is applied yet: commit a spec file"),
    ],
)
def test_a_name_that_is_not_there_is_answered_with_the_nearest(name: str, known: list[str], said: str):
    assert nearest(name, known) == said
