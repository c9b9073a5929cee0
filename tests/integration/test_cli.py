"""The verbs as people and programs use them: the real command against a real daemon on a real repository."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner
from helpers_daemon import Daemon, answer, command, environment, until
from helpers_git import Repo

from reconciler.cli import cli
from reconciler.model.errors import ReconcilerError

FLOWS = '''\
import time

def hello(name: str, n: int = 1, wait: float = 0.0):
    """Say hello."""
    print("hello", name, n, flush=True)
    time.sleep(wait)
    return {"hi": name}

def bad():
    print("\\x1b[31mred", flush=True)
    raise ValueError("no \\x1b[31m good")

def slow():
    print("slow", flush=True)
    time.sleep(120)
'''
HELLO = """\
deployments:
  - name: main
    entrypoint: flows/f.py:hello
    tags: [a, b]
    parameters: {name: world}
    schedules:
      - {cron: "0 0 1 1 *", slug: yearly}
"""
OTHERS = """\
deployments:
  - {name: bad, entrypoint: "flows/f.py:bad"}
  - {name: slow, entrypoint: "flows/f.py:slow", concurrency_limit: 1}
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    repo = Repo(tmp_path_factory.mktemp("served") / "repo")
    repo.commit({"specs/hello.yaml": HELLO, "specs/others.yaml": OTHERS, "flows/f.py": FLOWS}, "first")
    with Daemon(repo) as daemon:
        yield daemon


@pytest.fixture(scope="module")
def path(served):
    return served.repo.path


@pytest.fixture(scope="module")
def done(path):
    """A run that Completed."""
    ran = command(path, "run", "hello/main", "-p", "name=42", "-p", "n=3", "--tag", "x", "--wait")
    assert ran.returncode == 0, ran.stderr
    assert re.findall(r"Z  (\w+)", ran.stderr) == ["Scheduled", "Pending", "Running", "Completed"]
    return ran.stdout.strip()


@pytest.fixture(scope="module")
def failed(path):
    ran = command(path, "run", "bad/bad", "--wait")
    assert ran.returncode == 1
    assert "Failed: ValueError: no ?[31m good" in ran.stderr
    return ran.stdout.strip()


@pytest.fixture
def slow(path):
    """A run that goes on until it is cancelled."""
    run = command(path, "run", "slow/slow").stdout.strip()
    until(lambda: answer(path, "show", run)["state"] == "Running")
    yield run
    command(path, "cancel", run)
    until(lambda: answer(path, "show", run)["finished_at"])


def test_status_has_the_documented_keys(path, done, failed):
    rows = {row["deployment"]: row for row in answer(path, "status")}
    assert list(rows) == ["bad/bad", "hello/main", "slow/slow"]
    hello = rows["hello/main"]
    assert list(hello) == (
        "deployment version source_commit spec_commit generation quarantined sync health reason next_due "
        "last_run preview".split()
    )
    assert (hello["sync"], hello["health"], hello["last_run"]["state"]) == ("Synced", "Healthy", "Completed")
    assert re.fullmatch(r"\d{4}-01-01T00:00:00\.000000Z", hello["next_due"])
    assert (rows["bad/bad"]["health"], rows["bad/bad"]["next_due"]) == ("Degraded", None)


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (["--tag", "a", "--tag", "b"], ["hello/main"]),
        (["--tag", "a", "--tag", "c"], []),
        (["--health", "degraded"], ["bad/bad"]),
        (["--sync", "OutOfSync"], []),
        (["--state", "Completed"], ["hello/main"]),
        (["--since", "2100-01-01"], []),
        (["--until", "2100-01-01", "--state", "failed", "--state", "completed"], ["bad/bad", "hello/main"]),
    ],
)
def test_status_filters(path, done, failed, options, names):
    assert [row["deployment"] for row in json.loads(inside(path, "status", *options, "--json").stdout)] == names


