"""The whole life of runs in a real daemon: pauses, suspensions, lost processes, cancels, retries, runs put off."""

import datetime as dt
import json
import signal
from pathlib import Path

import pytest
from helpers_acceptance import ask, ended, events, in_state, output, processes, restart, specs, start, state_root
from helpers_daemon import Daemon, command, until
from helpers_git import ENVIRONMENT, Repo

FLOWS = '''\
import json, os, signal, subprocess, sys, threading, time
from pathlib import Path
from reconciler import flow, pause_flow_run, suspend_flow_run

HERE = next(p for p in Path.cwd().parents if (p / "order.json").exists())
ORDER = json.loads((HERE / "order.json").read_text())

def asks(times: int = 1):
    for number in range(times):
        pause_flow_run(timeout=600, reason=f"question {number + 1}")
    return ORDER["attempt"]

def rests(timeout: float = 600):
    suspend_flow_run(timeout=timeout, reason="until it is monday")
    return ORDER["attempt"]

@flow(retries=1)
def lost():
    if ORDER["attempt"] == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return ORDER["attempt"]

@flow(retries=2)
def gives_up():
    sys.exit(3)

@flow(retries=3, retry_delay_seconds=600)
def fails():
    raise ValueError("no")

@flow(timeout_seconds=0.4)
def stuck():
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
    print("on", flush=True)
    time.sleep(600)

CHILD = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.fork() and os._exit(0)
os.setsid()
time.sleep(600)
"""

def deaf(here: str):
    """Ignores the signal, and has children in sessions of their own, one of them forked twice."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for _ in range(2):
        subprocess.Popen([sys.executable, "-c", CHILD, here], start_new_session=True)
    print("on", flush=True)
    time.sleep(600)

def polite(mark: str):
    try:
        print("on", flush=True)
        time.sleep(600)
    except BaseException:
        Path(mark).write_text(str((HERE / "cancel").exists()))
        raise

def finishes():
    """Is done, whatever comes."""
    try:
        print("on", flush=True)
        time.sleep(600)
    except BaseException:
        return "all the same"

def reports():
    return {"env": os.environ.get("TOKEN"), "kept": os.environ.get("KEPT"), "labels": ORDER["labels"]}
'''


def deployments() -> list[dict]:
    names = "asks rests lost gives_up stuck deaf polite finishes".split()
    reports = {
        "name": "a", "entrypoint": "flows.py:reports", "tags": ["own"], "labels": {"team": "data", "n": 1},
        "work_pool": {"name": "process", "job_variables": {"env": {"TOKEN": "spec", "KEPT": "yes"}}},
    }  # fmt: skip
    one = {"name": "a", "entrypoint": "flows.py:fails", "concurrency_limit": 1}
    return [*({"name": "a", "entrypoint": f"flows.py:{name}"} for name in names), reports, one]


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    repo = Repo(tmp_path_factory.mktemp("life") / "repo")
    repo.commit({"flows.py": FLOWS, "specs/all.yaml": specs(*deployments())})
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ENVIRONMENT, "RECONCILER_CANCEL_GRACE", "1")
        with Daemon(repo) as daemon:
            yield daemon


@pytest.fixture(scope="module")
def path(here) -> Path:
    return here.repo.path


@pytest.fixture(scope="module")
def stuck(path) -> str:
    """Killed by the daemon some ten seconds past its time: started first, looked at last."""
    return start(path, "stuck/a")


def states(path: Path, run: str) -> list[str]:
    return [e["data"]["state"] for e in events(path, subject=run) if "state" in e["data"]]


# --- pause, suspend --------------------------------------------------------------------------------------------------


