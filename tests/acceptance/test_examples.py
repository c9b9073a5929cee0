"""Each folder of examples/ does what its README says: copied, committed, served by a real daemon."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from helpers_git import Repo
from served import DEADLINE, ENV, ROOT, applied, deployments, reconciler, served, told, until

EXAMPLES = ROOT / "examples"


@pytest.fixture
def example(request: pytest.FixtureRequest, tmp_path: Path) -> Repo:
    """The folder that the test names, as a repository with one commit."""
    shutil.copytree(EXAMPLES / request.param, tmp_path / "repo")
    repo = Repo(tmp_path / "repo")
    repo.commit(message="First")
    return repo


def run(repo: Path, deployment: str, *words: str, deadline: float = DEADLINE) -> tuple[str, dict[str, object]]:
    """A run's output and what `show` says of it, once it Completed."""
    ident = reconciler(repo, "run", deployment, *words, "--wait", deadline=deadline).split()[0]
    return reconciler(repo, "logs", ident), told(repo, "show", ident)


def start(repo: Path, deployment: str, *words: str) -> str:
    """A run that is not waited for; its id."""
    return reconciler(repo, "run", deployment, *words).strip()


def python(folder: Path, *words: str) -> str:
    """What a script prints on stdout."""
    command = [sys.executable, *words]
    done = subprocess.run(command, cwd=folder, env=ENV, capture_output=True, text=True, check=True, timeout=DEADLINE)
    return done.stdout


def in_state(repo: Path, ident: str, state: str) -> dict[str, Any]:
    """What `show` says of a run once it is in a state."""

    def look() -> dict[str, Any] | None:
        shown: dict[str, Any] = told(repo, "show", ident)
        return shown if shown["state"] == state else None

    found: dict[str, Any] = until(look, f"run {ident} to be {state}")
    return found


@pytest.mark.parametrize("example", ["01-hello-on-a-schedule"], indirect=True)
def test_01_a_schedule_runs_unasked_and_the_other_names_its_mornings(example: Repo) -> None:
    with served(example.path):
        applied(example.path, example.head())
        (done, *_) = until(lambda: told(example.path, "runs", "--state", "Completed"), "a run by schedule")
        assert (done["trigger"], done["parameters"], done["tags"]) == ("schedule", {"name": "Ada"}, ["example"])
        assert reconciler(example.path, "logs", done["id"]) == "Hello, Ada!\n"
        schedules = told(example.path, "show", "hello/often")["schedules"]
    assert {s["id"] for s in schedules} >= {"mornings"}


@pytest.mark.parametrize("example", ["02-parameters-of-every-json-type"], indirect=True)
def test_02_parameters_keep_their_types_and_one_that_does_not_fit_is_refused(example: Repo) -> None:
    with served(example.path):
        applied(example.path, example.head())
        said, shown = run(example.path, "report/weekly")
        assert "'2026-11' limit=100 threshold=0.25 draft=False owner=None" in said
        assert "Format.CHART short" in said
        assert "from 02 November 2026, 5 days" in said
        assert shown["result"]["regions"] == ["north", "south"]  # type: ignore[index]
        said, shown = run(example.path, "report/weekly", "-p", "limit=5", "-p", 'regions=["east"]', "-p", "title=12")
        assert said.startswith("'12' limit=5")
        before = len(told(example.path, "runs"))
        reconciler(example.path, "run", "report/weekly", "-p", "limit=many", code=2)
        assert len(told(example.path, "runs")) == before


@pytest.mark.parametrize("example", ["03-monorepo-with-directories"], indirect=True)
def test_03_a_commit_to_one_directory_leaves_the_others_version_alone(example: Repo) -> None:
    first = example.head()
    with served(example.path):
        applied(example.path, first)
        second = example.commit({"sales/prices.py": "EACH = 7\n"}, "Raise prices")
        applied(example.path, second)
        found = deployments(example.path)
        assert (found["sales/team"]["source_commit"], found["stock/team"]["source_commit"]) == (second, first)
        said, shown = run(example.path, "sales/team", "-p", "items=2")
        assert (said, shown["result"]) == ("2 items sold for 14\n", 14)
        said, shown = run(example.path, "stock/team")
        assert (said, shown["version"]) == ("shelf A: 12 boxes\n", first[:8])


@pytest.mark.parametrize("example", ["04-shell-step"], indirect=True)
def test_04_a_steps_output_feeds_the_next_and_the_flow_reads_what_it_wrote(example: Repo) -> None:
    with served(example.path):
        applied(example.path, example.head())
        said, shown = run(example.path, "build/shell")
    year = str(shown["result"])
    assert year.isdigit()
    assert said.endswith(f"5 words: made in the year {year}\n")


