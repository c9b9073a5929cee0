"""A deployment held at a good version while git moves on, released, and reverted for good: a real daemon, real git."""

import signal
import sqlite3

import pytest
from click.testing import CliRunner
from helpers_acceptance import ask, begin, events, output, restart, spec, state_root, status
from helpers_daemon import Daemon, answer, until
from helpers_git import Repo

from reconciler.cli import cli
from reconciler.cli.plan import FORMATS
from reconciler.model.errors import ReconcilerError

NAME = "f/nightly"
GOOD, BAD = "def f(n: int = 1):\n    print('good', n)\n", "def f(n: int = 1):\n    raise ValueError('bad')\n"
LATER = "def f(n: int = 1, m: int = 0):\n    print('later', n, m)\n"
CRON = [{"cron": "0 2 1 1 *", "slug": "new"}]


def files(flow: str, n: int, **fields) -> dict[str, str]:
    return {"f.py": flow, "specs/nightly.yaml": spec("nightly", "f.py:f", parameters={"n": n}, **fields)}


def verb(path, *words: str):
    return CliRunner().invoke(cli, ["-C", str(path), *words])


def ran(path) -> dict:
    """A run asked for now, once it is over."""
    done = verb(path, "run", NAME, "--wait")
    return ask(path, "show", done.stdout.split()[0])


def refused(path, *words: str) -> str:
    done = verb(path, *words)
    assert isinstance(done.exception, ReconcilerError), done.output
    return str(done.exception)


def shown_everywhere(path, good: str, later: str) -> None:
    row = status(path)[NAME]
    assert (row["health"], row["sync"], row["version"]) == ("Quarantined", "OutOfSync", good[:8])
    assert row["reason"].startswith(f"held at {good[:8]}: bad join (")
    assert f"git has {later[:8]}" in row["reason"]
    assert row["quarantined"]["git"] == later[:8]
    shown = ask(path, "show", NAME)
    assert (shown["quarantine"]["reason"], shown["quarantine"]["git"]["source_commit"]) == ("bad join", later)
    assert shown["schedules"] == []
    assert shown["spec"]["parameters"] == {"n": 1}
    assert "quarantined at" in verb(path, "explain", NAME).stdout
    held = f"{NAME} is held at version {good[:8]}: "
    assert {held in verb(path, "plan", "--format", word).stdout for word in FORMATS} == {True}
    assert (path.parent / f"{path.name}.serve.log").read_text().count(f"{held}bad join (") == 2, "and after the restart"
    told = ask(path, "history", NAME)
    assert [(v["what"], v["applied"]) for v in told] == [
        ("updated", False), ("quarantined", True), ("updated", True), ("created", True),
    ]  # fmt: skip
    assert [(v["runs"], v["success_rate"]) for v in told] == [(0, None), (3, 1.0), (1, 0.0), (3, 1.0)]
    assert told[1]["diff"][0] == {"field": "parameters.n", "from": 2, "to": 1}
    assert {d["field"] for d in told[0]["diff"]} >= {"parameters.n", "tags", "parameter_openapi_schema"}


def dropped_with_its_spec(repo: Repo, daemon: Daemon) -> None:
    """What git drops is not held any longer."""
    path = repo.path
    assert verb(path, "quarantine", NAME, "--version", "gen:1", "--reason", "r").exit_code == 0
    repo.commit({"specs/other.yaml": spec("other", "f.py:f")}, "another")
    repo.branch("drop")
    dropped = repo.commit({"specs/nightly.yaml": None}, "drop it")
    assert "with it the quarantine ends" in verb(path, "plan", "drop").stdout
    repo.checkout("main")
    repo.git("merge", "-q", "--ff-only", "drop")
    daemon.applied(dropped)
    assert NAME not in status(path)
    assert [v["what"] for v in ask(path, "history", NAME)][:3] == ["pruned", "moved", "quarantined"]
    assert ask(path, "diff", NAME, "gen:1", "gen:3")["after"]["runs"] == 1