def test_a_paused_run_goes_on_when_it_is_resumed_even_past_a_restart(here, path, stuck):
    run = start(path, "asks/a", "-p", "times=2")
    told = in_state(path, run, "Paused")
    assert told["waiting"]["reason"] == "question 1"
    expected = f"it goes on once it is resumed: reconciler resume {run}; at {told['until']}"
    assert told["waiting"]["next"].startswith(expected)
    assert command(path, "resume", run[:9], "--reason", "fine").stdout.startswith(f"{run} is resumed (")
    until(lambda: ask(path, "show", run)["reason"] == "question 2")
    restart(here, signal.SIGKILL)
    assert command(path, "resume", run).returncode == 0
    assert ended(path, run)["result"] == 1
    assert states(path, run) == ["Pending", "Running", "Paused", "Running", "Paused", "Running", "Completed"]
    first, second = events(path, "RunResumed", subject=run)
    assert first["data"]["reason"].endswith(": fine")
    assert second["data"]["who"]


@pytest.mark.parametrize("how", ["restart", "asked again"])
def test_the_word_to_go_on_is_given_again_when_it_was_lost(here, path, how):
    run = start(path, "asks/a")
    in_state(path, run, "Paused")
    attempt = state_root(here.repo) / "runs" / run / "1"
    daemon = json.loads((state_root(here.repo) / "lock").read_text())["pid"]
    (
        attempt / f".resume.{daemon}"
    ).mkdir()  # in the way of the word: the daemon records the wish and cannot tell the run
    assert command(path, "resume", run).returncode == 0
    until(lambda: "cannot be told to resume" in here.output.read_text())
    assert ask(path, "show", run)["waiting"]["next"] == "it is told to go on"
    (attempt / f".resume.{daemon}").rmdir()
    if how == "restart":
        restart(here, signal.SIGKILL)
    else:
        assert command(path, "resume", run).returncode == 0
    assert ended(path, run)["state"] == "Completed"
    assert len(events(path, "RunResumed", subject=run)) == 1


def test_a_suspended_run_gives_its_slot_back_and_starts_anew_when_resumed(here, path):
    run = start(path, "rests/a")
    told = in_state(path, run, "Suspended")
    assert (told["reason"], told["exit"]["code"]) == ("until it is monday", 0)
    assert told["next"].startswith(f"attempt 2 starts once it is resumed: reconciler resume {run}; at {told['until']}")
    until(lambda: not (state_root(here.repo) / "runs" / run / "1/work").exists())
    restart(here)
    assert command(path, "resume", run, "--reason", "monday").returncode == 0
    assert "resumed by" in command(path, "explain", run).stdout
    done = ended(path, run)
    assert (done["state"], done["result"], done["attempt"], done["attempts"]) == ("Completed", 2, 2, 2)
    assert "Suspended AwaitingConcurrencySlot Pending Retrying Completed" in " ".join(states(path, run))


def test_a_suspended_run_that_nobody_resumes_fails(path):
    run = ended(path, start(path, "rests/a", "-p", "timeout=0.3"))
    assert run["state"] == "Failed"
    assert run["reason"].startswith("not resumed within 0.3 s, by ")


# --- ends that nobody asked for --------------------------------------------------------------------------------------


def test_a_lost_process_is_tried_again_as_often_as_was_known_before(path):
    run = ended(path, start(path, "lost/a"))
    assert (run["state"], run["result"]) == ("Completed", 2)
    (again,) = events(path, "RunAwaitingRetry", subject=run["id"])
    assert again["data"]["reason"] == "attempt 1 of 2 crashed: killed by signal 9 without a final report"


def test_a_flow_that_exits_is_not_tried_again(path):
    run = ended(path, start(path, "gives_up/a".replace("_", "-")))
    assert (run["state"], run["attempt"], run["reason"]) == ("Failed", 1, "SystemExit: 3")


def test_a_commit_that_is_gone_ends_the_run_and_is_told(here, path, tmp_path):
    """What fails before it starts is not tried for ever."""
    repo = Repo(tmp_path / "repo")
    repo.commit({"flows.py": FLOWS, "specs/a.yaml": specs({"name": "a", "entrypoint": "flows.py:lost"})})
    with Daemon(repo):
        head = repo.git("rev-parse", "HEAD")
        run = start(repo.path, "lost/a", "--in", "1s")
        kind, name = head[:2], head[2:]
        (repo.path / ".git/objects" / kind / name).unlink()
        told = ended(repo.path, run)
        assert (told["state"], told["attempt"]) == ("Failed", 2)
        assert f"the recorded commit {head[:12]} is not in the repository any more" in told["reason"]


