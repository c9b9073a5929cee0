"""`explain` answers from the log alone, daemon or not: why this ran, did not run, waits, or has that version."""

import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from helpers_git import Repo
from served import COMMAND, ENV, applied, reconciler, served, told, until

from reconciler.model.ids import instant, moment

SPEC = """
deployments:
  - {name: main, entrypoint: "flow.py:hello", schedules: [{interval: 2, slug: often}]}
  - {name: slow, entrypoint: "flow.py:slow", concurrency_limit: 1}
"""
FLOW = "import time\n\ndef hello(): ...\n\ndef slow():\n    time.sleep(60)\n"


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    repo = Repo(tmp_path / "repo")
    repo.commit({"specs/a.yaml": SPEC, "flow.py": FLOW}, "First")
    return repo


def test_a_slot_a_wait_and_a_version(repo: Repo) -> None:
    path = repo.path
    with served(path):
        applied(path, repo.head())
        (ran, *_) = until(lambda: told(path, "runs", "--state", "Completed"), "a run by schedule")
        holds, waits = (reconciler(path, "run", "slow/slow").strip() for _ in range(2))
        until(lambda: told(path, "runs", "--state", "AwaitingConcurrencySlot"), "a run that waits")
        assert f"held by run {holds}" in reconciler(path, "explain", waits)
        assert f"run {waits} is AwaitingConcurrencySlot" in reconciler(path, "explain", "slow/slow")
        reconciler(path, "suspend", "hello/main", "--reason", "quiet")
        for run in (waits, holds):
            reconciler(path, "cancel", run)
        until(lambda: len(told(path, "runs", "--state", "Cancelled")) >= 2, "the cancelled ones to end")
    slot = lambda due: told(path, "explain", "hello/main", "--slot", due)  # noqa: E731 - asked five times
    due = moment(ran["due"])
    found = slot(ran["due"])
    assert (found["verdict"], ran["id"] in found["said"]) == ("run", True)
    assert slot(instant(due + timedelta(seconds=1)))["verdict"] == "none"
    assert "no deployment of this name yet" in slot(instant(due - timedelta(days=1)))["said"]
    asleep = slot(instant(due + timedelta(hours=1)))
    assert (asleep["verdict"], "quiet" in asleep["said"]) == ("skipped", True)
    assert next(each["said"].partition(":")[0] for each in asleep["because"]) == "created"
    why = reconciler(path, "explain", ran["id"])
    assert f"pinned to commit {repo.head()[:12]}" in why
    assert "it was made by schedule often" in why
    assert "it was created at revision" in reconciler(path, "explain", "hello/main")


def test_what_it_cannot_explain(repo: Repo) -> None:
    reconciler(repo.path, "serve", "--once")
    for words, code, says in (
        (["nobody/here"], 1, "no deployment 'nobody/here'"),
        (["hello/mian"], 1, "did you mean 'hello/main'"),
        (["0123"], 1, "no run '0123'"),
        (["0123", "--slot", "2026-01-01"], 2, "--slot belongs to a deployment"),
        (["hello/main", "--slot", "soon"], 2, "--slot: 'soon' is no moment"),
    ):
        words = [*COMMAND, "-C", str(repo.path), "explain", *words]
        done = subprocess.run(words, env=ENV, capture_output=True, text=True, check=False)
        assert (done.returncode, says in done.stderr) == (code, True), done.stderr