def test_runs_are_newest_first_with_the_documented_keys(path, done, failed):
    rows = answer(path, "runs")
    times = [row["created_at"] for row in rows]
    assert times == sorted(times, reverse=True)
    row = next(row for row in rows if row["id"] == done)
    assert (
        list(row)
        == (
            "id name deployment state reason version source_commit generation attempt due created_at started_at "
            "finished_at parameters trigger tags waiting"
        ).split()
    )
    assert (row["parameters"], row["tags"], row["trigger"]) == ({"name": "42", "n": 3}, ["a", "b", "x"], "manual")


@pytest.mark.parametrize(
    ("options", "which"),
    [
        (["hello/main", "--tag", "x"], "done"),
        (["--state", "failed"], "failed"),
        (["--until", "2000-01-01"], None),
        (["--since", "2100-01-01T00:00:00+02:00"], None),
    ],
)
def test_runs_filter(path, done, failed, options, which):
    expected = {"done": [done], "failed": [failed], None: []}[which]
    assert [row["id"] for row in json.loads(inside(path, "runs", *options, "--json").stdout)] == expected


def test_show_tells_everything_of_a_run(path, done, failed):
    run = answer(path, "show", done[:7])
    assert (run["id"], run["result"], run["error"], run["next"]) == (done, {"hi": "42"}, None, None)
    assert run["commit"] == run["source_commit"]
    assert run["exit"] == {"code": 0, "signal": None}
    error = answer(path, "show", failed)["error"]
    assert error["type"] == "ValueError"
    assert "raise ValueError" in error["traceback"]
    text = command(path, "show", failed).stdout
    assert "ValueError: no ?[31m good" in text
    assert "\x1b" not in text


def test_show_of_a_waiting_run_says_why_since_and_what_next(path, slow):
    second = command(path, "run", "slow/slow").stdout.strip()
    run = until(lambda: (r := answer(path, "show", second))["state"] == "AwaitingConcurrencySlot" and r)
    assert run["reason"] == "deployment slow/slow is full (1 of 1)"
    assert run["since"]
    assert run["next"] == f"it starts when that slot is free: held by run {slow}"
    assert run["waiting"] == {key: run[key] for key in ("reason", "since", "until", "next")}
    listed = command(path, "runs", "slow/slow", "--state", "AwaitingConcurrencySlot").stdout.splitlines()
    assert (listed[0].split()[-1], listed[1].endswith(run["next"])) == ("NEXT", True)
    assert command(path, "cancel", second, "--reason", "not needed").stdout == f"{second} Cancelled\n"
    assert answer(path, "show", second)["reason"] == "not needed"


def test_show_tells_everything_of_a_deployment(path, done):
    told = answer(path, "show", "hello/main")
    assert told["file"] == "specs/hello.yaml"
    assert told["spec"]["parameters"] == {"name": "world"}
    assert told["version_info"]["message"] == "first"
    (schedule,) = told["schedules"]
    assert (schedule["id"], len(schedule["next"]), told["next_due"]) == ("yearly", 3, schedule["next"][0])
    assert answer(path, "slots", "hello/main", "--count", "3") == schedule["next"]
    assert "parameter name (required)" in command(path, "show", "hello/main").stdout


def test_history_counts_the_runs_of_each_version(path, done):
    (row,) = answer(path, "history", "hello/main")
    assert (row["what"], row["author"], row["subject"], row["generation"]) == ("created", "Ada Lovelace", "first", 1)
    assert row["runs"] == len(answer(path, "runs", "hello/main"))