# --- cancel ----------------------------------------------------------------------------------------------------------


def cancelled(path: Path, run: str) -> dict:
    assert command(path, "cancel", run, "--reason", "enough").returncode == 0
    assert command(path, "cancel", run).returncode in {0, 1}  # again: nothing, or over
    told = ended(path, run)
    assert (told["state"], told["reason"]) == ("Cancelled", "enough")
    return told


def test_a_run_that_ignores_the_signal_is_killed_with_all_its_children(path, tmp_path):
    mark = str(tmp_path / "children-of-this-run")
    run = start(path, "deaf/a", "-p", f"here={mark}")
    until(lambda: "on" in output(path, run) and len(processes(mark)) >= 2)
    assert command(path, "cancel", run, "--reason", "enough").returncode == 0
    told = in_state(path, run, "Cancelling", "Cancelled")
    assert "killed at" in told["next"] or told["state"] == "Cancelled"
    assert ended(path, run)["exit"]["signal"] == 9
    until(lambda: not processes(mark) and not processes(run))


def test_a_cancelled_run_finds_out_before_the_signal_comes(path, tmp_path):
    mark = tmp_path / "mark"
    run = start(path, "polite/a", "-p", f"mark={mark}")
    until(lambda: "on" in output(path, run))
    cancelled(path, run)
    assert mark.read_text() == "True"


def test_a_run_that_completes_within_its_grace_is_completed(path):
    run = start(path, "finishes/a")
    until(lambda: "on" in output(path, run))
    assert command(path, "cancel", run).returncode == 0
    told = ended(path, run)
    assert (told["state"], told["result"]) == ("Completed", "all the same")


@pytest.mark.parametrize(
    ("deployment", "words", "state"),
    [
        ("asks/a", (), "Paused"),
        ("rests/a", (), "Suspended"),
        ("fails/a", (), "AwaitingRetry"),
        ("reports/a", ("--in", "1h"), "Scheduled"),
    ],
)
def test_cancel_where_a_run_waits(path, deployment, words, state):
    run = start(path, deployment, *words)
    told = in_state(path, run, state)
    assert set(told["waiting"]) == {"reason", "since", "until", "next"}
    assert all(told["waiting"][key] for key in ("reason", "since", "until", "next"))
    (row,) = [row for row in ask(path, "runs", deployment) if row["id"] == run]
    assert row["waiting"]["next"] == told["waiting"]["next"]
    cancelled(path, run)
    until(lambda: not processes(run))


# --- run later, again ------------------------------------------------------------------------------------------------


def test_a_run_put_off_starts_then(path):
    run = start(path, "reports/a", "--in", "1.5s", "--label", "team=ops", "--tag", "more",
                "--job-variable", 'env={"TOKEN": "s3cret"}')  # fmt: skip
    told = ask(path, "show", run)
    assert (told["state"], told["waiting"]["until"]) == ("Scheduled", told["due"])
    done = ended(path, run)
    assert done["started_at"] >= done["due"]
    assert done["result"] == {"env": "s3cret", "kept": "yes", "labels": {"team": "ops", "n": 1}}
    assert (done["labels"], done["tags"], done["variables"]) == (
        {"team": "ops", "n": 1},
        ["own", "more"],
        ["env.TOKEN"],
    )
    assert "s3cret" not in json.dumps([events(path, subject=run), {**done, "result": None}])


def test_a_moment_is_the_callers_local_time(path):
    at = dt.datetime.now(dt.UTC).replace(microsecond=0, tzinfo=None) + dt.timedelta(hours=1)
    zone = {"TZ": "XST-2"}  # two hours ahead of UTC
    done = command(path, "run", "reports/a", "--at", (at + dt.timedelta(hours=2)).isoformat(" "), env=zone)
    assert done.stderr == f"starts at {at + dt.timedelta(hours=2)} XST ({at}Z)\n"
    assert ask(path, "show", done.stdout.strip())["due"] == f"{at.isoformat()}.000000Z"
    command(path, "cancel", done.stdout.strip())


