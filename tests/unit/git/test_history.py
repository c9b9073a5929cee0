"""Which commits changed a scope. The version rule itself is held against git in tests/property."""

import pytest
from helpers_git import Repo

from reconciler.git import history
from reconciler.git.repository import Repository
from reconciler.model.errors import SourceUnavailableError


def test_the_commits_that_changed_a_scope_are_gits_and_merges_count_once(tmp_path):
    repo = Repo(tmp_path / "repo")
    first = repo.commit({"src/a": "1", "b": "1"})
    repo.commit({"b": "2"})
    repo.branch("side")
    repo.commit({"src/a": "side"})
    repo.commit({"src/c": "side"})
    repo.checkout("main")
    repo.commit({"src/b": "2"})
    merge = repo.merge("side")
    repo.commit()
    repo.commit({"src/a": "back"})
    last = repo.commit({"b": "3"})
    with Repository.open(repo.path) as opened:
        for paths in ((".",), ("src",), ("src/a", "b"), ("nothing",)):
            found = history.changing(opened, first, last, paths)
            said = repo.git("log", "--reverse", "--first-parent", "--format=%H", f"{first}..{last}", "--", *paths)
            assert [commit for commit, _ in found.commits] == said.split()
            assert found.fork[0] == first
        assert merge in [commit for commit, _ in history.changing(opened, first, last, ("src",)).commits]
        keys = [key for _, key in history.changing(opened, first, last, ("b",)).commits]
        assert len(set(keys)) == len(keys) == 2


def test_a_commit_beside_the_line_is_taken_where_it_left_it(tmp_path):
    repo = Repo(tmp_path / "repo")
    fork = repo.commit({"a": "1"})
    repo.branch("side")
    aside = repo.commit({"a": "side"})
    repo.checkout("main")
    head = repo.commit({"a": "2"})
    with Repository.open(repo.path) as opened:
        found = history.changing(opened, aside, head, (".",))
        assert (found.fork[0], [commit for commit, _ in found.commits]) == (fork, [head])
        assert history.changing(opened, head, fork, (".",)).commits == ()


def test_lines_that_never_meet(tmp_path):
    repo = Repo(tmp_path / "repo")
    head = repo.commit({"a": "1"})
    other = repo.commit_tree(repo.git("rev-parse", "HEAD^{tree}"), message="a root")
    with Repository.open(repo.path) as opened, pytest.raises(SourceUnavailableError, match="no commit in common"):
        history.changing(opened, other, head, (".",))