def test_05_a_flow_in_another_repository_runs_at_the_commit_that_was_resolved(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES / "05-flow-in-another-repository", tmp_path / "five")
    code, ours = Repo(tmp_path / "five/code"), Repo(tmp_path / "five/deployments")
    first = code.commit(message="Code")
    ours.commit(message="Deployments")
    with served(ours.path, "--interval", "1s"):
        applied(ours.path, ours.head())
        assert deployments(ours.path)["clean/nightly"]["source_commit"] == first
        said, shown = run(ours.path, "clean/nightly", "-p", "table=users")
        assert (said, shown["source_commit"]) == ("cleaned users\n", first)
        second = code.commit({"clean.py": "def clean(table: str = 'orders'):\n    print('swept', table)\n"})
        until(lambda: deployments(ours.path)["clean/nightly"]["source_commit"] == second, "the other one's move")
        assert run(ours.path, "clean/nightly")[0] == "swept orders\n"


@pytest.mark.parametrize("example", ["06-tasks"], indirect=True)
def test_06_tasks_are_tried_again_named_and_told_in_the_timeline(example: Repo) -> None:
    assert python(example.path, "flows/prices.py").endswith("prices-of-3-pages is Completed\n50\n")
    with served(example.path):
        applied(example.path, example.head())
        said, shown = run(example.path, "prices/shop")
        text = reconciler(example.path, "show", shown["id"])
    assert (shown["name"], shown["result"], shown["attempt"]) == ("prices-of-3-pages", 50, 1)
    assert f"reconciler.flow.prices: attempt 1 at version {shown['version']}" in said
    assert "fetch-1: attempt 1 of 4 failed: ConnectionError: the shop is busy; again in 0.1 s" in said
    assert said.endswith("prices-of-3-pages is Completed\n")
    lines = [line.split() for line in text.partition("\ntimeline:\n")[2].splitlines()[1:]]
    assert {line[0]: line[5:] for line in lines} == {
        "fetch-0": [], "fetch-1": ["attempt", "2"], "fetch-2": [],
        "sum-of-page-0": [], "sum-of-page-1": [], "sum-of-page-2": [], "sum-of-all": [],
    }  # fmt: skip


@pytest.mark.parametrize("example", ["07-retries-and-timeouts"], indirect=True)
def test_07_a_failed_a_slow_and_a_killed_run_are_tried_again(example: Repo) -> None:
    path = example.path
    with served(path):
        applied(path, example.head())
        lost = start(path, "lost/main")
        _, flaky = run(path, "flaky/main")
        assert (flaky["result"], flaky["attempt"]) == ("attempt 3 got through", 3)
        slow = reconciler(path, "run", "slow/main", "--wait", code=1).strip()
        assert (told(path, "show", slow)["state"], told(path, "show", slow)["error"]) == ("TimedOut", None)
        mended = (path / "flows/robust.py").read_text().replace("timeout_seconds=0.3", "timeout_seconds=30")
        applied(path, example.commit({"flows/robust.py": mended}, "Give it time"))
        again = reconciler(path, "retry", slow, "--latest", "--reason", "it has more time now", "--wait").strip()
        assert told(path, "show", again)["result"] == 0.6
        kill, nine, pid = until(lambda: reconciler(path, "logs", lost).split(), "how to kill it")
        assert (kill, nine) == ("kill", "-9")
        os.kill(int(pid), signal.SIGKILL)
        found = in_state(path, lost, "Completed")
        assert reconciler(path, "logs", lost, "--attempt", "1") == f"kill -9 {pid}\n"
        reconciler(path, "logs", lost, "--attempt", "3", code=1)
        reconciler(path, "logs", lost, "--attempt", "1", "-f", code=2)
    assert (found["result"], found["attempt"], found["attempts"]) == ("found again", 2, 2)


@pytest.mark.parametrize("example", ["08-pause-and-suspend"], indirect=True)
def test_08_a_run_waits_for_a_person_in_its_process_or_without_one(example: Repo) -> None:
    path = example.path
    with served(path):
        applied(path, example.head())
        asking, resting = start(path, "publish/asking"), start(path, "order/resting")
        paused = in_state(path, asking, "Paused")
        assert paused["reason"] == "is 12 right?"
        assert f"reconciler resume {asking}" in paused["next"]
        reconciler(path, "resume", asking, "--reason", "checked with sales")
        assert in_state(path, asking, "Completed")["result"] == 12
        assert reconciler(path, "logs", asking) == "the new price is 12\npublished\n"
        assert "checked with sales" in reconciler(path, "events", "--subject", asking, "--type", "RunResumed")
        assert in_state(path, resting, "Suspended")["reason"] == "until the market opens"
        reconciler(path, "resume", resting)
        assert in_state(path, resting, "Completed")["result"] == 3
        assert reconciler(path, "logs", resting) == "attempt 2\n"


