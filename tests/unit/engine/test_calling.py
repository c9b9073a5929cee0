"""Flows called in a script and in each other, without a daemon."""

import asyncio
import io
import logging
import subprocess
import sys
import threading

import pytest

from reconciler import (
    Completed,
    Failed,
    RunFailedError,
    RunTimeoutError,
    ThreadPoolTaskRunner,
    flow,
    get_run_context,
    get_run_logger,
    pause_flow_run,
    runtime,
    suspend_flow_run,
    task,
)


@task
def one() -> int:
    return 1


def test_a_flow_is_tried_again_here_and_its_hooks_are_told():
    told = []

    def tell(a_flow, flow_run, state):
        told.append((a_flow.name, flow_run.parameters, flow_run.run_count, state.type))

    @flow(retries=1, retry_delay_seconds=0.001, on_completion=[tell], on_failure=[tell])
    def main(times, *, last=True):
        if get_run_context().attempt < times:
            raise ValueError("not yet")
        return "fine"

    assert main(2) == "fine"
    with pytest.raises(ValueError, match="not yet"):
        main(3)
    first, second = {"times": 2, "last": True}, {"times": 3, "last": True}
    assert told == [("main", first, 2, "COMPLETED"), ("main", second, 2, "FAILED")]


@pytest.mark.parametrize(
    ("returned", "outcome"),
    [
        (lambda: Completed(data=5), 5),
        (lambda: Failed(message="mine"), "mine"),
        (one.submit, 1),
        (lambda: [one.submit(), {"a": one(return_state=True)}], [1, {"a": 1}]),
        (lambda: (task(lambda: 1 / 0).submit(), 2), "division by zero"),
        (lambda: task(lambda: 1 / 0).submit() and 3, 3),
    ],
    ids=["completed", "failed", "a future", "nested", "a failed future", "a failed future left alone"],
)
def test_a_flow_that_returns_states_and_futures_ends_as_they_do(returned, outcome):
    main = flow(name="main")(lambda: returned())  # noqa: PLW0108 - a Task is no function
    state = main(return_state=True)
    if isinstance(outcome, str):
        assert state.is_failed()
        assert outcome in state.message
        with pytest.raises((RunFailedError, ZeroDivisionError), match=outcome):
            main()
    else:
        assert (main(), state.type) == (outcome, "COMPLETED")


def test_what_a_flow_submitted_is_waited_for():
    ended = []

    @task
    def slow(event):
        event.wait(10)
        ended.append(1)

    @flow
    def main():
        event = threading.Event()
        slow.submit(event)
        threading.Timer(0.05, event.set).start()

    main()
    assert ended == [1]


def test_what_had_not_begun_when_the_flow_failed_does_not():
    ran = []
    event = threading.Event()

    @task
    def record(n):
        event.wait(10)
        ran.append(n)

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=1))
    def main():
        record.map(range(5))
        threading.Timer(0.05, event.set).start()
        raise KeyError("x")

    with pytest.raises(KeyError):
        main()
    assert len(ran) <= 1


def test_flows_call_flows():
    @flow(flow_run_name="inner-{n}", timeout_seconds=10)
    def inner(n):
        return runtime.flow_run.name, get_run_context().flow_name

    @flow
    async def outer():
        return [inner(1), await within(), [inner(n)[0] for n in range(2)], runtime.flow_run.flow_name]

    @flow(retries=1)
    async def within():
        await asyncio.sleep(0)
        return get_run_context().id == runtime.flow_run.root_flow_run_id != runtime.flow_run.id

    assert asyncio.run(outer()) == [("inner-1", "inner"), True, ["inner-0", "inner-1"], "outer"]
    assert runtime.flow_run.name is None
    with pytest.raises(AttributeError, match="has no 'nme'; it has attempt"):
        runtime.flow_run.nme  # noqa: B018


def test_async_flows_are_bound_in_time_and_tried_again():
    tries = []

    @flow(retries=1, timeout_seconds=0.05)
    async def late():
        tries.append(1)
        await asyncio.sleep(60)

    with pytest.raises(RunTimeoutError, match="flow 'late-0' took longer"):
        asyncio.run(late())
    assert len(tries) == 2
    assert asyncio.run(late.with_options(retries=0)(return_state=True)).name == "TimedOut"


def test_the_inner_of_two_limits_does_not_end_the_outer():
    @task(timeout_seconds=0.05)
    def spin():
        while True:
            pass

    @flow(timeout_seconds=30)
    def patient():
        return [spin(return_state=True).name, one()]

    @flow(timeout_seconds=0.05)
    def hasty():
        spin.with_options(timeout_seconds=30)()

    assert patient() == ["TimedOut", 1]
    with pytest.raises(RunTimeoutError, match="flow 'hasty-0'"):
        hasty()


@pytest.mark.parametrize("call", [pause_flow_run, suspend_flow_run])
def test_a_script_has_nobody_to_resume_it(call):
    with pytest.raises(RuntimeError, match="in a script there is nobody to resume it"):
        flow(name="main")(call)()
    with pytest.raises(RuntimeError, match="inside of a flow"):
        call()


def test_prints_and_records_go_to_the_runs_logger(caplog):
    caplog.set_level(logging.INFO, "reconciler")
    elsewhere = io.StringIO()

    @task
    def prints():
        print("from", "a task", sep=": ")

    @flow(log_prints=True)
    def main():
        print("hello")
        prints()
        prints.with_options(log_prints=False)()
        get_run_logger().warning("careful", extra={"x": 1})
        print("elsewhere", file=elsewhere)

    main()
    assert [(r.name, r.levelname, r.getMessage()) for r in caplog.records] == [
        ("reconciler.flow.main", "INFO", "hello"),
        ("reconciler.task.prints", "INFO", "from: a task"),
        ("reconciler.flow.main", "WARNING", "careful"),
    ]
    assert elsewhere.getvalue() == "elsewhere\n"
    assert caplog.records[2].flow_run_name == "main-0"
    assert caplog.records[0].funcName == "main"


SCRIPT = """
import logging
from reconciler import flow, get_run_logger, task

@task(retries=1)
def load(n, tries=[]):
    tries.append(n)
    if len(tries) < 2:
        raise OSError("flaky")
    logging.getLogger("other").warning("odd")

@flow(log_prints=True)
def main():
    print("hello")
    load(1)

main()
"""


def test_a_script_shows_its_records_without_a_word_of_configuration():
    done = subprocess.run([sys.executable, "-c", SCRIPT], check=True, capture_output=True, text=True)
    lines = [line.split(" ", 2)[2] for line in done.stderr.splitlines()]
    assert lines == [
        "INFO    reconciler.flow.main: hello",
        "WARNING reconciler.task.load: load-0: attempt 1 of 2 failed: OSError: flaky; again in 0 s",
        "WARNING other: odd",
    ]
