"""Whatever moves the tracked branch is seen, and nothing else deploys or prunes: real git against a real daemon."""

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from helpers_acceptance import ask, ended, events, restart, spec, start, state_root, status
from helpers_daemon import Daemon, command, environment, until
from helpers_git import Repo

FLOW = "def f():\n    return {n}\n"


def flow(n: object) -> str:
    return FLOW.format(n=n)


def seed(repo: Repo) -> str:
    return repo.commit({"f.py": flow(0), "specs/a.yaml": spec("a", "f.py:f")})


def clone(of: Repo, to: Path) -> Repo:
    of.git("clone", "-q", str(of.path), str(to))
    found = Repo(to, init=False)
    found._commits = of._commits + 100  # its dates differ from the other's
    return found


def at(daemon: Daemon, revision: str) -> None:
    """The daemon applied the revision, and says so in its log."""
    daemon.applied(revision)
    assert status(daemon.repo.path)["f/a"]["sync"] == "Synced"
    assert events(daemon.repo.path, "RevisionApplied")[-1]["data"]["revision"] == revision


def test_every_move_in_a_normal_repository(tmp_path):
    repo = Repo(tmp_path / "repo")
    first = seed(repo)
    with Daemon(repo) as daemon:
        at(daemon, first)
        second = repo.commit({"f.py": flow(1)})
        at(daemon, second)
        assert status(repo.path)["f/a"]["source_commit"] == second

        # A rebase: the same change on another base; one rewind, recorded with both ends.
        repo.branch("base", first)
        based = repo.commit({"other": "x"})
        repo.checkout("main")
        repo.git("rebase", "-q", "base")
        rebased = repo.head()
        at(daemon, rebased)
        assert events(repo.path, "HistoryRewound")[-1]["data"] == {"before": second, "after": rebased}
        assert based in repo.git("log", "--format=%H")

        # packed refs and gc move nothing, and later moves are seen all the same.
        for words in (["pack-refs", "--all"], ["gc", "-q", "--prune=now"], ["pack-refs", "--all", "--prune"]):
            seq = ask(repo.path, "verify")["events"]
            repo.git(*words)
            head = repo.commit({"f.py": flow(words[0] + str(seq)).replace("return ", "return '").rstrip() + "'\n"})
            at(daemon, head)
            assert [e["type"] for e in events(repo.path)[seq:]] == ["RevisionApplied"]
        result = ended(repo.path, start(repo.path, "f/a"))
        assert result["state"] == "Completed", result["reason"]

        # A reset back (to an old commit) is a rewind too; and forward again is not.
        repo.git("reset", "-q", "--hard", rebased)
        at_reset = until(lambda: events(repo.path, "HistoryRewound")[1:])
        assert at_reset[-1]["data"] == {"before": head, "after": rebased}
        repo.git("reset", "-q", "--hard", head)
        until(lambda: events(repo.path, "RevisionApplied")[-1]["data"]["revision"] == head)
        assert len(events(repo.path, "HistoryRewound")) == 2
        assert ask(repo.path, "verify")["problems"] == []


def test_a_checkout_of_another_branch_deploys_and_prunes_nothing(tmp_path):
    repo = Repo(tmp_path / "repo")
    seed(repo)
    with Daemon(repo) as daemon:
        seq = ask(repo.path, "verify")["events"]
        repo.git("checkout", "-q", "--orphan", "empty")
        repo.git("rm", "-rfq", ".")
        repo.commit({"specs/b.yaml": spec("b", "g.py:g"), "g.py": "def g(): ...\n"})
        repo.git("checkout", "-q", "--detach", "main")
        head = repo.commit({"f.py": flow("detached")})
        repo.git("stash", "list")
        repo.git("checkout", "-q", "empty")
        # A request is answered after what was seen before it: this one proves that nothing came of all that.
        assert ended(repo.path, start(repo.path, "f/a"))["result"] == 0
        assert {e["type"] for e in events(repo.path)[seq:] if e["subject"] == "repository"} == set()
        restart(daemon)  # HEAD names another branch now; the log names the tracked one
        assert status(repo.path).keys() == {"f/a"}
        repo.git("checkout", "-q", "main")
        last = repo.commit({"f.py": flow(2)})
        daemon.applied(last)
        assert head not in {e["revision"] for e in events(repo.path)}
        assert {e["data"].get("branch") for e in events(repo.path, "BranchTracked")} == {"main"}