def test_a_good_version_is_held_through_commits_and_kills_until_it_is_released(tmp_path):
    repo = Repo(tmp_path / "repo")
    path = repo.path
    good = repo.commit(files(GOOD, 1), "the good one")
    with Daemon(repo) as daemon:
        assert ran(path)["state"] == "Completed"
        bad = repo.commit(files(BAD, 2, schedules=CRON), "break it")
        daemon.applied(bad)
        assert ran(path)["state"] == "Failed"

        assert "needs a reason" in refused(path, "quarantine", NAME, "--version", "gen:1", "--reason", " ")
        said = refused(path, "quarantine", NAME, "--version", "nope", "--reason", "r")
        assert f"gen:2@{bad[:8]}, gen:1@{good[:8]}" in said
        assert "is not quarantined" in refused(path, "release", NAME, "--reason", "r")
        held = verb(path, "quarantine", NAME, "--version", good[:8], "--reason", "bad join")
        assert held.exit_code == 0, held.output
        assert "is quarantined" in refused(path, "quarantine", NAME, "--version", "gen:1", "--reason", "again")

        first = ran(path)
        assert (first["state"], first["source_commit"], first["generation"]) == ("Completed", good, 1)
        assert output(path, first["id"]) == "good 1\n"
        head = len(events(path))

        # Git moves on, and the daemon dies: still the good one.
        repo.branch("side")
        later = repo.commit(files(LATER, 3, schedules=CRON, tags=["x"]), "more")
        planned = verb(path, "plan", "side")
        assert f"{NAME} is quarantined at {good[:8]}: this change takes effect when it is released" in planned.stdout
        repo.checkout("main")
        repo.git("merge", "-q", "--ff-only", "side")
        daemon.applied(later)
        restart(daemon, signal.SIGKILL)
        again = ran(path)
        assert (again["state"], again["source_commit"], again["version"]) == ("Completed", good, good[:8])
        assert verb(path, "plan").exit_code == 0
        assert head < len(events(path))
        assert verb(path, "verify").exit_code == 0

        shown_everywhere(path, good, later)
        # The commit that is held stays, whatever git does with its branches.
        assert good in repo.git("for-each-ref", "refs/reconciler/pins")

        assert verb(path, "release", NAME, "--reason", "mended").exit_code == 0
        newest = ran(path)
        assert (newest["source_commit"], newest["generation"]) == (later, 3)
        assert output(path, newest["id"]) == "later 3 0\n"
        row = status(path)[NAME]
        assert (row["health"], row["sync"], row["quarantined"]) == ("Healthy", "Synced", None)
        assert ask(path, "history", NAME)[0]["what"] == "released"

        dropped_with_its_spec(repo, daemon)


def test_the_revert_of_a_quarantine_is_a_branch_that_holds_the_good_version(tmp_path):
    repo = Repo(tmp_path / "repo")
    path = repo.path
    repo.commit({"README": "1", **files(GOOD, 1)}, "the good one")
    good = repo.head()
    with Daemon(repo) as daemon:
        bad = repo.commit(files(BAD, 2), "break it")
        other = repo.commit({"README": "2", "added.py": "x = 1\n"}, "something else")
        daemon.applied(other)
        assert verb(path, "quarantine", NAME, "--version", "gen:1", "--reason", "bad join").exit_code == 0
        digest = [e["data"]["held"]["spec"] for e in events(path, "DeploymentQuarantined")]

        said = refused(path, "revert", NAME)
        assert "--whole" in said
        assert "README, added.py, f.py, specs/nightly.yaml" in said
        before = repo.git("status", "--porcelain"), repo.git("for-each-ref", "refs/heads/main")
        told = answer(path, "revert", NAME, "--path", "f.py")
        assert (repo.git("status", "--porcelain"), repo.git("for-each-ref", "refs/heads/main")) == before
        branch = told["branch"]
        assert branch == f"reconciler/revert-f-nightly-{good[:8]}"
        assert [each["commit"] for each in told["reverts"]] == [bad]
        assert [(f["change"], f["path"]) for f in told["files"]] == [("M", "f.py"), ("M", "specs/nightly.yaml")]
        assert told["restores_spec"]
        assert told["plan"] == "1 to update"
        assert repo.git("diff", f"{good}..{branch}", "--", "f.py", "specs/nightly.yaml") == ""
        assert repo.git("diff", "--name-only", f"main..{branch}").split() == ["f.py", "specs/nightly.yaml"]
        message = repo.git("log", "-1", "--format=%an <%ae>%n%B", branch)
        assert message.startswith("Ada Lovelace <ada@example.org>\nRevert f/nightly to")
        assert f"  {bad} break it" in message
        assert "bad join" in message
        repo.git("fsck", "--strict")
        assert answer(path, "revert", NAME, "--path", "f.py")["commit"] == told["commit"]
        assert "exists and holds something else" in refused(path, "revert", NAME, "--whole")

        repo.git("merge", "-q", "--no-ff", "-m", "revert", branch)
        daemon.applied(repo.head())
        assert verb(path, "release", NAME, "--reason", "reverted").exit_code == 0
        assert events(path, "DeploymentUpdated")[-1]["data"]["spec"] == digest[-1]
        assert output(path, ran(path)["id"]) == "good 1\n"
        assert "nothing differs at 'f.py'" in refused(path, "revert", NAME, "--version", "gen:1", "--path", "f.py")
        assert "which version" in refused(path, "revert", NAME)


