"""Flows that use the whole SDK, as runs of a process pool: timeline, hooks, context, pauses, names."""

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest
from engine_runs import facts, last, make_run, output, wait_until

from reconciler.engine import child
from reconciler.engine.timeline import timeline
from reconciler.pools.process import ProcessPool


@pytest.fixture(scope="module")
def pool():
    made = ProcessPool()
    yield made
    made.close()


def run(pool, run_dir: Path) -> Path:
    pool.launch(run_dir)
    return over(pool, run_dir)


def over(pool, run_dir: Path) -> Path:
    wait_until(lambda: not pool.alive(run_dir), f"the end of {run_dir}")
    return run_dir


def said(run_dir: Path) -> list[str]:
    """The lines of the output without the time of day of log records."""
    return [line.split(" ", 2)[2] if line[:2] == "20" else line for line in output(run_dir).splitlines()]


ETL = """
from reconciler import flow, get_run_logger, task, unmapped

@task(retries=2, task_run_name="extract-{day}")
def extract(day, seen=[]):
    seen.append(day)
    if len(seen) < 2:
        raise ConnectionError("not yet")
    return list(range(day))

@task
async def double(n, factor):
    return n * factor

@task(log_prints=True)
def load(rows):
    print("loading", len(rows), "rows")
    return sum(rows)

@flow
def publish(total):
    get_run_logger().info("total %d", total)
    return load.submit([total])

@flow(name="etl", flow_run_name="etl-of-{day}")
def main(day: int = 4):
    rows = extract.submit(day)
    doubled = double.map(rows, factor=unmapped(2))
    return publish(load(doubled))
"""


def test_a_flow_with_tasks_has_a_timeline(pool, tmp_path):
    done = run(pool, make_run(tmp_path, ETL))
    assert last(done)["result"] == 12
    running = next(f for f in facts(done) if f["fact"] == "running")
    assert running["name"] == "etl-of-4"
    entries = timeline(done, 1).entries
    told = [(e.name, e.kind, e.state, e.attempt, bool(e.parent)) for e in entries if e.kind != "step"]
    assert [told[0], *sorted(told[1:5]), *told[5:]] == [
        ("extract-4", "task", "Completed", 2, False),
        *[(f"double-{n}", "task", "Completed", 1, False) for n in range(4)],
        ("load-0", "task", "Completed", 1, False),
        ("publish-0", "flow", "Completed", 1, False),
        ("load-1", "task", "Completed", 1, True),
    ]
    assert entries[-1].parent == entries[-2].id
    assert said(done)[-3:] == [
        "INFO    reconciler.task.load: loading 4 rows",
        "INFO    reconciler.flow.publish: total 12",
        "INFO    reconciler.task.load: loading 1 rows",
    ]


CONTEXT = """
import threading
from reconciler import flow, get_run_context, runtime, task

@task
def inner():
    at = get_run_context()
    return [at.task_run.name, at.id, runtime.flow_run.name, runtime.task_run.tags]

@flow(log_prints=True)
def main(a, b=2):
    at = get_run_context()
    found = []
    thread = threading.Thread(target=lambda: found.append(runtime.deployment.name))
    thread.start(); thread.join()
    return [at.id, at.name, at.deployment, at.flow_name, at.version, at.spec_commit, at.source_commit, at.generation,
            at.due.isoformat(), at.attempt, at.parameters, list(at.tags), at.labels, runtime.deployment.version,
            inner.submit().result(), found]
"""


def test_a_flow_knows_its_run(pool, tmp_path):
    order = {"name": "swift-otter", "deployment": "main/x", "version": "v1", "spec_commit": "s", "source_commit": "c"}
    order |= {"generation": 3, "due": "2026-01-02T03:04:05Z", "tags": ["t"], "labels": {"team": "x"}}
    done = run(pool, make_run(tmp_path, CONTEXT, parameters={"a": 1}, attempt=2, **order))
    told = [
        *("00000000000000aa", "swift-otter", "main/x", "main", "v1", "s", "c", 3, "2026-01-02T03:04:05+00:00", 2),
        *({"a": 1, "b": 2}, ["t"], {"team": "x"}, "v1"),
        *(["inner-0", "00000000000000aa", "swift-otter", ["t"]], ["main/x"]),
    ]
    assert facts(done, 2)[-1]["result"] == told