def test_pushes_into_a_bare_repository(tmp_path):
    bare = Repo(tmp_path / "bare.git", bare=True)
    work = clone(bare, tmp_path / "work")
    first = seed(work)
    work.git("push", "-q", "origin", "main")
    with Daemon(bare) as daemon:
        at(daemon, first)
        second = work.commit({"f.py": flow(1)})
        work.git("push", "-q", "origin", "main")
        at(daemon, second)
        bare.git("pack-refs", "--all")
        bare.git("gc", "-q")
        work.git("reset", "-q", "--hard", first)
        forced = work.commit({"f.py": flow(2)})
        work.git("push", "-q", "--force", "origin", "main")
        at(daemon, forced)
        assert events(bare.path, "HistoryRewound")[-1]["data"] == {"before": second, "after": forced}
        assert ended(bare.path, start(bare.path, "f/a"))["result"] == 2


def test_a_linked_worktree_shares_state_and_sees_moves(tmp_path):
    repo = Repo(tmp_path / "repo")
    first = seed(repo)
    repo.git("worktree", "add", "-q", "-b", "side", str(tmp_path / "linked"))
    linked = Repo(tmp_path / "linked", init=False)
    linked._commits = 50
    with Daemon(linked, "--branch", "side") as daemon:
        at(daemon, first)
        assert (repo.path / ".git/reconciler/log.db").exists()
        second = linked.commit({"f.py": flow(1)})
        at(daemon, second)
        repo.git("gc", "-q")
        third = linked.commit({"f.py": flow(2)})
        at(daemon, third)
        assert ended(repo.path, start(repo.path, "f/a"))["result"] == 2  # asked from the main work tree
        before = len(events(repo.path))
        repo.commit({"f.py": flow("main")})  # not the tracked branch
        assert ended(linked.path, start(linked.path, "f/a"))["result"] == 2
        assert [e for e in events(repo.path)[before:] if e["subject"] == "repository"] == []


def test_one_daemon_and_a_private_state(tmp_path):
    repo = Repo(tmp_path / "repo")
    seed(repo)
    with Daemon(repo) as daemon:
        second = command(repo.path, "serve")
        assert second.returncode == 1
        assert daemon.process is not None
        assert f"pid {daemon.process.pid}" in second.stderr
        state = state_root(repo)
        assert stat.S_IMODE(state.stat().st_mode) == 0o700
        assert stat.S_IMODE((state / "socket").stat().st_mode) == 0o600
        assert stat.S_ISSOCK((state / "socket").stat().st_mode)
        loose = [p for p in state.rglob("*") if p.is_file() and stat.S_IMODE(p.stat().st_mode) & 0o077]
        assert [p for p in loose if "copies" not in p.parts] == []


def test_a_state_path_longer_than_a_socket_address(tmp_path):
    repo = Repo(tmp_path / "repo")
    seed(repo)
    deep = tmp_path / ("x" * 60) / ("y" * 60) / "state"
    words = [sys.executable, "-m", "reconciler", "-C", str(repo.path), "--state-dir", str(deep)]
    with subprocess.Popen([*words, "serve"], env=environment(), stderr=subprocess.PIPE) as served:
        try:
            until((deep / "socket").exists)
            told = until(
                lambda: (d := subprocess.run([*words, "run", "f/a", "--wait"], env=environment(), check=False,
                                             capture_output=True, text=True, timeout=60)).returncode == 0 and d
            )  # fmt: skip
            assert "Completed" in told.stderr
        finally:
            served.terminate()
            served.communicate(timeout=30)
    assert not (repo.path / ".git/reconciler").exists()


@pytest.fixture
def remote(tmp_path):
    """An upstream, and a clone of it that a daemon follows by its remote."""
    up = Repo(tmp_path / "up")
    seed(up)
    return up, clone(up, tmp_path / "here")


