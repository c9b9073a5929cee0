"""Runs of which nothing is recorded: how they end, and what they leave."""

import tempfile
from pathlib import Path

import pytest
from helpers_facts import a_run, a_spec
from helpers_git import Repo

from reconciler.daemon.config import Settings
from reconciler.daemon.orders import Launch
from reconciler.daemon.scratch import Scratch
from reconciler.daemon.state_dir import StateDir
from reconciler.engine import nearby
from reconciler.git.repository import Repository
from reconciler.model.errors import StepError, StoreError
from reconciler.model.state import State

CODE = """\
import os, time
def main(then: str = "", wait: float = 0):
    time.sleep(wait)
    if then:
        exec(then)
    return os.environ["RECONCILER_STATE_DIR"]
"""


@pytest.fixture
def made(tmp_path, monkeypatch):
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    repo = Repo(tmp_path / "repo")
    commit = repo.commit({"flow.py": CODE})
    state = StateDir(tmp_path / "state")
    with Repository.open(repo.path) as opened, Scratch(state, Settings(), opened) as scratch:
        yield scratch, commit, tmp_path
    assert list((tmp_path / "tmp").iterdir()) == []
    assert not state.root.exists()


def run_of(commit: str | None, **parameters):
    return a_run(attempt=1, source_commit=commit), Launch(a_spec(), parameters, "process")


@pytest.mark.parametrize(
    ("then", "state", "said"),
    [
        ("", State.COMPLETED, "the flow returned"),
        ("os._exit(3)", State.CRASHED, "exit code 3 without a final report"),
        ("os.kill(os.getpid(), 9)", State.CRASHED, "killed by signal 9 without a final report"),
        ("time.sleep(600)", State.TIMED_OUT, "it ran longer than 0.3 s"),
    ],
)
def test_how_a_run_in_the_background_ends(made, then, state, said):
    scratch, commit, _ = made
    run, launch = run_of(commit, then=then)
    end = scratch.background(run, scratch.order(run, launch), 0.3 if "600" in then else None)
    assert (end.state, end.reason) == (state, said)
    assert not scratch.folder(run).exists()
    if not then:
        assert end.detail["result"] == str(scratch.root)


def test_an_order_is_the_daemons_but_for_where_it_runs(made):
    scratch, commit, base = made
    order = scratch.order(*run_of(commit))
    assert order["env"] == {nearby.STATE_DIR: str(scratch.root), nearby.LOCAL: "1"}
    assert order["lent"] == str(base / "state" / "environments")
    assert (order["pull"][0]["step"], order["pull"][0]["inputs"]["commit"]) == ("git_clone", commit)
    lying = scratch.order(*run_of(None), lying=base / "repo")  # what lies there is at no commit
    assert [(step["step"], step["inputs"]) for step in lying["pull"]] == [
        ("set_working_directory", {"directory": str(base / "repo")})
    ]
    with pytest.raises(StepError, match="not in the repository any more"):
        scratch.order(*run_of("0" * 40))


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("cat flow.py | head -1; echo", 0, "import os, time"),
        ('test "$RECONCILER_COMMIT" && echo told >&2; exit 125', 125, "told"),
        ("kill -9 $$", -9, ""),
        ("sleep 600 & sleep 600", None, ""),
    ],
)
def test_how_a_command_ends(made, command, code, said):
    scratch, commit, _ = made
    done = scratch.check(commit, (), command, 0.2 if code is None else None)
    assert (done.code, done.said) == (code, said)


def test_a_place_that_cannot_be_written_is_told(made, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", "/proc/nowhere")
    with Repository.open(tmp_path / "repo") as opened, pytest.raises(StoreError, match="cannot be written"):
        Scratch(StateDir(Path("/proc/nowhere")), Settings(), opened)