def test_retry_is_the_same_run_again_and_with_the_latest_another(here, path):
    first = ended(path, start(path, "reports/a", "--job-variable", 'env={"TOKEN": "mine"}'))
    head = here.repo.commit({"flows.py": FLOWS.replace('"kept"', '"still"')})
    here.applied(head)
    again = command(path, "retry", first["id"][:9], "--key", "k", "--reason", "look", "--wait")
    assert again.returncode == 0, again.stderr
    same = ask(path, "show", again.stdout.strip())
    assert (same["trigger"], same["origin"], same["made_for"]) == ("retry", first["id"], "look")
    assert (same["commit"], same["result"]) == (first["commit"], first["result"])
    assert command(path, "retry", first["id"], "--key", "k").stdout == again.stdout
    latest = ended(path, command(path, "retry", first["id"], "--latest").stdout.strip())
    assert (latest["commit"], latest["result"]["still"], latest["result"]["env"]) == (head, "yes", "mine")
    assert set(ask(path, "show", first["id"])["retried_by"]) == {same["id"], latest["id"]}


def test_the_same_key_twice_gives_the_first_run_whatever_else_is_asked(path):
    first = start(path, "reports/a", "--key", "once", "--in", "1h")
    assert start(path, "reports/a", "--key", "once") == first
    command(path, "cancel", first)
    assert start(path, "reports/a", "--key", "once", "--in", "5m") == first


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["run", "reports/a", "--at", "soon"], "--at: 'soon' is no moment"),
        (["run", "reports/a", "--at", "2001-01-01"], "has passed"),
        (["run", "reports/a", "--in", "5 minutes"], "--in: '5 minutes' is no time ahead"),
        (["run", "reports/a", "--in", "9999999999d"], "--in: '9999999999d'"),
        (["run", "reports/a", "--in", "99999d"], "more than 3660 days ahead"),
        (["run", "reports/a", "--in", "5m", "--at", "2101-01-01"], "exclude each other"),
        (["run", "reports/a", "--label", "x"], "--label: 'x' is not of the form"),
        (["run", "reports/a", "--job-variable", "s3cret"], "not of the form name=value"),
        (["run", "reports/a", "--job-variable", "evn={}"], "evn: unknown job variable; did you mean 'env'?"),
        (["run", "reports/a", "--job-variable", "env=s3cret"], "env: expected names and values"),
        (["retry", "nope"], "there is no run 'nope'"),
        (["resume", "nope"], "there is no run 'nope'"),
        (["suspend", "nope", "--reason", "x"], "no deployment"),
        (["cancel", "reports/a"], "is a deployment"),
        (["retry", "reports/a"], "is a deployment"),
    ],
)
def test_what_is_refused_is_one_clear_message(path, words, says):
    done = command(path, *words)
    assert (done.stdout, done.returncode in {1, 2}) == ("", True)
    assert says in done.stderr
    assert "s3cret" not in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_not_over_or_does_not_wait_is_refused(path):
    run = start(path, "reports/a", "--in", "1h")
    assert f"run {run} is not over: Scheduled" in command(path, "retry", run).stderr
    assert f"run {run} is neither paused nor suspended" in command(path, "resume", run).stderr
    command(path, "cancel", run)


def test_a_flow_that_does_not_hear_its_alarm_is_killed_and_timed_out(here, path, stuck):
    told = ended(path, stuck)
    assert (told["state"], told["reason"]) == ("TimedOut", "killed: it ran past its 0.4 s")
    assert told["exit"]["signal"] == 9
    assert ask(path, "verify")["problems"] == []
    assert "Traceback" not in here.output.read_text().replace("an act of the supervisor failed\nTraceback", "")