def test_a_remote_is_tracked_and_the_work_tree_left_alone(remote, tmp_path):
    up, here = remote
    (here.path / "f.py").write_text("half written (")
    before = (here.head(), here.git("status", "--porcelain"))
    with Daemon(here, "--remote", "origin", "--interval", "200ms") as daemon:
        second = up.commit({"f.py": flow(1)})
        at(daemon, second)
        assert (here.head(), here.git("status", "--porcelain")) == before
        assert ended(here.path, start(here.path, "f/a"))["result"] == 1

        # Unreachable: stale since, runs go on from what is here, nothing is pruned.
        up.path.rename(tmp_path / "away")
        (stale,) = until(lambda: events(here.path, "SourceLost"))
        assert stale["data"]["reason"]
        row = status(here.path)["f/a"]
        assert (row["sync"], row["health"]) == ("Unknown", "Healthy")
        assert "since" in row["reason"] or stale["at"][:10] in row["reason"], row
        assert ended(here.path, start(here.path, "f/a"))["result"] == 1

        (tmp_path / "away").rename(up.path)
        until(lambda: events(here.path, "SourceFound"))
        up.git("reset", "-q", "--hard", "HEAD^")
        forced = up.commit({"f.py": flow(3)})
        at(daemon, forced)
        assert events(here.path, "HistoryRewound")[-1]["data"] == {"before": second, "after": forced}
        assert len(events(here.path, "SourceLost")) == len(events(here.path, "SourceFound")) == 1
        assert (here.head(), here.git("status", "--porcelain")) == before

        # The branch goes upstream: stale again, nothing pruned.
        up.git("checkout", "-q", "--detach")
        up.git("branch", "-q", "-D", "main")
        until(lambda: len(events(here.path, "SourceLost")) == 2)
        assert status(here.path).keys() == {"f/a"}


def test_branches_that_specs_name_are_those_of_the_remote(remote):
    up, here = remote
    up.git("branch", "side")
    pull = "pull: [{{git_clone: {{repository: ., branch: {0}}}}}]"
    text = "".join(f"  - {{name: {b}, entrypoint: 'f.py:f', {pull.format(b)}}}\n" for b in ("main", "side"))
    up.commit({"specs/b.yaml": f"deployments:\n{text}"})
    here.git("fetch", "-q")
    here.git("branch", "-q", "side", "origin/side")  # as cloned: nobody moves it, nor main
    with Daemon(here, "--remote", "origin", "--interval", "200ms"):
        heads = {"main": up.commit({"f.py": flow(1)})}
        up.git("checkout", "-q", "side")
        heads["side"] = up.commit({"f.py": flow(2)})
        until(lambda: {n: status(here.path).get(f"f/{n}", {}).get("source_commit") for n in heads} == heads)


def test_credentials_in_a_remotes_url_are_never_told(remote):
    _, here = remote
    here.git("remote", "set-url", "origin", "https://me:t0psecret@127.0.0.1:9/x.git")
    with Daemon(here, "--remote", "origin", "--interval", "200ms") as daemon:
        (lost,) = until(lambda: events(here.path, "SourceLost"))
        assert "127.0.0.1" in lost["data"]["reason"]
        shown = daemon.output.read_text() + command(here.path, "events", "--json").stdout
        shown += command(here.path, "status").stdout + command(here.path, "plan").stderr
        assert "t0psecret" not in shown
        holding = [p for p in state_root(here).rglob("*") if p.is_file() and b"t0psecret" in p.read_bytes()]
        assert holding == []


def test_a_deleted_branch_prunes_nothing_and_comes_back(tmp_path):
    repo = Repo(tmp_path / "repo")
    head = seed(repo)
    with Daemon(repo):
        repo.git("checkout", "-q", "--detach")
        repo.git("branch", "-q", "-D", "main")
        (lost,) = until(lambda: events(repo.path, "SourceLost"))
        assert "main" in lost["data"]["reason"]
        assert status(repo.path)["f/a"]["sync"] == "Unknown"
        assert ended(repo.path, start(repo.path, "f/a"))["state"] == "Completed"
        repo.git("branch", "main", head)
        until(lambda: events(repo.path, "SourceFound"))
        assert events(repo.path, "DeploymentPruned") == []
        assert status(repo.path)["f/a"]["sync"] == "Synced"


