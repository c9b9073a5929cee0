"""The commit of the tracked branch as reading verbs see it, however git keeps it."""

import pytest

from reconciler.cli._tip import tip
from reconciler.model.state import Observed


@pytest.fixture
def head(verbs):
    return verbs.repo.commit({"a": "b"})


def test_it_is_what_git_says_however_it_is_kept(verbs, head):
    observed = Observed(branch="main")
    assert tip(verbs.path, observed) == head
    verbs.repo.git("pack-refs", "--all")
    assert not (verbs.path / ".git/refs/heads/main").exists()
    assert tip(verbs.path, observed) == head
    newer = verbs.repo.commit({"a": "c"})
    assert tip(verbs.path, observed) == newer
    verbs.repo.git("symbolic-ref", "refs/heads/alias", "refs/heads/main")
    assert tip(verbs.path, Observed(branch="alias")) == newer
    verbs.repo.git("update-ref", "refs/remotes/origin/main", head)
    assert tip(verbs.path, Observed(branch="main", remote="origin")) == head


@pytest.mark.parametrize("branch", [None, "gone", "../../HEAD", "ma", "."])
def test_what_is_no_branch_has_none(verbs, head, branch):
    verbs.repo.git("pack-refs", "--all")
    assert tip(verbs.path, Observed(branch=branch)) is None


def test_a_repository_that_is_gone_has_none(tmp_path):
    assert tip(tmp_path / "gone", Observed(branch="main")) is None
