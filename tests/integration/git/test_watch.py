"""A branch moves by every means git has; the watch says so once, soon, and says nothing else."""

import shutil
import statistics
import subprocess
import threading
import time
from contextlib import contextmanager

import pytest
from dulwich.refs import Ref
from dulwich.reftable import ReftableRefsContainer
from helpers_git import ENVIRONMENT, Repo

from reconciler.git.repository import Repository
from reconciler.git.watch import Watch


class Looks:
    """Counts calls and lets a test wait for the next one."""

    def __init__(self):
        self.count = 0
        self.at = 0.0
        self._changed = threading.Condition()

    def __call__(self):
        with self._changed:
            self.count += 1
            self.at = time.perf_counter()
            self._changed.notify_all()

    def wait(self, count):
        with self._changed:
            assert self._changed.wait_for(lambda: self.count >= count, timeout=10), f"{self.count} looks, not {count}"


@contextmanager
def watching(path, branch="main", **options):
    looks = Looks()
    with Repository.open(path) as repo:
        watch = Watch(repo, branch, looks, **options)
    watch.start()
    try:
        yield looks
    finally:
        watch.stop()


@pytest.fixture
def repo(tmp_path):
    made = Repo(tmp_path / "r")
    made.commit({"a": "1"})
    made.commit({"a": "2"})
    return made


# A long poll: whatever is seen below was seen by an event.
SLOW = {"poll": 60}


def test_commit_reset_amend_and_update_ref_of_a_loose_then_packed_branch(repo):
    with watching(repo.path, **SLOW) as looks:
        repo.commit({"a": "3"})
        looks.wait(1)
        repo.reset("HEAD~1")
        looks.wait(2)
        repo.git("pack-refs", "--all", "--prune")
        repo.git("gc", "-q")
        repo.commit({"a": "4"})
        looks.wait(3)
        repo.git("commit", "-q", "--amend", "-m", "again")
        looks.wait(4)
        repo.git("update-ref", "refs/heads/main", "HEAD~1")
        looks.wait(5)
    assert looks.count == 5


def test_a_push_into_a_bare_repository_and_a_nested_branch_that_appears_and_goes(tmp_path, repo):
    bare = Repo(tmp_path / "bare", bare=True)
    with watching(bare.path, "team/x/main", **SLOW) as looks:
        repo.git("push", "-q", str(bare.path), "main:team/x/main")
        looks.wait(1)
        bare.git("pack-refs", "--all", "--prune")
        repo.commit({"a": "5"})
        repo.git("push", "-q", str(bare.path), "main:team/x/main")
        looks.wait(2)
        bare.git("update-ref", "-d", "refs/heads/team/x/main")
        looks.wait(3)
    assert looks.count == 3


def test_a_linked_worktree_commits_and_a_fetch_moves_a_remote_branch(tmp_path, repo):
    other = Repo(tmp_path / "wt", init=False)
    repo.git("worktree", "add", "-q", "-b", "side", str(other.path))
    with watching(other.path, "side", **SLOW) as looks:
        other.commit({"b": "1"})
        looks.wait(1)
    clone = Repo(tmp_path / "clone")
    clone.git("remote", "add", "origin", str(repo.path))
    with watching(clone.path, "main", remote="origin", **SLOW) as looks:
        clone.git("fetch", "-q")
        looks.wait(1)


def test_events_that_move_nothing_are_not_told(repo):
    with watching(repo.path, poll=0.01) as looks:
        repo.git("status")
        repo.write({"a": "dirty"})
        repo.git("add", "-A")
        repo.git("branch", "other")
        repo.git("tag", "v1")
        repo.git("pack-refs", "--all", "--prune")
        repo.git("checkout", "-q", "other")
        repo.git("gc", "-q")
        repo.git("update-ref", "refs/heads/main", "HEAD~1")
        looks.wait(1)
    assert looks.count == 1


def test_a_repository_deleted_and_made_again_is_noticed_both_times(tmp_path, repo):
    with watching(repo.path, poll=0.05) as looks:
        shutil.rmtree(repo.path)
        looks.wait(1)
        again = Repo(repo.path)
        again.commit({"z": "1"})
        looks.wait(2)
        again.commit({"z": "2"})
        looks.wait(3)


def test_a_look_that_fails_ends_nothing_and_moves_during_a_look_are_one(repo):
    calls = []
    entered, release = threading.Event(), threading.Event()

    def look():
        calls.append(len(calls))
        entered.set()
        assert release.wait(10)
        raise RuntimeError("a fault of the caller")

    with Repository.open(repo.path) as opened:
        watch = Watch(opened, "main", look, poll=0.05)
    watch.start()
    repo.commit({"a": "3"})
    assert entered.wait(10)
    for text in "456":
        repo.commit({"a": text})
    entered.clear()
    release.set()
    assert entered.wait(10)
    watch.stop()
    assert calls == [0, 1]


def test_a_reftable_that_changes_is_read(tmp_path):
    bare = Repo(tmp_path / "bare", bare=True)
    tree = bare.git("mktree", input=b"")
    first, second = bare.commit_tree(tree), bare.commit_tree(tree, message="two")
    refs = ReftableRefsContainer(str(bare.path))
    refs.set_if_equals(Ref(b"refs/heads/main"), None, first.encode())
    bare.git("config", "extensions.refstorage", "reftable")
    bare.git("config", "--file", "config", "core.repositoryformatversion", "1")
    with Repository.open(bare.path) as repo:
        assert repo.branch("main") == first
        assert repo.resolve("main") == first
    with watching(bare.path, **SLOW) as looks:
        refs.set_if_equals(Ref(b"refs/heads/main"), first.encode(), second.encode())
        looks.wait(1)


def test_the_median_from_ref_to_look_is_under_ten_milliseconds_and_idling_is_nearly_free(repo):
    ids = [repo.head(), repo.head("HEAD~1")]
    file = repo.path / ".git/refs/heads/main"
    delays = []
    with watching(repo.path) as looks:
        for n in range(15):
            lock = file.with_name("main.lock")
            lock.write_text(ids[(n + 1) % 2] + "\n")
            began = time.perf_counter()
            lock.rename(file)
            looks.wait(n + 1)
            delays.append(looks.at - began)
        before = time.thread_time_ns(), time.process_time()
        subprocess.run(["git", "status"], cwd=repo.path, env=ENVIRONMENT, check=True, capture_output=True)
        assert looks.count == 15
        assert time.process_time() - before[1] < 0.5
    assert statistics.median(delays) < 0.010


def test_other_branches_that_are_wanted_appear_move_and_go_and_those_that_are_not_say_nothing(repo):
    with watching(repo.path, also=lambda branch: branch.startswith("feature/")) as looks:
        repo.git("branch", "other")
        repo.git("branch", "feature/x")
        looks.wait(1)
        repo.git("branch", "-f", "feature/x", "HEAD~1")
        looks.wait(2)
        repo.git("branch", "feature/team/y")
        looks.wait(3)
        repo.git("pack-refs", "--all", "--prune")
        repo.git("branch", "-D", "feature/x", "other")
        looks.wait(4)
        repo.commit({"a": "9"})
        looks.wait(5)
    assert looks.count == 5