def test_a_repository_that_vanishes_and_returns(tmp_path):
    """Objects gone behind the daemon's back are an unavailable source, never an empty desired state."""
    repo = Repo(tmp_path / "repo")
    seed(repo)
    with Daemon(repo) as daemon:
        objects = repo.path / ".git/objects"
        head = repo.commit({"f.py": flow(1)})
        daemon.applied(head)
        shutil.copytree(objects, tmp_path / "kept")
        broken = repo.commit({"specs/a.yaml": spec("a", "f.py:f", tags=["x"])})
        daemon.applied(broken)
        last = repo.commit({"specs/a.yaml": spec("a", "f.py:f", tags=["y"])})
        daemon.applied(last)
        repo.git("update-ref", "refs/heads/main", head)
        until(lambda: events(repo.path, "HistoryRewound"))
        (repo.path / ".git/refs/heads/main").write_text("f" * 40 + "\n")
        until(lambda: events(repo.path, "SourceLost"))
        assert status(repo.path).keys() == {"f/a"}
        (repo.path / ".git/refs/heads/main").write_text(head + "\n")
        until(lambda: events(repo.path, "SourceFound"))
        assert events(repo.path, "DeploymentPruned") == []


def test_the_guard_and_its_confirmation(tmp_path):
    repo = Repo(tmp_path / "repo")
    files = {f"specs/{n}.yaml": spec(n, "f.py:f") for n in "abcde"}
    first = repo.commit({"f.py": flow(0), **files})
    with Daemon(repo) as daemon:
        dropped = repo.commit({f"specs/{n}.yaml": None for n in "abc"})
        (refused,) = until(lambda: events(repo.path, "RevisionRefused"))
        assert refused["data"]["prunes"] == ["f/a", "f/b", "f/c"]
        assert len(status(repo.path)) == 5
        restart(daemon)  # a restart asks again, and says it no second time
        assert len(status(repo.path)) == 5
        wrong = command(repo.path, "confirm", first, "--reason", "x")
        assert wrong.returncode == 1
        done = command(repo.path, "confirm", dropped, "--reason", "they are done")
        assert done.returncode == 0, done.stderr
        assert status(repo.path).keys() == {"f/d", "f/e"}
        assert len(events(repo.path, "RevisionRefused")) == 1
        (confirmed,) = events(repo.path, "RevisionConfirmed")
        assert confirmed["data"]["reason"] == "they are done"
        assert confirmed["data"]["who"]
        daemon.applied(repo.commit({"specs/d.yaml": None}))  # one of two: below the guard
        assert status(repo.path).keys() == {"f/e"}


def test_asking_twice_adds_nothing(tmp_path):
    repo = Repo(tmp_path / "repo")
    yearly = {"cron": "0 0 1 1 *"}
    head = repo.commit({"f.py": flow(0), "specs/a.yaml": spec("a", "f.py:f", schedules=[yearly])})
    with Daemon(repo) as daemon:
        assert command(repo.path, "suspend", "f/a", "--reason", "hands off").returncode == 0
        before = [e["hash"] for e in events(repo.path)]
        for _ in range(2):
            restart(daemon)
        os.utime(repo.path / ".git/refs/heads/main")
        repo.git("update-ref", "refs/heads/main", head)
        repo.git("pack-refs", "--all")
        status(repo.path)
        command(repo.path, "cancel", "nothing")  # answered after all that was seen
        assert [e["hash"] for e in events(repo.path)] == before
        row = status(repo.path)["f/a"]
        assert (row["health"], row["generation"]) == ("Suspended", 1)
        empty = repo.commit(message="an empty commit moves nothing")
        daemon.applied(empty)
        row = status(repo.path)["f/a"]
        assert (row["health"], row["generation"], row["source_commit"]) == ("Suspended", 1, head)
        once = command(repo.path, "serve", "--once")
        assert re.search(r"pid \d+", once.stderr)
