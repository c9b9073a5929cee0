"""Schedules and runs, with everything that can be done to a run while it is on: real daemons, real flows."""

import contextlib
import datetime as dt
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers_acceptance import (
    ask,
    begin,
    ended,
    events,
    in_state,
    output,
    processes,
    restart,
    specs,
    start,
    state_root,
    status,
)
from helpers_daemon import Daemon, command, environment, until
from helpers_git import ENVIRONMENT, Repo

FLOWS = '''\
"""Flows of every form."""
import asyncio, os, sys, time
from pathlib import Path
from reconciler import flow

VALUE = 1

def plain(n: int = 1, who: str = "spec", extra: dict = {}):
    return {"n": n, "who": who, "value": VALUE, "here": os.path.basename(os.getcwd())}

async def later(n: int = 1):
    await asyncio.sleep(0)
    return n + 1

@flow(name="named", version="v7", log_prints=True)
def decorated():
    print("printed")

@flow(timeout_seconds=0.3)
def slow():
    print("started", flush=True)
    time.sleep(60)

@flow(retries=2, retry_delay_seconds=0)
def flaky(mark: str):
    with open(mark, "a") as file:
        file.write("x")
    if os.path.getsize(mark) < 3:
        raise RuntimeError("again")
    return os.path.getsize(mark)

def inner():
    raise KeyError("deep down")

def broken():
    inner()

def waits(mark: str):
    print("on", flush=True)
    while not Path(mark).exists():
        time.sleep(0.01)
    print("off", flush=True)
    return "whole"

def tells():
    return {"env": sorted(os.environ), "values": [v for v in os.environ.values() if "c4nary" in v], "argv": sys.argv}
'''
MODULE = "def main(n: int = 5):\n    from pkg import helper\n    return helper.twice(n)\n"