@pytest.mark.parametrize("example", ["09-time"], indirect=True)
def test_09_days_of_the_past_are_filled_in_once_and_explained(example: Repo) -> None:
    path, name, span = example.path, "report/daily", ("--from", "2024-03-01", "--to", "2024-03-04")
    with served(path):
        applied(path, example.head())
        assert reconciler(path, "slots", name, "--count", "3").count(" 06:00:00+0") == 3
        dry = reconciler(path, "backfill", name, *span, "--dry-run")
        assert dry.endswith("3 runs would be created of 3 slots in the span\n")
        assert told(path, "runs") == []
        assert "3 runs created" in reconciler(path, "backfill", name, *span)
        done = until(lambda: (r := told(path, "runs", "--state", "Completed")) and len(r) == 3 and r, "three runs")
        assert reconciler(path, "logs", done[1]["id"]) == "report of Saturday 02 March 2024\n"
        past = told(path, "slots", name, "--past", *span)
        assert [slot["runs"][0]["id"] for slot in past] == [r["id"] for r in reversed(done)]
        why = reconciler(path, "explain", name, "--slot", "2024-03-02T06:00:00+01:00")
        assert f"run {done[1]['id']}" in why
        assert "backfilled: it never ran" in why
        assert "0 runs created of 3 slots" in reconciler(path, "backfill", name, *span)
        rule = told(path, "show", name)["schedules"][0]["rule"]
    assert (rule["catchup"], rule["catchup_window"], rule["jitter"]) == ("latest", "P2D", "PT5M")


@pytest.mark.parametrize("example", ["10-concurrency"], indirect=True)
def test_10_who_waits_goes_by_priority_and_a_limit_says_who_gives_way(example: Repo) -> None:
    path = example.path
    with served(path):
        applied(path, example.head())
        first, second, third = (start(path, f"move/{n}") for n in ("bulk", "bulk", "urgent"))
        in_state(path, first, "Paused")
        (van,) = told(path, "pools", "van")
        assert [w["run"] for w in van["waits"]] == [third, second]
        assert van["waits"][0]["reason"] == "work pool van is full (1 of 1)"
        assert "bulk              2         1      1       1" in reconciler(path, "pools", "van")
        reconciler(path, "resume", first)
        in_state(path, third, "Paused")
        assert told(path, "show", second)["state"] == "AwaitingConcurrencySlot"

        in_state(path, keeps := start(path, "move/first"), "Paused")
        goes = reconciler(path, "run", "move/first", "--wait", code=1).strip()
        assert told(path, "show", goes)["reason"] == "CANCEL_NEW: deployment move/first is full (1 of 1)"
        in_state(path, old := start(path, "move/newest"), "Paused")
        new = start(path, "move/newest")
        assert in_state(path, old, "Cancelled")["reason"] == f"CANCEL_RUNNING: run {new} replaces it"
        in_state(path, new, "Paused")
        for each in (third, keeps, new):
            reconciler(path, "resume", each)
        in_state(path, second, "Paused")
        reconciler(path, "resume", second)
        assert {in_state(path, r, "Completed")["result"] for r in (first, second, third, keeps, new)} == {1}


@pytest.mark.parametrize("example", ["11-requirements"], indirect=True)
def test_11_a_wheel_of_the_repository_is_installed_once_and_a_step_is_a_function(example: Repo) -> None:
    with served(example.path):
        applied(example.path, example.head())
        said, shown = run(example.path, "told/french", deadline=120)  # an environment is made
        assert said.startswith("installing requirements.txt into a new environment")
        assert said.endswith("BONJOUR!\n")
        assert "environments" in str(shown["interpreter"])
        assert [step["step"] for step in shown["steps"]][2] == "ours.steps.fetch"  # type: ignore[attr-defined]
        assert run(example.path, "told/french")[0] == "BONJOUR!\n"


