"""What a look says of the branches that may be previewed, over real repositories."""

import logging
from pathlib import Path

import pytest
from helpers_acceptance import spec
from helpers_git import Repo

from reconciler.daemon.branches import Branches
from reconciler.daemon.observe import Observer
from reconciler.daemon.reading import Branches as Heads
from reconciler.daemon.reading import Elsewhere, Previewed
from reconciler.daemon.words import words
from reconciler.git.repository import Repository
from reconciler.model.errors import SourceUnavailableError
from reconciler.model.plan import Source

FLOW = "def f(n: int = {}): ...\n"
AT = "f.py:f"


def fresh() -> Observer:
    def resolve(source: Source) -> Elsewhere:
        raise SourceUnavailableError(f"{source.repository} cannot be reached")

    return Observer("specs", words(), lambda url: url == ".", resolve)


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    repo = Repo(tmp_path / "repo")
    repo.commit({"f.py": FLOW.format(1), "specs/a.yaml": spec("a", AT)})
    return repo


class Look:
    """Branches on the thread of a test, and what they posted."""

    def __init__(self, repo: Repo, *patterns: str, remote: str | None = None) -> None:
        self.repo, self.posted = repo, []
        self.branches = Branches("main", remote, fresh, self.posted.append)
        self.branches.patterns = patterns

    def __call__(self, *, fetch: bool = False, **wanted: str) -> list[Heads | Previewed]:
        with Repository.open(self.repo.path) as opened:
            self.branches.look(opened, fetch=fetch)
            self.branches.want(wanted)
            while self.branches.wanted:
                self.branches.read(opened)
        told, self.posted[:] = list(self.posted), []
        return told


def test_without_patterns_nothing_is_looked_at(repo):
    assert Look(repo)() == []


def test_heads_are_those_of_branches_that_match_and_never_the_tracked_one(repo):
    for ref in ("refs/heads/x", "refs/heads/deep/y", "refs/tags/t", "refs/pull/1/head", "refs/remotes/origin/z"):
        repo.git("update-ref", ref, "HEAD")
    (told,) = Look(repo, "**")()
    assert told.heads.keys() == {"x", "deep/y"}
    (told,) = Look(repo, "*")()
    assert told.heads.keys() == {"x"}
    assert told.heads["x"].commit == repo.head()
    repo.git("pack-refs", "--all")
    repo.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/z")
    (told,) = Look(repo, "**", remote="origin")()
    assert told.heads.keys() == {"z"}


def test_a_branch_is_read_at_the_commit_that_was_wanted(repo):
    repo.branch("x")
    first = repo.commit({"specs/b.yaml": spec("b", AT)})
    repo.commit({"specs/c.yaml": spec("c", AT)})
    _heads, read = Look(repo, "*")(x=first)
    assert (read.branch, read.revision) == ("x", first)
    assert read.desired.deployments.keys() == {"f/a", "f/b"}
    assert read.texts.keys() == {d.digest for d in read.desired.deployments.values()}


def test_what_cannot_be_read_is_told_and_keeps_nothing_else_from_being_read(repo):
    repo.git("branch", "x")
    told = Look(repo, "*")(y="1" * 40, x=repo.head())
    assert [(t.branch, t.desired is None) for t in told[1:]] == [("y", True), ("x", False)]
    assert "1" * 40 in told[1].reason


def test_a_remote_that_does_not_answer_says_nothing_of_its_branches(repo, caplog):
    repo.git("update-ref", "refs/remotes/origin/x", "HEAD")
    repo.git("remote", "add", "origin", "/nowhere/at/all")
    with caplog.at_level(logging.WARNING):
        assert Look(repo, "*", remote="origin")(fetch=True) == [Heads(None)]
    assert "the branches to preview cannot be looked at" in caplog.text


def test_a_source_on_another_branch_is_followed_while_the_preview_stays(repo):
    repo.git("branch", "lib")
    repo.branch("x")
    head = repo.commit({"specs/a.yaml": spec("a", AT, pull=[{"git_clone": {"repository": ".", "branch": "lib"}}])})
    look = Look(repo, "x")
    assert not look.branches.looks_elsewhere
    _, read = look(x=head)
    assert look.branches.looks_elsewhere
    assert len(look()) == 1
    repo.checkout("lib")
    lib = repo.commit({"f.py": FLOW.format(5)})
    _, again = look()
    assert again.desired.deployments["f/a"].source.commit == lib
    assert read.desired.deployments["f/a"].source.commit != lib
    repo.git("branch", "-D", "x")
    look()
    assert not look.branches.looks_elsewhere