def test_the_same_key_gives_the_same_run(path):
    words = ["run", "hello/main", "--key", "once", "--name", "one", "--params"]
    first = command(path, *words, '{"n": 2}')
    again = command(path, *words, "-", "-p", "n=9", input='{"name": "x"}')
    assert first.stdout == again.stdout
    run = answer(path, "show", first.stdout.strip())
    assert (run["name"], run["parameters"]) == ("one", {"name": "world", "n": 2})


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["run", "hello/mian"], 1, "did you mean 'hello/main'?"),
        (["run", "hello/main", "-p", "n=x"], 2, "parameter 'n': expected integer, got 'x'"),
        (["run", "hello/main", "-p", "nope=1"], 2, "nope"),
        (["run", "hello/main", "--params", "[1]"], 2, "--params: parameters are an object"),
        (["run", "hello/main", "--params", "{"], 2, "--params: not JSON"),
        (["runs", "nope/nope"], 1, "no deployment 'nope/nope'"),
        (["runs", "--state", "Lost"], 2, "there is no state 'Lost'"),
        (["status", "--health", "Fine"], 2, "--health: there is no 'Fine'"),
        (["status", "--state", "Lost"], 2, "--state: there is no 'Lost'"),
        (["logs", "hello/main"], 1, "`reconciler runs hello/main` lists them"),
        (["runs", "--since", "soon"], 2, "--since: 'soon' is no moment"),
        (["show", "nope"], 1, "no run 'nope'"),
        (["history", "a/b"], 1, "no deployment 'a/b'"),
        (["logs", "nope"], 1, "no run 'nope'"),
        (["cancel", "nope"], 1, "there is no run 'nope'"),
        (["suspend", "hello/main"], 2, "--reason"),
        (["resume", "hello/main"], 1, "hello/main is not suspended"),
        (["confirm", "HEAD", "--reason", "x"], 1, "no revision is refused"),
        (["events", "--type", "Nope"], 2, "there is no type 'Nope'"),
        (["slots", "hello/main", "--cron", "* * * * *"], 2, "not both"),
        (["plan", "nope"], 1, "'nope' is no branch, tag or commit"),
        (["sohw"], 2, "There is no verb 'sohw'"),
    ],
)
def test_what_is_refused_is_one_clear_message(path, words, code, says):
    done = inside(path, *words)
    told = str(done.exception) if isinstance(done.exception, ReconcilerError) else done.stderr
    assert (getattr(done.exception, "exit_code", done.exit_code), done.stdout) == (code, "")
    assert says in told


def test_a_past_before_the_deployment_was_there_says_how_to_look_further_back(path):
    done = inside(path, "slots", "hello/main", "--past", "--to", "2001-01-01")
    assert (done.exit_code, done.stdout) == (0, "no slots there\n")
    assert re.fullmatch(r"hello/main is there since .*Z: --from looks further back\n", done.stderr)


def test_an_error_is_printed_without_a_traceback(path):
    done = command(path, "run", "hello/mian")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: no deployment 'hello/mian'\n  did you mean 'hello/main'?\n"
    done = command(path, "sohw")
    assert (done.returncode, done.stdout) == (2, "")
    assert "There is no verb 'sohw'" in done.stderr


def inside(path, *words):
    """The verb run in this process, where many cases ask for no process of their own."""
    return CliRunner().invoke(cli, ["-C", str(path), *words])


def test_suspend_and_resume(path):
    assert command(path, "suspend", "hello/main", "--reason", "why").stdout == "hello/main is suspended: why\n"
    (row,) = answer(path, "status", "--health", "Suspended")
    assert (row["deployment"], row["reason"].partition(" (")[0], row["next_due"]) == ("hello/main", "why", None)
    assert "suspended" in command(path, "slots", "hello/main", "--count", "1").stderr
    assert command(path, "resume", "hello/main", "--reason", "done").stdout == "hello/main is resumed\n"
    events = [
        json.loads(line) for line in command(path, "events", "--subject", "hello/main", "--json").stdout.splitlines()
    ]
    assert [e["data"].get("reason") for e in events if e["type"].endswith(("Suspended", "Resumed"))] == ["why", "done"]


def test_events_are_an_object_a_line_in_order(path, done):
    lines = [json.loads(line) for line in command(path, "events", "--json").stdout.splitlines()]
    assert [e["seq"] for e in lines] == list(range(1, len(lines) + 1))
    assert set(lines[0]) == {"seq", "type", "subject", "at", "revision", "data", "hash"}
    seqs = [
        json.loads(x)["seq"]
        for x in command(path, "events", "--since-seq", "2", "--limit", "3", "--json").stdout.splitlines()
    ]
    assert seqs == [3, 4, 5]
    newest = command(path, "events", "--limit", "1", "--type", "RunCompleted", "--json").stdout
    assert json.loads(newest) == [e for e in lines if e["type"] == "RunCompleted"][-1]