def test_what_cannot_be_held_is_refused_with_its_reason(tmp_path):
    repo = Repo(tmp_path / "repo")
    path = repo.path
    first = repo.commit(files(GOOD, 1), "first")
    with Daemon(repo) as daemon:
        second = repo.commit(files(GOOD, 2), "second")
        daemon.applied(second)
        third = repo.commit(files(GOOD, 3), "third")
        daemon.applied(third)
        repo.git("tag", "kept", second)
        specs = [e["data"]["spec"] for e in events(path, "DeploymentCreated", "DeploymentUpdated")]
        repo.reset(first)
        fourth = repo.commit({"x": "1"}, "elsewhere")
        daemon.applied(fourth)
        repo.git("reflog", "expire", "--expire=now", "--all")
        repo.git("gc", "-q", "--prune=now")
        gone = refused(path, "quarantine", NAME, "--version", "gen:3", "--reason", "r")
        assert f"commit {third[:12]} is not in the repository any more" in gone
        # What is held stays through a gc though no branch, tag or run names it any more.
        assert verb(path, "quarantine", NAME, "--version", "gen:2", "--reason", "r").exit_code == 0
        until(lambda: second in repo.git("for-each-ref", "refs/reconciler/pins"), "the commit is not pinned")
        restart(daemon)
        repo.git("tag", "-d", "kept")
        repo.git("gc", "-q", "--prune=now")
        assert ran(path)["source_commit"] == second
        assert verb(path, "release", NAME, "--reason", "r").exit_code == 0
        daemon.stop()
        with sqlite3.connect(state_root(repo) / "log.db", timeout=10) as db:
            db.execute("DELETE FROM payloads WHERE digest = ?", (specs[1],))
        begin(daemon)
        purged = refused(path, "quarantine", NAME, "--version", "gen:2", "--reason", "r")
        assert "its spec was purged" in purged
        assert status(path)[NAME]["health"] == "Healthy"


@pytest.fixture(scope="module")
def unserved(tmp_path_factory):
    path = tmp_path_factory.mktemp("unserved") / "repo"
    Repo(path).commit(files(GOOD, 1), "first")
    return path


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("show",), "show what?"),
        (("show", "--at", "nope"), "no branch, tag or commit"),
        (("show", "f/nightl", "--at", "HEAD"), "did you mean 'f/nightly'?"),
        (("history", "f/nightly"), "no log here yet"),
        (("diff", "f/nightly", "gen:1"), "no log here yet"),
        (("revert", "f/nightly"), "no log here yet"),
        (("quarantine", "f/nightly", "--version", "1", "--reason", "r"), "daemon"),
    ],
)
def test_what_is_missing_is_said(unserved, words, says):
    assert says in refused(unserved, *words)
