"""Tasks as an author writes them, in a script without a daemon."""

import asyncio
import pickle
import threading
import time
from contextlib import suppress
from datetime import timedelta

import pytest

from reconciler import (
    MissingContextError,
    RunTimeoutError,
    Task,
    UpstreamFailedError,
    allow_failure,
    as_completed,
    exponential_backoff,
    flow,
    get_run_context,
    task,
    task_input_hash,
    unmapped,
    wait,
)


@task
def double(n: int) -> int:
    """Twice."""
    return 2 * n


@task(name="fail it")
def fail(text="no"):
    raise ValueError(text)


@task
async def later(n):
    await asyncio.sleep(0)
    return n + 1


def test_a_task_is_its_function_with_settings():
    assert isinstance(double, Task)
    assert (double(2), double.name, double.__doc__, fail.name) == (4, "double", "Twice.", "fail it")
    other = double.with_options(retries=1, tags=["x"])
    assert (other.retries, other.tags, double.retries) == (1, {"x"}, 0)
    assert pickle.loads(pickle.dumps(double)) is double  # noqa: S301


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"retires": 1}, r"@task has no argument 'retires', did you mean 'retries'\?; it takes name, "),
        ({"cache_policy": object()}, r"@task\(cache_policy=...\) has no effect here: give cache_key_fn"),
        ({"retries": True}, "a whole number"),
        ({"retry_delay_seconds": -1}, "number of seconds from 0"),
        ({"retry_delay_seconds": [1, "x"]}, "number of seconds from 0"),
        ({"timeout_seconds": float("nan")}, "more than 0"),
        ({"retry_jitter_factor": "x"}, "0 or more"),
        ({"on_failure": print}, "a list of functions"),
    ],
)
def test_settings_that_make_no_sense_are_refused_where_they_are_written(settings, message):
    with pytest.raises((TypeError, ValueError), match=message):
        task(**settings)


def test_generators_are_refused():
    with pytest.raises(TypeError, match="return a list instead"):

        @task
        def numbers():
            yield 1


def test_submitted_tasks_run_at_once_in_threads():
    barrier = threading.Barrier(3, timeout=10)

    @task
    def meet(n):
        barrier.wait()
        return threading.current_thread() is not threading.main_thread()

    @flow
    def main():
        futures = meet.map(range(3))
        assert len(wait(futures, timeout=10).done) == 3
        return futures

    assert main() == [True] * 3


def test_results_flow_from_task_to_task():
    @flow
    def main():
        first = double.submit(1)
        both = double.map([first, double.submit(5)])
        summed = task(sum).submit({"x": 1} and both)
        nested = task(lambda data: data["a"][0]).submit({"a": [first]})
        mapped_over_a_result = double.map(task(lambda: [1, 2]).submit())
        return [summed, nested.result(), later.submit(first), mapped_over_a_result.result(timeout=10)]

    assert main() == [24, 2, 3, [2, 4]]


def test_one_that_needs_a_failed_one_does_not_run_unless_it_allows_it():
    ran = []
    note = task(ran.append)

    @flow
    def main():
        bad = fail.submit()
        needs, waits, allows = note.submit(bad), note.submit(1, wait_for=[bad]), note.submit(allow_failure(bad))
        wait([needs, waits, allows])
        assert (bad.state.name, needs.state.name, waits.state.is_cancelled()) == ("Failed", "Cancelled", True)
        assert "it needs fail it-0, which failed: ValueError: no" in needs.state.message
        with pytest.raises(UpstreamFailedError):
            needs.result()
        with pytest.raises(ValueError, match="no"):
            bad.result()
        with pytest.raises(UpstreamFailedError):
            double(bad)
        return repr(bad)

    assert main() == "<future of fail it-0: Failed>"
    assert [str(error) for error in ran] == ["no"]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: double.map(1), TypeError, "needs an argument with items"),
        (lambda: double.map("text"), TypeError, "needs an argument with items"),
        (lambda: task(pow).map([1, 2], [1]), ValueError, "argument 1: 2, argument 2: 1; see unmapped"),
        (lambda: double.submit(1, 2), TypeError, r"double\(\) too many positional arguments"),
    ],
)
def test_calls_that_cannot_be_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_map_repeats_what_has_no_items():
    assert task(pow).map([2, 3], 2).result() == [4, 9]
    assert task(lambda n, of: n in of).map([1, 2], unmapped([2])).result(10) == [False, True]
    assert double.map([]).result() == []
    assert task(time.sleep).submit(0).result() is None