HOOKS = """
import os, sys, time
from pathlib import Path
from reconciler import flow

def tell(flow, flow_run, state):
    print("hook:", flow.name, flow_run.name, state.type, state.message, flush=True)

def breaks(flow, flow_run, state):
    raise ValueError("a hook")

async def later(flow, flow_run, state):
    print("later", flush=True)

@flow(on_completion=[breaks, tell, later], on_failure=[tell], on_cancellation=[tell], on_crashed=[tell], retries=1)
def main(how: str):
    if how == "raise": raise ValueError("no")
    if how == "interrupt": raise KeyboardInterrupt
    if how == "exit": os._exit(3)
    if how == "wait":
        try:
            Path("ready").touch(); time.sleep(60)
        finally:
            print("cleaned", flush=True)

@main.on_running
def begins(flow, flow_run, state):
    print(state.name, flush=True)
"""


@pytest.mark.parametrize(
    ("how", "attempt", "lines"),
    [
        ("return", 1, ["hook: main r COMPLETED ", "later"]),
        ("raise", 1, []),
        ("raise", 2, ["hook: main r FAILED ValueError: no"]),
        ("interrupt", 1, ["hook: main r CRASHED KeyboardInterrupt"]),
        ("exit", 1, ["hook: main r CRASHED the process ended with exit code 3 before it said how the run went"]),
    ],
)
def test_hooks_are_called_once_the_outcome_is_known(pool, tmp_path, how, attempt, lines):
    run_dir = make_run(tmp_path, HOOKS, attempt=attempt, name="r", parameters={"how": how})
    if attempt == 2:
        (run_dir.parent / "1").mkdir()
        (run_dir.parent / "1" / "journal.jsonl").touch()
    done = run(pool, run_dir)
    told = said(done)
    assert told[0] == ("Running" if attempt == 1 else "Retrying")
    assert [line for line in told if line.startswith(("hook", "later"))] == lines
    assert ("ERROR   reconciler.flow.main: the hook breaks of r failed" in told) is (how == "return")
    code = {"return": 0, "exit": 3}.get(how, 1)
    assert pool.exit_status(done) == {"code": code, "signal": None}
    assert not (done / "on_crashed").exists()


@pytest.mark.parametrize(
    ("number", "cancelled", "lines"),
    [
        (signal.SIGTERM, True, ["cleaned", "hook: main r CANCELLED the run was cancelled"]),
        (signal.SIGTERM, False, ["cleaned", "hook: main r CRASHED the process ended by signal 15 before it said"]),
        (signal.SIGKILL, False, ["hook: main r CRASHED the process ended by signal 9 before it said"]),
        (signal.SIGKILL, True, []),
    ],
    ids=["cancelled", "terminated", "killed", "killed after the grace"],
)
def test_hooks_of_a_run_that_is_ended_from_outside(pool, tmp_path, number, cancelled, lines):
    run_dir = make_run(tmp_path, HOOKS, name="r", parameters={"how": "wait"})
    ready = tmp_path / f"source-{run_dir.parent.name}-1" / "ready"
    pool.launch(run_dir)
    wait_until(ready.exists, "the flow")
    if cancelled:
        (run_dir / "cancel").write_text("{}")
    pool.kill(run_dir, number)
    over(pool, run_dir)
    told = [line for line in said(run_dir) if line.startswith(("hook", "cleaned"))]
    assert [line[: len(expected)] for line, expected in zip(told, lines, strict=True)] == lines
    assert pool.exit_status(run_dir) == {"code": None, "signal": number}


def test_a_crash_in_a_cold_run_is_mourned_too(pool, tmp_path):
    done = run(pool, make_run(tmp_path, HOOKS, name="r", parameters={"how": "exit"}, env={"LANG": "C.UTF-8"}))
    assert any(line.startswith("hook: main r CRASHED") for line in said(done))


PAUSES = """
import asyncio, time
from reconciler import FlowPauseTimeout, flow, pause_flow_run, suspend_flow_run, task

@flow(timeout_seconds=0.3)
def main(seconds: float = 60):
    pause_flow_run(timeout=seconds, reason="look at it")
    return "resumed"

@flow(timeout_seconds=0.3)
async def waits(seconds: float = 60):
    await pause_flow_run(timeout=seconds)
    await asyncio.sleep(0)
    return "resumed"

@flow
def suspends(times: int = 2):
    try:
        for n in range(times):
            print("before", n)
            suspend_flow_run(timeout=60, reason=f"step {n}")
    finally:
        print("cleaned")
    return "done"

@flow
async def suspends_later():
    try:
        await suspend_flow_run(timeout=None)
        await suspend_flow_run()
    finally:
        print("cleaned")
    return "done"

@task
def pausing():
    pause_flow_run()

@flow
def wrong():
    pausing()
"""


