"""Orders look into repositories, and let go of them."""

import pytest
from helpers_git import Repo

from reconciler.daemon import orders, state_dir
from reconciler.daemon.config import Settings
from reconciler.daemon.mirrors import Mirrors
from reconciler.daemon.orders import Orders
from reconciler.git.repository import Repository
from reconciler.model.errors import StepError


def test_repositories_that_runs_needed_do_not_stay_open(tmp_path, monkeypatch):
    repos = [Repo(tmp_path / str(n)) for n in range(30)]
    commits = [repo.commit({"a": "1"}) for repo in repos]
    state = state_dir.prepare(tmp_path / "state", allow_network_fs=False)
    mirrors = Mirrors(lambda: Repository.open(repos[0].path), state.mirrors, (), 30.0)
    made = Orders(state, Settings(), repos[0].path / ".git", mirrors, {})
    monkeypatch.setattr(orders, "FRESH", 0.0)
    try:
        for repo, commit in zip(repos, commits, strict=True):
            inputs = {"git_dir": str(repo.path / ".git"), "commit": commit, "directories": []}
            made.check({"pull": [{"step": "git_clone", "inputs": inputs}]})
            with pytest.raises(StepError, match="not in the repository any more"):
                made.check({"pull": [{"step": "git_clone", "inputs": inputs | {"commit": "0" * 40}}]})
        assert len(made._open) == 1
    finally:
        made.close()
