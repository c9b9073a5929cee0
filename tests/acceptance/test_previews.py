"""Branches previewed by a real daemon: they appear, run their own code, move, break, expire, go; forks never come."""

import signal

from helpers_acceptance import ask, ended, events, restart, spec, start, status
from helpers_daemon import Daemon, command, until
from helpers_git import Repo

FLOW = "def f():\n    return {!r}\n"
SPEC = spec("a", "f.py:f", schedules=[{"cron": "0 9 * * *"}])
REAL, SHOWN = "f/a", "f/a--feature-x"
OPTIONS = ("--preview", "feature/*")


def seed(repo: Repo) -> str:
    return repo.commit({"f.py": FLOW.format("main"), "specs/a.yaml": SPEC})


def push(repo: Repo, branch: str, files: dict[str, str | None]) -> str:
    """A commit on a branch, while the work tree is on main before and after."""
    exists = repo.git("branch", "--list", branch)
    repo.checkout(branch) if exists else repo.branch(branch)
    commit = repo.commit(files)
    repo.checkout("main")
    return commit


def shown(repo: Repo, name: str, commit: str) -> None:
    """Wait until a preview is deployed at a commit."""
    until(lambda: status(repo.path).get(name, {}).get("source_commit") == commit, f"{name} is not at {commit[:8]}")


def gone(repo: Repo, name: str) -> str:
    """Wait until a preview is pruned; why it was."""
    until(lambda: name not in status(repo.path), f"{name} is still there")
    return events(repo.path, "PreviewPruned")[-1]["data"]["reason"]


def returned(repo: Repo, name: str) -> object:
    run = ended(repo.path, start(repo.path, name))
    assert run["state"] == "Completed", run["reason"]
    return run["result"]


def test_the_life_of_a_preview(tmp_path):
    repo = Repo(tmp_path / "repo")
    seed(repo)
    first = push(repo, "feature/x", {"f.py": FLOW.format("branch")})
    push(repo, "other", {"f.py": FLOW.format("other")})
    with Daemon(repo, *OPTIONS) as daemon:
        shown(repo, SHOWN, first)
        assert status(repo.path).keys() == {REAL, SHOWN}
        assert (returned(repo, SHOWN), returned(repo, REAL)) == ("branch", "main")
        row = ask(repo.path, "show", SHOWN)
        assert (row["sync"], row["health"], row["next_due"], row["preview"]) == ("Synced", "Paused", None, "feature/x")
        assert row["previewed"]["revision"] == row["source_commit"] == first
        assert "preview of feature/x" in command(repo.path, "status").stdout

        # Main moves, and no run of the preview sees it; the branch moves, and the tracked one does not.
        main = repo.commit({"f.py": FLOW.format("main 2")})
        daemon.applied(main)
        assert returned(repo, SHOWN) == "branch"
        second = push(repo, "feature/x", {"f.py": FLOW.format("branch 2")})
        shown(repo, SHOWN, second)
        assert (returned(repo, SHOWN), returned(repo, REAL)) == ("branch 2", "main 2")

        # A broken branch is its own trouble: what it had stays, and its problem is shown with it.
        push(repo, "feature/x", {"specs/a.yaml": "deployments: [{name: a, entrypoint: f.py:f, paused: perhaps}]"})
        until(lambda: status(repo.path)[SHOWN]["health"] == "Invalid")
        assert "problem of feature/x specs/a.yaml:1" in command(repo.path, "status").stdout
        assert "paused" in ask(repo.path, "show", SHOWN)["problems"][0]["key"]
        assert (status(repo.path)[REAL]["health"], ask(repo.path, "show", REAL)["problems"]) == ("Healthy", [])
        assert returned(repo, SHOWN) == "branch 2"
        third = push(repo, "feature/x", {"specs/a.yaml": SPEC})
        shown(repo, SHOWN, third)

        # Killed and started again, a daemon knows its previews from the log and says nothing new.
        before = ask(repo.path, "verify")["events"]
        restart(daemon, signal.SIGKILL)
        assert returned(repo, SHOWN) == "branch 2"
        types = [event["type"] for event in events(repo.path)[before:]]
        assert {type_.removeprefix("Run") for type_ in types} <= {"Created", "Pending", "Running", "Completed"}

        repo.git("branch", "-D", "feature/x")
        assert gone(repo, SHOWN) == "the branch is gone"
        assert "no deployment" in command(repo.path, "run", SHOWN).stderr
        assert ask(repo.path, "verify")["problems"] == []