@pytest.mark.parametrize("example", ["12-python-callers"], indirect=True)
def test_12_a_script_a_serving_process_and_a_caller(example: Repo) -> None:
    path, said = example.path, example.path.parent / "serve.said"
    assert python(path, "hello.py", "nobody") == "Hello, nobody!\n"
    with served(path):
        applied(path, example.head())
        assert python(path, "hello.py", "Ada") == "Hello, Ada!\n"
        (called,) = told(path, "runs")
        assert (called["deployment"], called["trigger"], called["parameters"]) == ("", "script", {"name": "Ada"})
        with said.open("wb") as out:
            server = subprocess.Popen([sys.executable, "serve.py"], cwd=path, env=ENV, stdout=out, stderr=out)
        try:
            until(lambda: "serving hello/served" in said.read_text(), "the serving process")
            first, second = python(path, "ask.py", "Bob"), python(path, "ask.py", "Bob")
        finally:
            server.send_signal(signal.SIGINT)
            assert server.wait(DEADLINE) == 0
        assert first == second
        ident, *rest = first.split(maxsplit=2)
        assert rest == ["Completed", "Hello, Bob!\n"]
        pending = reconciler(path, "events", "--subject", ident, "--type", "RunPending")
        assert f"served by pid {server.pid}" in pending


@pytest.mark.parametrize("example", ["13-upkeep"], indirect=True)
def test_13_a_copy_of_the_log_is_restored_and_gc_says_what_would_go(example: Repo) -> None:
    path, copy, state = example.path, example.path.parent / "copy.db", example.path / ".git/reconciler"
    with served(path):
        applied(path, example.head())
        kept = run(path, "count/main")[1]["id"]
        reconciler(path, "backup", str(copy))
        run(path, "count/main", "-p", "to=5")
    (state / "old").mkdir()
    for file in state.glob("log.db*"):
        file.rename(state / "old" / file.name)
    shutil.copy(copy, state / "log.db")
    (state / "config.toml").write_text('keep_output = "1ms"\n')
    with served(path):
        assert [r["id"] for r in told(path, "runs")] == [kept]
        assert told(path, "verify")["problems"] == []
        assert told(path, "gc", "--dry-run")["outputs"]["count"] == 2  # of a run that it does not know, too
        assert run(path, "count/main", "-p", "to=2")[0] == "1 2\n"


@pytest.mark.parametrize("example", ["14-environments"], indirect=True)
def test_14_one_repository_is_staging_and_prod(example: Repo) -> None:
    path, state = example.path, ("--state-dir", str(example.path.parent / "staging"))
    assert "0 problems; environments: prod, staging" in reconciler(path, "validate")
    assert ": 1 to create" in reconciler(path, "plan", "--env", "staging", code=3)
    reconciler(path, *state, "serve", "--once", "--env", "staging")
    with served(path, "--env", "prod", "--variable", "team=finance"):
        applied(path, example.head())
        said, shown = run(path, "report/daily")
        assert (said, shown["result"]) == ("1000 rows of eu for finance\n", "eu")
        assert "branch main, environment prod: applied" in reconciler(path, "status")
        assert told(path, "pools", "reports")[0]["concurrency_limit"] == 8
        assert set(deployments(path)) == {"report/daily", "report/backfill", "report/audit"}
    assert "environment staging: applied" in reconciler(path, *state, "status")
    (one,) = told(path, *state, "status")
    assert (one["deployment"], one["health"]) == ("report/daily", "Paused")
    assert told(path, *state, "show", "report/daily")["spec"]["parameters"] == {
        "region": "eu-test", "rows": 10, "team": "data",
    }  # fmt: skip
    assert ": nothing to do" in reconciler(path, *state, "plan")


@pytest.mark.parametrize("folder", sorted(p.name for p in EXAMPLES.iterdir()))
def test_every_example_is_tested_and_explains_itself(folder: str) -> None:
    assert f"def test_{folder[:2]}_" in Path(__file__).read_text("utf-8")
    assert 5 <= len((EXAMPLES / folder / "README.md").read_text("utf-8").splitlines()) <= 40


def test_this_repositorys_own_specs_plan_and_serve_in_a_fresh_clone(tmp_path: Path) -> None:
    ours = Repo(tmp_path / "clone")
    for folder in ("specs", "examples"):
        shutil.copytree(ROOT / folder, ours.path / folder)
    ours.commit(message="A clone")
    planned = json.loads(reconciler(ours.path, "plan", "--json", code=3))
    assert (planned["problems"], planned["refused"]) == ([], None)
    reconciler(ours.path, "serve", "--once")
    found = deployments(ours.path)
    assert found
    assert {row["sync"] for row in found.values()} == {"Synced"}
    with served(ours.path):
        said, _ = run(ours.path, "self-check/daily")
    assert said.endswith(": 0 problems\n")