@pytest.mark.parametrize("flow", ["main", "waits"])
def test_a_pause_waits_for_its_resumption_and_stops_the_clock(pool, tmp_path, flow):
    run_dir = make_run(tmp_path, PAUSES, entrypoint=f"flow.py:{flow}")
    pool.launch(run_dir)
    wait_until(lambda: last_fact(run_dir) == "paused", "the pause")
    paused = last(run_dir)
    wait_until(lambda: time.time() > paused["at"] + 0.5, "more than the flow's time")
    assert pool.alive(run_dir)
    draft = run_dir / ".resume"
    draft.write_text("{}")
    draft.rename(run_dir / "resume")
    over(pool, run_dir)
    assert [f["fact"] for f in facts(run_dir)][1:] == ["running", "paused", "resumed", "completed"]
    assert last(run_dir)["result"] == "resumed"
    assert paused["timeout"] == 60


def last_fact(run_dir: Path) -> str | None:
    found = facts(run_dir)
    return found[-1]["fact"] if found else None


def test_a_pause_that_nobody_ends_fails_the_flow(pool, tmp_path):
    done = run(pool, make_run(tmp_path, PAUSES, parameters={"seconds": 0.2}))
    assert last(done)["error"]["type"] == "reconciler.engine.pausing.FlowPauseTimeout"
    assert last(done)["error"]["message"] == "the run was not resumed within 0.2 s"


@pytest.mark.parametrize("flow", ["suspends", "suspends_later"])
def test_a_suspended_run_passes_in_its_next_attempt(pool, tmp_path, flow):
    for attempt, ends in ((1, "suspended"), (2, "suspended"), (3, "completed")):
        done = run(pool, make_run(tmp_path, PAUSES, attempt=attempt, entrypoint=f"flow.py:{flow}"))
        end = facts(done, attempt)[-1]
        assert end["fact"] == ends
        assert pool.exit_status(done) == {"code": 0, "signal": None}
        assert said(done)[-1 if ends == "completed" else -2] == "cleaned"
    assert end["result"] == "done"


def test_a_failure_after_a_suspension_is_told_by_the_hook_when_no_retry_is_left(pool, tmp_path):
    flow = (
        "from reconciler import flow, suspend_flow_run\n"
        "@flow(retries=1, on_failure=[lambda *_: print('hook')])\ndef main():\n"
        "    suspend_flow_run()\n    1 / 0\n"
    )
    told = ["hook" in said(run(pool, make_run(tmp_path, flow, attempt=attempt))) for attempt in (1, 2, 3)]
    assert told == [False, False, True]


def test_only_flows_pause(pool, tmp_path):
    done = run(pool, make_run(tmp_path, PAUSES, entrypoint="flow.py:wrong"))
    assert "call it in the flow, not in a task" in last(done)["error"]["message"]


@pytest.mark.parametrize(
    ("flow", "message"),
    [
        ("@flow(flow_run_name='{day}')\ndef main(): print('called')", "there is no parameter 'day'; there are: none"),
        ("@flow(flow_run_name=lambda: 5)\ndef main(): print('called')", "flow_run_name gives 5, not a name"),
        ("def main():\n    a = bad.submit()\n    return [a]", "ValueError: bad"),
        ("@flow\ndef main():\n    return Failed(message='mine')", "mine"),
        ("@flow(timeout_seconds=0.2)\ndef main():\n    spin.submit().wait()", "longer than 0.2 s"),
    ],
)
def test_failures_say_what_is_wrong(pool, tmp_path, flow, message):
    head = (
        "import time\nfrom reconciler import Failed, flow, task\n"
        "@task\ndef bad():\n    raise ValueError('bad')\n@task\ndef spin():\n    time.sleep(30)\n"
    )
    done = run(pool, make_run(tmp_path, f"{head}{flow}\n"))
    assert message in output(done)
    assert "called" not in output(done)
    assert last(done)["fact"] == ("timed_out" if "longer" in message else "failed")


