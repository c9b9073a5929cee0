"""`run_deployment` before it reaches a daemon: what it takes, and what it says where none is."""

from pathlib import Path
from typing import Any

import pytest

from reconciler.engine.triggering import FlowRun, RunFailedError, nearest, run_deployment
from reconciler.model.errors import DaemonError
from reconciler.model.ids import moment

AT = moment("2024-01-01T00:00:00Z")


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


def a_run(state: str, **fields: Any) -> FlowRun:
    final = state not in {"Running", "Scheduled"}
    return FlowRun(
        "ab", "calm-otter", "a/b", state, final, "why", AT, AT, None, None, 1, (), {}, "1", None, **fields
    )  # fmt: skip


def test_a_result_is_had_of_a_completed_run_only():
    assert a_run("Completed", returned=[1]).result() == [1]
    assert a_run("Running").state_name == "Running"
    with pytest.raises(RunFailedError, match=r"ended Failed: why(.|\n)*reconciler logs ab"):
        a_run("Failed").result()
    with pytest.raises(RunFailedError, match="is Running"):
        a_run("Running").result()


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