def test_events_follow(path):
    seq = json.loads(command(path, "events", "--limit", "1", "--json").stdout)["seq"]
    words = [*follow(path, "events"), "--since-seq", str(seq), "--type", "RunCompleted", "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, env=environment()) as child:
        run = command(path, "run", "hello/main").stdout.strip()
        assert child.stdout is not None
        assert json.loads(child.stdout.readline())["subject"] == run
        child.terminate()


def test_logs_are_raw_bytes_and_follow_to_the_end(path, failed):
    assert command(path, "logs", failed).stdout.startswith("\x1b[31mred\nTraceback")
    run = command(path, "run", "hello/main", "-p", "wait=0.4").stdout.strip()
    assert command(path, "logs", "-f", run).stdout == "hello world 1\n"
    assert answer(path, "show", run)["state"] == "Completed"


def test_logs_on_a_terminal_have_no_control_characters(path, failed):
    ours, theirs = os.openpty()
    words = [*follow(path, "logs")[:-1], failed]
    with subprocess.Popen(words, stdout=theirs, env=environment()) as child:
        child.wait(timeout=30)
        assert os.read(ours, 100).startswith(b"?[31mred\r\nTraceback")
    os.close(ours)
    os.close(theirs)


def test_logs_follow_from_one_attempt_to_the_next(tmp_path):
    flow = """\
from pathlib import Path
from reconciler import flow

@flow(retries=1)
def twice(mark: str):
    first = not Path(mark).exists()
    Path(mark).touch()
    print("first" if first else "second", flush=True)
    if first:
        raise ValueError
"""
    repo = Repo(tmp_path / "repo")
    repo.commit({"specs/a.yaml": "deployments: [{name: main, entrypoint: 'f.py:twice'}]\n", "f.py": flow})
    with Daemon(repo):
        run = command(repo.path, "run", "twice/main", "-p", f"mark={tmp_path}/mark").stdout.strip()
        told = command(repo.path, "logs", "-f", run)
        lines = [line for line in told.stdout.splitlines() if line in ("first", "second")]
        assert lines[-1] == "second"
        assert answer(repo.path, "show", run)["attempt"] == 2
        assert command(repo.path, "logs", run).stdout == "second\n"


def test_logs_say_why_there_is_nothing(path, served, done):
    run = command(path, "run", "hello/main", "--wait").stdout.strip()
    shutil.rmtree(path / ".git/reconciler/runs" / run)
    told = command(path, "logs", run)
    assert (told.returncode, told.stdout) == (0, "")
    assert f"the output of run {run} is not kept any more" in told.stderr


def test_verify_checks_the_whole_log_while_the_daemon_serves(path, done, failed):
    found = answer(path, "verify")
    assert found["problems"] == []
    assert found["events"] > 10
    assert re.fullmatch(r"[0-9a-f]{64}", found["head"])


@pytest.mark.parametrize("coloured", [True, False])
def test_colour_is_for_terminals_and_not_with_no_color(path, done, coloured):
    ours, theirs = os.openpty()
    words = [*follow(path, "runs")[:-1], "--limit", "1"]
    with subprocess.Popen(words, stdout=theirs, env=environment() | ({} if coloured else {"NO_COLOR": "1"})) as child:
        child.wait(timeout=30)
        assert (b"\x1b[" in os.read(ours, 10_000)) is coloured
    os.close(ours)
    os.close(theirs)


def test_a_guarded_revision_waits_for_confirm(tmp_path):
    repo = Repo(tmp_path / "repo")
    repo.commit({"specs/a.yaml": HELLO, "flows/f.py": FLOWS})
    with Daemon(repo) as daemon:
        head = repo.commit({"specs/a.yaml": None}, "drop all")
        until(lambda: "refused" in daemon.output.read_text())
        plan = answer(repo.path, "plan", code=1)
        assert plan["refused"]["prunes"] == ["hello/main"]
        assert f"reconciler confirm {head[:12]}" in command(repo.path, "status").stdout
        (row,) = answer(repo.path, "status")
        assert row["sync"] == "OutOfSync"
        done = command(repo.path, "confirm", head[:9], "--reason", "on purpose")
        assert done.stdout == f"revision {head[:12]} confirmed and applied: on purpose\n", done.stderr
        assert answer(repo.path, "status") == []
        assert [row["what"] for row in answer(repo.path, "history", "hello/main")] == ["pruned", "created"]


def test_history_follows_every_move_and_change(tmp_path):
    repo = Repo(tmp_path / "repo")
    first = repo.commit({"specs/a.yaml": HELLO, "flows/f.py": FLOWS})
    with Daemon(repo) as daemon:
        daemon.applied(first)
        second = repo.commit({"README": "x"}, "words")
        daemon.applied(second)
        third = repo.commit({"specs/a.yaml": HELLO.replace("[a, b]", "[c]")}, "tags")
        daemon.applied(third)
    rows = answer(repo.path, "history", "hello/main")
    assert [(r["what"], r["source_commit"], r["generation"], r["subject"]) for r in rows] == [
        ("updated", third, 2, "tags"),
        ("moved", second, 1, "words"),
        ("created", first, 1, "change"),
    ]
    assert rows[0]["changed"] == ["tags"]


def test_reading_verbs_work_without_a_daemon_and_writing_ones_say_what_to_do(tmp_path):
    repo = Repo(tmp_path / "repo")
    repo.commit({"specs/a.yaml": HELLO + OTHERS.partition("\n")[2], "flows/f.py": FLOWS})
    with Daemon(repo) as daemon:
        command(repo.path, "run", "slow/slow")
        run = until(lambda: [r for r in answer(repo.path, "runs") if r["state"] == "Running"])[0]["id"]
        second = command(repo.path, "run", "slow/slow").stdout.strip()
        until(lambda: answer(repo.path, "show", second)["state"] == "AwaitingConcurrencySlot")
        assert daemon.stop() == 0
        assert "no daemon serves this repository" in command(repo.path, "status").stderr
        assert answer(repo.path, "show", second)["next"].startswith("nothing until a daemon serves")
        assert answer(repo.path, "show", run)["next"].startswith("it goes on")
        for words in (["runs"], ["history", "hello/main"], ["verify"], ["plan"], ["show", "hello/main"]):
            assert command(repo.path, *words).returncode == 0, words
        assert command(repo.path, "logs", run).stdout == "slow\n"
        for words in (
            ["run", "hello/main"], ["cancel", run], ["suspend", "hello/main", "--reason", "x"],
            ["resume", "hello/main", "--reason", "x"], ["confirm", "HEAD", "--reason", "x"],
        ):  # fmt: skip
            done = command(repo.path, *words)
            assert (done.returncode, done.stdout) == (1, "")
            assert done.stderr == "error: no daemon serves this repository\n  start one: reconciler serve\n"
        daemon.start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_another_user_is_told_which_permission_is_missing():
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        repo = Repo(Path(folder) / "repo")
        repo.commit({"specs/a.yaml": HELLO, "flows/f.py": FLOWS})
        assert command(repo.path, "serve", "--once").returncode == 0
        for words in (["status"], ["plan"], ["logs", "x"]):
            done = command_as_nobody(repo.path, *words)
            assert done.returncode == 1, words
            assert "Traceback" not in done.stderr
            assert "this user may not" in done.stderr or "owned by another user" in done.stderr, done.stderr


def command_as_nobody(path, *words):
    # Imported before the change of user, who may not be able to read this Python's libraries.
    code = f"import os, sys; from reconciler.cli import main; import reconciler.cli.{words[0]}; "
    code += "os.setgid(65534); os.setuid(65534); "
    code += f"sys.argv = ['reconciler', '-C', {str(path)!r}, *{list(words)!r}]; main()"
    return subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=False, timeout=60
    )


def follow(path, verb):
    """The words of a following verb; the last one is `-f`."""
    return [sys.executable, "-m", "reconciler", "-C", str(path), verb, "-f"]
