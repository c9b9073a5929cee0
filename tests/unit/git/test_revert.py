"""Trees with some paths as they were, against what git itself says of them."""

from datetime import UTC, datetime

import pytest
from helpers_git import Repo

from reconciler.git import revert
from reconciler.git.repository import Repository
from reconciler.git.writing import Person
from reconciler.model.errors import ConflictError, InvalidRequestError

THEN = {"a/one": "1", "a/deep/two": "2", "b": "file", "c/x": "x", "same": "s", "a.txt": "t", "gone/only": "g"}
NOW = {
    "a/one": "changed", "a/deep/two": None, "a/new": "n", "b": None, "b/now": "a folder", "c/x": None, "c": "a file",
    "a.txt": "u", "gone/only": None, "later/z": "z",
}  # fmt: skip
WHO = Person("Ada", "ada@example.org")
AT = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.fixture
def repo(tmp_path):
    repo = Repo(tmp_path / "r")
    repo.commit(THEN, "then")
    repo.git("tag", "then")
    repo.commit({"same": "s", "a/one": "between"}, "between")
    repo.commit({path: content for path, content in NOW.items() if content is None}, "away")
    repo.git("clean", "-qfd")
    repo.commit({path: content for path, content in NOW.items() if content is not None}, "now")
    return repo


@pytest.mark.parametrize(
    "paths",
    [("a",), ("a/one",), ("a", "a/one"), ("a/one", "a"), ("a/deep",), ("b",), ("b/now",), ("c",), ("c/x",),
     ("gone",), ("gone/only",), ("later",), ("later/z",), ("nowhere",), ("same/below",), ("a.txt", "a"), (".",),
     ("a/deep/two", "c/x", "b", "later/z")],
    ids=" ".join,
)  # fmt: skip
def test_the_paths_are_as_they_were_and_nothing_else_changed(repo, paths):
    with Repository.open(repo.path) as ours:
        now, then = (ours.links(repo.head(name))[0] for name in ("main", "then"))
        top = revert.restored(ours, now, then, paths)
        made = revert.commit(ours, top, repo.head(), who=WHO, at=AT, message="back")
    repo.git("fsck", "--strict")
    assert repo.git("diff", "then", made, "--", *paths) == ""
    changed = set(repo.git("diff", "--no-renames", "--name-only", "main", made).split())
    wanted = set(repo.git("diff", "--no-renames", "--name-only", "main", "then", "--", *paths).split())
    assert changed - wanted <= {"c"}  # a file in the way of a folder that comes back
    assert wanted <= changed
    told = repo.git("log", "-1", "--format=%an <%ae> %at %P%n%B", made)
    assert told == f"Ada <ada@example.org> {int(AT.timestamp())} {repo.head()}\nback\n"


def test_the_last_file_may_go(tmp_path):
    repo = Repo(tmp_path / "r")
    then = repo.commit({}, "empty")
    repo.commit({"a/b": "1"}, "one")
    with Repository.open(repo.path) as ours:
        top = revert.restored(ours, ours.links(repo.head())[0], ours.links(then)[0], ("a/b",))
    assert repo.git("ls-tree", "-r", top) == ""


def test_a_branch_is_made_once_and_never_moved(repo):
    with Repository.open(repo.path) as ours:
        revert.branch(ours, "x/y", repo.head("then"))
        assert repo.head("refs/heads/x/y") == repo.head("then")
        with pytest.raises(ConflictError, match="exists and holds something else"):
            revert.branch(ours, "x/y", repo.head())
        repo.git("pack-refs", "--all")
        with pytest.raises(ConflictError):
            revert.branch(ours, "x/y", repo.head())
    assert repo.head("refs/heads/x/y") == repo.head("then")


def test_who_commits(repo, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.delenv("GIT_CONFIG_GLOBAL", raising=False)
    monkeypatch.delenv("GIT_CONFIG_SYSTEM", raising=False)
    with Repository.open(repo.path) as ours, pytest.raises(InvalidRequestError, match=r"git config user\.name"):
        revert.person(ours, None, None)
    (tmp_path / ".gitconfig").write_text("[user]\n name = Grace <x>\n email = g@example.org\n")
    with Repository.open(repo.path) as ours:
        assert revert.person(ours, None, None) == Person("Grace x", "g@example.org")
    repo.git("config", "user.name", "Ana")
    with Repository.open(repo.path) as ours:
        assert revert.person(ours, None, None) == Person("Ana", "g@example.org")
        assert revert.person(ours, "Env", "e@x") == Person("Env", "e@x")