def test_a_traceback_shows_the_users_lines_only(pool, tmp_path):
    flow = "from reconciler import flow, task\n@task\ndef inner():\n    1 / 0\n@flow\ndef main():\n    inner()\n"
    trace = last(run(pool, make_run(tmp_path, flow)))["error"]["traceback"]
    assert [line.rsplit(" in ")[1] for line in trace.splitlines() if line.startswith("  File")] == ["main", "inner"]


def test_a_flow_without_any_of_it_loads_none_of_it(pool, tmp_path):
    flow = (
        "import sys\nfrom reconciler import flow\n@flow(retries=1)\ndef main():\n"
        "    return [n for n in sys.modules if n.startswith('reconciler.engine.') and n.split('.')[2] in\n"
        "            ('tasks', 'futures', 'hooks', 'attempts', 'threads', 'states', 'pausing', 'calling')]\n"
    )
    done = run(pool, make_run(tmp_path, flow))
    assert last(done)["result"] == []
    assert json.dumps(facts(done)[-2]["retry_delays"]) == "[0]"


def test_the_hooks_of_a_flow_that_does_not_import_any_more_are_told_as_not_called(pool, tmp_path):
    run_dir = make_run(tmp_path, HOOKS, name="r", parameters={"how": "wait"})
    source = tmp_path / f"source-{run_dir.parent.name}-1"
    pool.launch(run_dir)
    wait_until((source / "ready").exists, "the flow")
    (source / "flow.py").write_text("import nothing_like_it\n")
    pool.kill(run_dir, signal.SIGKILL)
    over(pool, run_dir)
    assert said(run_dir)[-1].startswith("the on_crashed hooks were not called: ModuleNotFoundError")
    assert pool.exit_status(run_dir) == {"code": None, "signal": signal.SIGKILL}


def test_a_timeline_has_an_end(pool, tmp_path):
    flow = (
        "from reconciler import flow, task\n@task\ndef many(n):\n    raise ValueError('x' * 600)\n"
        "@flow\ndef main():\n    for n in range(4000): many(n, return_state=True)\n"
    )
    done = run(pool, make_run(tmp_path, flow))
    *_, end = (done / "journal.jsonl").read_text().splitlines()
    assert json.loads(end)["fact"] == "completed"
    assert "moves of tasks are not in it" in said(done)[-1]
    assert (done / "journal.jsonl").stat().st_size < 2.1 * (1 << 20)


def test_tasks_without_async_code_load_no_event_loop(pool, tmp_path):
    flow = (
        "import sys\nfrom reconciler import flow, task, pause_flow_run\n@task(retries=1)\ndef one():\n    return 1\n"
        "@flow(on_completion=[lambda *_: print('asyncio' in sys.modules)])\ndef main():\n    one.submit(); one()\n"
    )
    assert said(run(pool, make_run(tmp_path, flow))) == ["False"]


OTHERS = sorted(Path.home().glob(".pyenv/versions/3.1[2-9]*/bin/python3"))


@pytest.mark.parametrize("python", OTHERS, ids=lambda path: path.parts[-3])
def test_another_python_runs_it_by_path(tmp_path, python):
    run_dir = make_run(tmp_path, ETL)
    with (run_dir / "output").open("ab") as log:
        subprocess.run([python, "-P", child.ENTRY, "once", run_dir], stdout=log, stderr=log, check=True, timeout=60)
    assert last(run_dir)["result"] == 12
    assert len(timeline(run_dir, 1).entries) == 9


@pytest.mark.skipif(not OTHERS, reason="needs another Python")
def test_hooks_of_a_lost_run_are_called_by_the_python_it_had(pool, tmp_path):
    flow = (
        "import sys, time\nfrom pathlib import Path\nfrom reconciler import flow\n"
        "@flow(on_crashed=[lambda *_: print(sys.executable)])\n"
        "def main():\n    (Path(__file__).parent / 'ready').touch(); time.sleep(60)\n"
    )
    run_dir = make_run(tmp_path, flow)
    pool.launch(run_dir)
    wait_until((tmp_path / f"source-{run_dir.parent.name}-1" / "ready").exists, "the flow")
    note = run_dir / "on_crashed"
    note.write_text(json.dumps({**json.loads(note.read_text()), "python": str(OTHERS[0])}))
    pool.kill(run_dir, signal.SIGKILL)
    assert said(over(pool, run_dir)) == [str(OTHERS[0])]
    assert pool.exit_status(run_dir) == {"code": None, "signal": signal.SIGKILL}