def deployments(root: Path) -> list[dict]:
    clone = {"git_clone": {"repository": ".", "id": "src"}}
    return [
        {"name": "a", "entrypoint": "flows.py:plain", "parameters": {"who": "spec"}},
        {"name": "a", "entrypoint": "flows.py:later"},
        {"name": "a", "entrypoint": "flows.py:decorated"},
        {"name": "a", "entrypoint": "flows.py:slow"},
        {"name": "a", "entrypoint": "flows.py:flaky"},
        {"name": "a", "entrypoint": "flows.py:broken"},
        {"name": "a", "entrypoint": "flows.py:waits", "concurrency_limit": 1},
        {"name": "a", "entrypoint": "flows.py:tells"},
        {"name": "module", "entrypoint": "pkg.mod.main", "flow_name": "main"},
        {"name": "dirs", "entrypoint": "flows.py:plain",
         "pull": [{"git_clone": {"repository": ".", "directories": ["flows.py", "pkg"], "id": "src"}},
                  {"run_shell_script": {"script": "ls {{ src.directory }}", "id": "ls"}},
                  {"set_working_directory": {"directory": "{{ src.directory }}"}}]},
        {"name": "branch", "entrypoint": "flows.py:plain",
         "pull": [{"git_clone": {"repository": ".", "branch": "side"}}]},
        {"name": "below", "entrypoint": "deep.py:deep",
         "pull": [clone, {"set_working_directory": {"directory": "{{ src.directory }}/sub"}}]},
    ]  # fmt: skip


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A daemon that serves flows of every form, two of them pinned to other commits."""
    root = tmp_path_factory.mktemp("runs")
    repo = Repo(root / "repo")
    first = repo.commit(
        {
            "flows.py": FLOWS,
            "pkg/__init__.py": "",
            "pkg/mod.py": MODULE,
            "pkg/helper.py": "def twice(n):\n    return 2 * n\n",
            "sub/deep.py": "import os\ndef deep():\n    return os.path.basename(os.getcwd())\n",
            "other/unseen.txt": "not in scope",
        }
    )
    repo.branch("side")
    repo.commit({"flows.py": FLOWS.replace("VALUE = 1", "VALUE = 'side'")})
    repo.checkout("main")
    pinned = {
        "name": "sha",
        "entrypoint": "flows.py:plain",
        "pull": [{"git_clone": {"repository": ".", "commit_sha": first}}],
    }
    repo.commit(
        {
            "specs/all.yaml": specs(*deployments(root), pinned),
            "flows.py": FLOWS.replace("VALUE = 1", "VALUE = 2"),
        }
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ENVIRONMENT, "C4NARY_TOKEN", "c4nary-of-the-daemon")
        with Daemon(repo) as daemon:
            yield daemon


@pytest.fixture(scope="module")
def path(here) -> Path:
    return here.repo.path


def test_every_spec_of_these_is_right(here, path):
    assert ask(path, "plan")["problems"] == []
    assert len(status(path)) == 13


@pytest.mark.parametrize(
    ("deployment", "value"), [("plain/a", 2), ("plain/dirs", 2), ("plain/branch", "side"), ("plain/sha", 1)]
)
def test_a_run_is_laid_out_at_the_commit_it_names(path, deployment, value):
    run = ended(path, start(path, deployment))
    assert (run["state"], run["result"] and run["result"]["value"]) == ("Completed", value), run["reason"]
    assert run["commit"] == run["source_commit"]
    assert run["tree"]
    assert not run["git_present"]


def test_directories_lay_out_the_scope_only(path):
    run = ended(path, start(path, "plain/dirs"))
    assert output(path, run["id"]).split() == ["flows.py", "pkg"]


def test_set_working_directory_and_templates(path):
    assert ended(path, start(path, "deep/below"))["result"] == "sub"


def test_a_module_an_async_flow_and_a_version_of_its_own(path):
    assert ended(path, start(path, "main/module", "-p", "n=4"))["result"] == 8
    assert ended(path, start(path, "later/a"))["result"] == 2
    run = ended(path, start(path, "named/a"))
    assert run["flow_version"] == "v7"
    assert output(path, run["id"]).endswith("INFO    reconciler.flow.named: printed\n")
    other = ended(path, start(path, "plain/a"))
    assert len(other["flow_version"]) == 32
    assert other["version"] == other["source_commit"][:8]


def test_parameters_lie_in_layers(path):
    assert ended(path, start(path, "plain/a"))["result"]["who"] == "spec"
    run = ended(path, start(path, "plain/a", "-p", "who=no", "-p", "n=3"))
    assert (run["result"]["who"], run["result"]["n"], run["parameters"]) == ("no", 3, {"who": "no", "n": 3})


def test_retries_timeout_and_a_traceback_of_the_users_own(path, tmp_path):
    run = ended(path, start(path, "flaky/a", "-p", f"mark={tmp_path}/mark"))
    assert (run["state"], run["attempt"], run["result"]) == ("Completed", 3, 3)
    late = ended(path, start(path, "slow/a"))
    assert (late["state"], output(path, late["id"]).splitlines()[0]) == ("TimedOut", "started")
    error = ended(path, start(path, "broken/a"))["error"]
    lines = error["traceback"].splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert "flows.py" in lines[1]
    assert "in broken" in lines[1]
    frames = [line for line in lines if line.startswith("  File")]
    assert [frame.partition("/work/")[2].partition('"')[0] for frame in frames] == ["flows.py", "flows.py"]


def test_a_queued_run_keeps_its_commit(here, path, tmp_path):
    """With a limit of one: a commit while a run is queued changes later runs, never that one."""
    first = start(path, "waits/a", "-p", f"mark={tmp_path}/go")
    in_state(path, first, "Running")
    queued = start(path, "waits/a", "-p", f"mark={tmp_path}/go")
    in_state(path, queued, "AwaitingConcurrencySlot")
    before = status(path)["waits/a"]["source_commit"]
    head = here.repo.commit({"flows.py": FLOWS.replace("VALUE = 1", "VALUE = 2").replace("whole", "newer")})
    here.applied(head)
    last = start(path, "waits/a", "-p", f"mark={tmp_path}/go")
    here.repo.git("gc", "-q", "--prune=now")
    (tmp_path / "go").touch()
    found = [ended(path, run) for run in (first, queued, last)]
    assert [(r["commit"], r["result"]) for r in found] == [(before, "whole"), (before, "whole"), (head, "newer")]


def test_nothing_of_the_daemons_environment_reaches_a_run(here, path):
    assert here.process is not None
    assert b"c4nary-of-the-daemon" in Path(f"/proc/{here.process.pid}/environ").read_bytes()
    run = ended(path, start(path, "tells/a"))
    assert run["result"]["values"] == []
    assert not {"C4NARY_TOKEN", "GIT_AUTHOR_NAME", "PYTHONPATH"} & set(run["result"]["env"])
    holding = [p for p in state_root(here.repo).rglob("*") if p.is_file() and b"c4nary-of" in p.read_bytes()]
    assert holding == []


# --- fire ------------------------------------------------------------------------------------------------------------


def test_a_killed_run_is_crashed_and_leaves_nothing(path, tmp_path):
    run = start(path, "waits/a", "-p", f"mark={tmp_path}/never")
    until(lambda: "on" in output(path, run))
    owner = json.loads((path / ".git/reconciler/runs" / run / "1/started").read_text())
    os.kill(owner["pid"], signal.SIGKILL)
    told = ended(path, run)
    assert (told["state"], told["exit"]["signal"]) == ("Crashed", 9)
    until(lambda: not processes(run))


def test_a_killed_template_takes_no_run_with_it(path, tmp_path):
    run = start(path, "waits/a", "-p", f"mark={tmp_path}/go")
    until(lambda: "on" in output(path, run))
    owner = json.loads((path / ".git/reconciler/runs" / run / "1/started").read_text())
    os.kill(owner["keeper"], signal.SIGKILL)
    assert ended(path, start(path, "plain/a"))["state"] == "Completed"  # from another template
    (tmp_path / "go").touch()
    told = ended(path, run)
    assert (told["state"], output(path, run)) == ("Completed", "on\noff\n"), told["reason"]


def test_a_run_whose_directory_is_deleted_ends(path, tmp_path):
    run = start(path, "waits/a", "-p", f"mark={tmp_path}/go")
    until(lambda: "on" in output(path, run))
    shutil.rmtree(path / ".git/reconciler/runs" / run)
    (tmp_path / "go").touch()
    assert ended(path, run)["state"] in {"Crashed", "Failed"}
    until(lambda: not processes(run))
    assert ended(path, start(path, "plain/a"))["state"] == "Completed"


def test_a_log_locked_by_another_process_for_two_seconds(path):
    """Longer than a moment: what is asked meanwhile waits or is refused, and nothing is lost or doubled."""
    before = len(ask(path, "runs"))
    words = [sys.executable, "-m", "reconciler", "-C", str(path), "run", "plain/a", "--wait"]
    lock = sqlite3.connect(path / ".git/reconciler/log.db", isolation_level=None, timeout=5)
    lock.execute("BEGIN IMMEDIATE")
    until_free = time.monotonic() + 2.0
    with subprocess.Popen(words, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        while time.monotonic() < until_free:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(timeout=0.05)
        lock.execute("ROLLBACK")
        lock.close()
        done = child.wait(timeout=30)
    assert len(ask(path, "runs")) == before + (done == 0)
    assert ended(path, start(path, "plain/a"))["state"] == "Completed"
    assert ask(path, "verify")["problems"] == []


def test_the_log_of_it_all_verifies_and_no_run_is_left(here, path):
    """Last: everything that was started is over, the chain is whole, and a restart says the same."""
    for row in ask(path, "runs"):
        ended(path, row["id"])
    before = ask(path, "runs")
    restart(here)
    assert ask(path, "runs") == before
    assert ask(path, "verify")["problems"] == []
    assert "Traceback" not in here.output.read_text()


# --- schedules -------------------------------------------------------------------------------------------------------

EVERY = {"cron": "* * * * * */1", "slug": "each", "parameters": {"n": 9}}


def test_due_slots_become_runs_and_rests_are_accounted_for(tmp_path):
    repo = Repo(tmp_path / "repo")
    tick = {"name": "tick", "entrypoint": "f.py:f", "schedules": [EVERY], "parameters": {"n": 1}}
    rest = {"name": "rest", "entrypoint": "f.py:f", "schedules": [EVERY], "paused": True}
    code = "def f(n: int = 0):\n    return n\n"
    repo.commit({"f.py": code, "specs/a.yaml": specs(tick, rest)})
    with Daemon(repo) as daemon:
        until(lambda: len([r for r in ask(repo.path, "runs", "f/tick") if r["state"] == "Completed"]) >= 2)
        run = ask(repo.path, "runs", "f/tick")[-1]
        assert (run["trigger"], run["parameters"], run["due"][-8:]) == ("schedule", {"n": 9}, ".000000Z")
        assert ask(repo.path, "runs", "f/rest") == []

        # Suspended, across a restart: one stretch, told on resume.
        assert command(repo.path, "suspend", "f/tick", "--reason", "a break").returncode == 0
        count = len(ask(repo.path, "runs", "f/tick"))
        restart(daemon)
        until(lambda: _seconds_since(repo, "DeploymentSuspended") > 1.2)  # a slot passes meanwhile
        assert len(ask(repo.path, "runs", "f/tick")) == count
        assert command(repo.path, "resume", "f/tick", "--reason", "on").returncode == 0
        (skipped,) = events(repo.path, "SlotsSkipped", subject="f/tick")
        assert skipped["data"]["count"] >= 1
        assert "a break" in skipped["data"]["reason"] or "suspended" in skipped["data"]["reason"]
        until(lambda: len(ask(repo.path, "runs", "f/tick")) > count)

        # Unpaused in git: the stretch of the pause is one event too; the next slots run.
        rest["paused"] = False
        daemon.applied(repo.commit({"specs/a.yaml": specs(tick, rest)}))
        until(lambda: ask(repo.path, "runs", "f/rest"))
        (paused,) = events(repo.path, "SlotsSkipped", subject="f/rest")
        assert paused["data"]["count"] >= 2

        # A daemon that was away for less than the grace: every slot still runs, none twice.
        daemon.stop(signal.SIGKILL)
        begin(daemon)
        until(lambda: len(ask(repo.path, "runs", "f/rest")) >= 2)
        tick["paused"] = rest["paused"] = True
        daemon.applied(repo.commit({"specs/a.yaml": specs(tick, rest)}))
        dues = [r["due"] for r in ask(repo.path, "runs", "f/rest")]
        assert len(dues) == len(set(dues))
        assert events(repo.path, "SlotsMissed") == []
        assert ask(repo.path, "verify")["problems"] == []


def _seconds_since(repo: Repo, kind: str) -> float:
    at = dt.datetime.fromisoformat(events(repo.path, kind)[-1]["at"])
    return (dt.datetime.now(dt.UTC) - at).total_seconds()
