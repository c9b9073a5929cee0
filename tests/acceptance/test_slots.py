"""A daemon that was away for three days: what it catches up, what it tells, and what a person fills in afterwards."""

import datetime as dt
import json
import subprocess
import sys
from pathlib import Path

import pytest
from helpers_acceptance import ask, events, specs, status
from helpers_daemon import Daemon, command, environment, until
from helpers_git import Repo

CODE = "def f(n: int = 0):\n    return 1 / n\n"


def deployment(name, **schedule):
    rule = {"interval": "PT6H", "anchor_date": "2024-01-01T00:00:00Z", "slug": "six", **schedule}
    return {"name": name, "entrypoint": "f.py:f", "schedules": [rule], "parameters": {"n": 1}}


LONG_AGO = """
import datetime as dt, logging, sys
from pathlib import Path
from reconciler.daemon import state_dir, wiring
from reconciler.daemon.config import Settings
logging.basicConfig(level=logging.INFO)
state = state_dir.prepare(Path(sys.argv[1], ".git/reconciler"), allow_network_fs=True)
daemon = wiring.build(Path(sys.argv[1]), state, Settings(), lambda: wiring.clock() - dt.timedelta(days=3))
daemon.start()
daemon.stop_when_idle()
daemon.run()
"""
"""A daemon that reconciles once, three days ago by its clock."""


def served_long_ago(repo: Repo, output: Path) -> None:
    with output.open("ab") as said:
        words = [sys.executable, "-c", LONG_AGO, str(repo.path)]
        subprocess.run(words, env=environment(), stdout=said, stderr=said, check=True, timeout=60)


@pytest.fixture(scope="module")
def repo(tmp_path_factory):
    repo = Repo(tmp_path_factory.mktemp("away") / "repo")
    rest = {**deployment("rest"), "paused": True}
    every = deployment("all", catchup="all", parameters={"n": 0})
    repo.commit(
        {"f.py": CODE, "specs/a.yaml": specs(deployment("none"), deployment("latest", catchup="latest"), every, rest)}
    )
    daemon = Daemon(repo)
    served_long_ago(repo, daemon.output)
    with daemon:
        until(lambda: all(run["finished_at"] for run in ask(repo.path, "runs")) and len(ask(repo.path, "runs")) >= 5)
        yield repo


FATES = {"none": 0, "latest": 1, "all": 4}


@pytest.mark.parametrize(("name", "runs"), FATES.items())
def test_what_was_missed_is_caught_up_as_the_schedule_says_and_told_once(repo, name, runs):
    slots = ask(repo.path, "slots", f"f/{name}", "--past", "--count", "100")
    assert len(slots) in (12, 13)  # one more while a slot is due
    fates = [slot["fate"] for slot in slots if slot["fate"] != "run"]
    assert fates == ["missed"] * (len(fates) - runs) + ["caught up"] * runs
    (missed,) = events(repo.path, "SlotsMissed", subject=f"f/{name}")
    assert missed["data"]["count"] == len(fates) - runs
    caught = [run for run in ask(repo.path, "runs", f"f/{name}") if run["due"] in {s["due"] for s in slots}]
    assert len(caught) == runs + sum(slot["fate"] == "run" for slot in slots)
    assert all("after its due" in slot["reason"] for slot in slots if slot["fate"] == "caught up")


def test_a_rest_is_shown_before_it_is_told_and_both_reasons_are_shown(repo):
    assert command(repo.path, "suspend", "f/rest", "--reason", "the move").returncode == 0
    (told,) = events(repo.path, "SlotsSkipped", subject="f/rest")
    assert (told["data"]["reason"], told["data"]["count"]) == ("paused in git", 12)
    row = status(repo.path)["f/rest"]
    shown = ask(repo.path, "show", "f/rest")
    assert (row["health"], shown["paused"], shown["suspended"]["reason"]) == ("Suspended", True, "the move")
    assert "the move" in row["reason"]
    assert "paused in specs/a.yaml too" in row["reason"]
    assert {s["fate"] for s in ask(repo.path, "slots", "f/rest", "--past", "--count", "10")} == {"skipped"}


def backfill(repo, name, *words, code=0):
    day = lambda n: (dt.datetime.now(dt.UTC) - dt.timedelta(days=n)).date().isoformat()  # noqa: E731
    done = command(repo.path, "backfill", f"f/{name}", "--from", day(2), "--to", day(1), *words, "--json")
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout) if code == 0 else done.stderr


def test_a_person_fills_in_what_is_missing_once(repo):
    dry = backfill(repo, "none", "--dry-run")
    assert ([slot["runs"] for slot in dry["slots"]], dry["created"]) == ([True] * 5, 0)
    assert "5 slots would run, more than --limit 4" in backfill(repo, "none", "--limit", "4", code=2)
    assert backfill(repo, "none", "--key", "k")["created"] == 5
    assert backfill(repo, "none", "--key", "k")["before"]
    until(lambda: all(run["finished_at"] for run in ask(repo.path, "runs", "f/none")))
    assert backfill(repo, "none")["created"] == 0
    (asked,) = events(repo.path, "BackfillRequested", subject="f/none")
    assert (asked["data"]["count"], asked["data"]["key"]) == (5, "k")
    slots = [s for s in ask(repo.path, "slots", "f/none", "--past", "--count", "100") if s["runs"]]
    filled = [(s["fate"], r["state"]) for s in slots for r in s["runs"] if r["trigger"] == "backfill"]
    assert filled == [("missed", "Completed")] * 5
    assert ask(repo.path, "show", slots[0]["runs"][0]["id"])["made_for"] == "backfilled: it never ran"


def test_only_what_failed_runs_again_if_that_is_asked_for(repo):
    told = backfill(repo, "all", "--to", "2100-01-01", "--reprocess", "failed", "--dry-run")
    failed = {slot["due"] for slot in told["slots"] if "Failed" in slot["why"]}
    assert (len(failed) >= 4, told["cut"]) == (True, True)
    assert all(slot["runs"] for slot in told["slots"])
    kept = backfill(repo, "all", "--to", "2100-01-01", "--dry-run")["slots"]
    assert {slot["due"] for slot in kept if not slot["runs"]} == failed


def test_a_suspended_deployment_is_backfilled_all_the_same(repo):
    if status(repo.path)["f/rest"]["health"] != "Suspended":
        assert command(repo.path, "suspend", "f/rest", "--reason", "the move").returncode == 0
    assert backfill(repo, "rest")["created"] == 5
    until(lambda: [r["state"] for r in ask(repo.path, "runs", "f/rest")] == ["Completed"] * 5)
    assert ask(repo.path, "verify")["problems"] == []


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["backfill", "f/none", "--from", "soon", "--to", "2026-01-01"], 2, "--from: 'soon' is no day"),
        (["backfill", "f/none", "--from", "2026-01-02", "--to", "2026-01-01"], 2, "comes after"),
        (
            ["backfill", "f/none", "--from", "2025-01-01", "--to", "2025-02-01", "--schedule", "sex"],
            2,
            "its schedules: six",
        ),
        (["backfill", "f/non", "--from", "2026-01-01", "--to", "2026-01-02"], 1, "there is no deployment 'f/non'"),
        (["slots", "--past"], 2, "--past is of a deployment"),
        (["slots", "f/none", "--past", "--cron", "* * * * *"], 2, "--past is of a deployment"),
    ],
)
def test_bad_input_gets_one_clear_error(repo, words, code, says):
    done = command(repo.path, *words)
    assert (done.returncode, done.stdout) == (code, "")
    assert says in done.stderr
    assert "Traceback" not in done.stderr
