"""Finding the daemon from a script: where its state lies, and whether it lives, at next to no cost."""

from contextlib import ExitStack
from pathlib import Path

import pytest
from engine_runs import holding
from helpers_git import Repo

from reconciler.engine import nearby


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    made = Repo(tmp_path / "repo")
    made.commit({"flows/a.py": "", "README": "x"})
    return made


@pytest.fixture
def held():
    with ExitStack() as stack:
        yield lambda root: stack.enter_context(holding(root))


def test_the_git_directory_is_found_from_any_folder_of_any_kind_of_repository(repo: Repo, tmp_path: Path):
    repo.git("worktree", "add", "-q", str(tmp_path / "linked"), "-b", "other")
    repo.git("clone", "-q", "--bare", ".", str(tmp_path / "bare.git"))
    own = str(repo.path / ".git")
    assert nearby.git_dir(str(repo.path / "flows")) == own
    assert nearby.git_dir(str(tmp_path / "linked" / "flows")) == own
    assert nearby.git_dir(str(tmp_path / "bare.git")) == str(tmp_path / "bare.git")
    assert nearby.git_dir(str(repo.path / ".git" / "refs")) == own
    assert nearby.git_dir("/") is None


def test_a_pointer_that_leads_nowhere_is_no_repository(tmp_path: Path):
    (tmp_path / ".git").write_text("gitdir: /nowhere\n")
    assert nearby.git_dir(str(tmp_path)) is None


def test_a_daemon_is_nearby_while_it_lives_and_not_by_what_it_left(repo: Repo, held):
    root = repo.path / ".git" / "reconciler"
    here = [str(repo.path)]
    assert nearby.state_dir(here) is None
    daemon = held(root)
    assert nearby.state_dir(["/", str(repo.path / "flows")]) == str(root)
    daemon.kill()
    daemon.wait()
    assert (root / "lock").exists()
    assert nearby.state_dir(here) is None


def test_the_environment_names_one_and_then_no_other_counts(repo: Repo, tmp_path: Path, held, monkeypatch):
    held(repo.path / ".git" / "reconciler")
    monkeypatch.setenv(nearby.STATE_DIR, str(tmp_path / "elsewhere"))
    assert nearby.state_dir([str(repo.path)]) is None
    held(tmp_path / "elsewhere")
    assert nearby.state_dir([str(repo.path)]) == str(tmp_path / "elsewhere")


def test_asking_leaves_no_descriptor_open(repo: Repo, held):
    held(repo.path / ".git" / "reconciler")
    nearby.state_dir([str(repo.path)])
    before = len(list(Path("/proc/self/fd").iterdir()))
    nearby.state_dir([str(repo.path)])
    assert len(list(Path("/proc/self/fd").iterdir())) == before
