"""Pins keep commits through a real gc and touch no other ref."""

import pytest
from helpers_git import Repo

from reconciler.git import pins
from reconciler.git.repository import Repository
from reconciler.model.errors import SourceUnavailableError


@pytest.mark.parametrize("packed", [False, True])
def test_a_pinned_commit_survives_gc_and_goes_when_unpinned(tmp_path, packed):
    repo = Repo(tmp_path / "r")
    first, second = repo.commit({"a": "1"}), repo.commit({"a": "2"})
    repo.git("tag", "v1", first)
    repo.reset(first)
    repo.git("reflog", "expire", "--expire=now", "--all")
    before = repo.git("for-each-ref", "refs/heads", "refs/tags")
    with Repository.open(repo.path) as ours:
        for _ in range(2):
            pins.pin(ours, second)
        if packed:
            repo.git("pack-refs", "--all", "--prune")
        repo.git("gc", "-q", "--prune=now")
        pins.pin(ours, second)
        assert pins.pinned(ours) == {second}
        assert ours.commit(second).parents == (first,)
        for _ in range(2):
            pins.unpin(ours, second)
        assert pins.pinned(ours) == set()
    assert repo.git("for-each-ref", "refs/heads", "refs/tags") == before
    assert repo.git("for-each-ref", "refs/reconciler") == ""
    repo.git("gc", "-q", "--prune=now")
    with Repository.open(repo.path) as ours, pytest.raises(SourceUnavailableError, match="missing"):
        pins.pin(ours, second)


def test_a_ref_that_git_has_locked_is_a_reason_and_not_a_crash(tmp_path):
    repo = Repo(tmp_path / "r")
    head = repo.commit({"a": "1"})
    lock = repo.path / f".git/refs/reconciler/pins/{head}.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    with Repository.open(repo.path) as ours, pytest.raises(SourceUnavailableError, match="pin"):
        pins.pin(ours, head)