def test_a_daemon_that_previews_no_more_prunes_what_was_previewed(tmp_path):
    repo = Repo(tmp_path / "repo")
    seed(repo)
    commit = push(repo, "feature/x", {"f.py": FLOW.format("branch")})
    assert command(repo.path, "serve", "--once", *OPTIONS).returncode == 0
    assert status(repo.path)[SHOWN]["source_commit"] == commit
    seq = ask(repo.path, "verify")["events"]
    assert command(repo.path, "serve", "--once", *OPTIONS).returncode == 0
    assert ask(repo.path, "verify")["events"] == seq
    assert command(repo.path, "serve", "--once").returncode == 0
    assert status(repo.path).keys() == {REAL}
    assert "not previewed any more" in events(repo.path, "PreviewPruned")[-1]["data"]["reason"]


def test_a_preview_whose_time_is_over_comes_back_when_its_branch_moves(tmp_path):
    repo = Repo(tmp_path / "repo")
    seed(repo)
    push(repo, "feature/x", {"f.py": FLOW.format("branch")})
    with Daemon(repo, *OPTIONS, "--preview-ttl", "500ms"):
        until(lambda: events(repo.path, "PreviewPruned"))
        assert "its time was over" in gone(repo, SHOWN)
        assert "push to it to have it back" in command(repo.path, "status").stdout
        push(repo, "feature/x", {"f.py": FLOW.format("again")})
        until(lambda: len(events(repo.path, "PreviewApplied")) == 2)
        until(lambda: len(events(repo.path, "PreviewPruned")) == 2)


def test_branches_of_a_remote_come_and_go_and_pull_requests_of_forks_never_do(tmp_path):
    origin, work = Repo(tmp_path / "origin.git", bare=True), Repo(tmp_path / "work")
    seed(work)
    fork = push(work, "fork", {"f.py": FLOW.format("evil"), "specs/evil.yaml": spec("evil", "f.py:f")})
    branch = push(work, "feature/x", {"f.py": FLOW.format("branch")})
    work.git("remote", "add", "origin", str(origin.path))
    work.git(
        "push", "-q", "origin", "main", "feature/x", f"{fork}:refs/pull/1/head", f"{fork}:refs/merge-requests/1/head"
    )
    origin.git("clone", "-q", "--single-branch", str(origin.path), str(tmp_path / "repo"))
    repo = Repo(tmp_path / "repo", init=False)
    repo.git("branch", "local-only", "main")
    with Daemon(repo, "--remote", "origin", "--interval", "100ms", "--preview", "**"):
        shown(repo, SHOWN, branch)
        assert returned(repo, SHOWN) == "branch"
        moved = push(work, "feature/x", {"f.py": FLOW.format("moved")})
        work.git("push", "-q", "origin", "feature/x")
        shown(repo, SHOWN, moved)
        assert status(repo.path).keys() == {REAL, SHOWN}
        work.git("push", "-q", "origin", ":feature/x")
        assert gone(repo, SHOWN) == "the branch is gone"
        assert repo.git("for-each-ref", "refs/pull", "refs/merge-requests", "refs/remotes/origin/feature") == ""
        assert {e["subject"] for e in events(repo.path, "PreviewApplied")} == {"feature/x"}


def test_a_pattern_that_is_none_is_one_clear_error(tmp_path):
    repo = Repo(tmp_path / "repo")
    seed(repo)
    done = command(repo.path, "serve", "--once", "--preview", "refs/pull/*")
    assert done.returncode == 2
    assert "patterns are of branch names" in done.stderr
    assert "Traceback" not in done.stderr