def test_retries_delays_conditions_and_hooks():
    tries, told = [], []

    def tell(a_task, task_run, state):
        told.append((a_task.name, task_run.name, task_run.run_count, state.name))

    def worth_it(a_task, task_run, state):
        return "again" in state.message

    @task(
        retries=3,
        retry_delay_seconds=exponential_backoff(0.001),
        retry_jitter_factor=0.5,
        retry_condition_fn=worth_it,
        on_failure=[tell],
        on_completion=[tell],
        task_run_name="try {n}",
    )
    def flaky(n):
        tries.append(n)
        if len(tries) < n:
            raise ValueError("again" if n < 5 else "never")
        return n

    @flaky.on_running
    def begins(a_task, task_run, state):
        told.append(state.name)

    assert flaky(3) == 3
    with pytest.raises(ValueError, match="never"):
        flaky(9)
    assert (len(tries), flaky.retry_delays) == (4, [0.001, 0.002, 0.004])
    assert told == ["Running", ("flaky", "try 3", 3, "Completed"), "Running", ("flaky", "try 9", 1, "Failed")]


@pytest.mark.parametrize("submitted", [False, True])
def test_a_task_that_takes_too_long_is_interrupted(submitted):
    @task(timeout_seconds=0.1)
    def spin():
        while True:
            with suppress(Exception):  # a timeout is none
                time.monotonic()

    @task(timeout_seconds=0.1)
    async def sleep():
        await asyncio.sleep(60)

    for each in (spin, sleep):
        with pytest.raises(RunTimeoutError, match=r"longer than 0\.1 s"):
            (each.submit().result() if submitted else asyncio.run(sleep()) if each is sleep else each())


def test_results_are_reused_within_a_run_where_the_key_is_the_same():
    ran = []

    @task(cache_key_fn=task_input_hash)
    def costly(n, how=None):
        ran.append(n)
        return [n]

    short = costly.with_options(cache_expiration=timedelta(seconds=0))

    @flow
    def main():
        states = [costly(1, return_state=True), costly(1, return_state=True), costly.submit(1).state]
        short(2)
        short(2)
        costly(3, how=threading.Lock())
        return [s.name for s in states[:2]]

    assert main() == ["Completed", "Cached"]
    assert main() == ["Completed", "Cached"]
    assert ran == [1, 2, 2, 3] * 2


def test_states_are_asked_for_and_tasks_call_tasks():
    @task
    def outer():
        return [double.submit(n) for n in range(3)]

    assert outer() == [0, 2, 4]
    assert outer.submit().result() == [0, 2, 4]
    assert fail(return_state=True).message == "ValueError: no"
    assert asyncio.run(later(1, return_state=True)).result() == 2


def test_a_task_runs_in_a_method_and_knows_its_run():
    class Loader:
        factor = 3

        @task(tags=["a"])
        def load(self, n):
            at = get_run_context()
            return n * self.factor, at.task_run.task_name, at.task_run.tags

    assert Loader().load(2) == (6, "load", ("a",))
    assert Loader().load.submit(n=2).result()[0] == 6
    with pytest.raises(MissingContextError, match="inside of a flow or task only"):
        get_run_context()


def test_each_is_given_as_it_ends():
    release = threading.Event()

    @task
    def wait_for(event):
        return event is not None and event.wait(10)

    futures = [wait_for.submit(release), wait_for.submit(None)]
    ended = as_completed(futures, timeout=10)
    assert next(ended) is futures[1]
    with pytest.raises(TimeoutError, match=r"is not over after 0\.01 s"):
        futures[0].result(timeout=0.01)
    release.set()
    assert next(ended).result() is True
