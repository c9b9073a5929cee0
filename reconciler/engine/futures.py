"""What `.submit()` gives back, and how it is waited for. Called by authors and by tasks.py."""

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from reconciler.engine.context import Frame, TaskRun
from reconciler.engine.states import RunFailedError, State, UpstreamFailedError
from reconciler.engine.threads import Threads

R = TypeVar("R")
T = TypeVar("T")

MOST_WORKERS = 128
"""Threads of one flow run, or of one task run that submits tasks itself, unless its task_runner says otherwise."""


class ThreadPoolTaskRunner:
    """For `@flow(task_runner=...)`: at most `max_workers` submitted tasks at once."""

    def __init__(self, max_workers: int = MOST_WORKERS) -> None:
        if not isinstance(max_workers, int) or isinstance(max_workers, bool) or max_workers < 1:
            raise ValueError(f"max_workers={max_workers!r}: a whole number, 1 or more")
        self.max_workers = max_workers


class Future(Generic[R]):
    """The result, to come, of a submitted task. It may be given to other tasks, which then wait for it."""

    def __init__(self, task_run: TaskRun) -> None:
        self.task_run = task_run
        self.cancelled = False
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._then: list[Callable[[Future[R]], None]] = []

    @property
    def task_run_id(self) -> str:
        """The id of the task run."""
        return self.task_run.id

    @property
    def name(self) -> str:
        """The name of the task run."""
        return self.task_run.name

    @property
    def state(self) -> State[R]:
        """How the task run stands."""
        return self.task_run.state or State("PENDING", "Pending")

    def done(self) -> bool:
        """Whether it is over."""
        return self._over.is_set()

    def wait(self, timeout: float | None = None) -> None:
        """Until it is over, or for so many seconds."""
        self._over.wait(timeout)

    def result(self, timeout: float | None = None, *, raise_on_failure: bool = True) -> R:
        """What the task returned; raises what it raised. Raises TimeoutError after so many seconds."""
        if not self._over.wait(timeout):
            raise TimeoutError(f"{self.name} is not over after {timeout:g} s")
        return self.state.result(raise_on_failure=raise_on_failure)

    def add_done_callback(self, call: "Callable[[Future[R]], None]") -> None:
        """Call it with this future when it is over; at once if it is."""
        with self._lock:
            if not self.done():
                self._then.append(call)
                return
        call(self)

    def finish(self) -> None:
        """It is over: its task run has its last state."""
        with self._lock:
            self._over.set()
            then, self._then = self._then, []
        for call in then:
            call(self)

    def __repr__(self) -> str:
        return f"<future of {self.name}: {self.state.name}>"


class FutureList(list[Future[R]]):
    """The futures of one `.map()`, in order."""

    def wait(self, timeout: float | None = None) -> None:
        """Until all are over, or for so many seconds."""
        wait(self, timeout)

    def result(self, timeout: float | None = None, *, raise_on_failure: bool = True) -> list[R]:
        """Their results in order; raises what the first that failed raised."""
        until = None if timeout is None else time.monotonic() + timeout
        return [f.result(_left(until), raise_on_failure=raise_on_failure) for f in self]


class Waited(NamedTuple):
    """Which futures are over, and which are not."""

    done: set[Future[Any]]
    not_done: set[Future[Any]]


def wait(futures: Iterable[Future[Any]], timeout: float | None = None) -> Waited:
    """Wait for all of them, or for so many seconds; raises nothing for those that failed."""
    until = None if timeout is None else time.monotonic() + timeout
    given = list(futures)
    for future in given:
        future.wait(_left(until))
    done = {f for f in given if f.done()}
    return Waited(done, set(given) - done)


def as_completed(futures: Iterable[Future[R]], timeout: float | None = None) -> Iterator[Future[R]]:
    """Each as it ends. Raises TimeoutError when not all are over after so many seconds."""
    until = None if timeout is None else time.monotonic() + timeout
    given, ended = list(futures), queue.SimpleQueue[Future[R]]()
    for future in given:
        future.add_done_callback(ended.put)
    for count in range(len(given)):
        try:
            yield ended.get(timeout=_left(until))
        except queue.Empty:
            raise TimeoutError(f"{len(given) - count} of {len(given)} futures are not over") from None


def _left(until: float | None) -> float | None:
    return None if until is None else max(until - time.monotonic(), 0)


@dataclass(frozen=True, slots=True)
class unmapped(Generic[T]):  # noqa: N801 - written like a function
    """For `.map()`: the same value for every call, though it can be iterated over."""

    value: T


@dataclass(frozen=True, slots=True)
class allow_failure(Generic[T]):  # noqa: N801 - written like a function
    """For arguments: should this future fail, the task runs all the same and gets the exception as the value."""

    value: T


def resolve(value: Any, *, tolerant: bool = False) -> Any:
    """The value with results in place of futures and states, also inside of lists, tuples, sets and dicts.

    Raises what a future raised, RunFailedError for a state that has nothing to raise. What holds no future is returned
    as the very object it is.
    """
    if isinstance(value, Future):
        return value.result(raise_on_failure=not tolerant)
    if isinstance(value, State):
        return value.result(raise_on_failure=not tolerant)
    if isinstance(value, allow_failure):
        return resolve(value.value, tolerant=True)
    if isinstance(value, unmapped):
        return resolve(value.value, tolerant=tolerant)
    if isinstance(value, dict):
        found = {k: resolve(v, tolerant=tolerant) for k, v in value.items()}
        return found if any(found[k] is not value[k] for k in value) else value
    if type(value) in {list, tuple, set, FutureList}:
        items = [resolve(v, tolerant=tolerant) for v in value]
        if all(a is b for a, b in zip(items, value, strict=True)):
            return value
        return items if isinstance(value, list) else type(value)(items)
    return value


def needed(value: Any) -> Iterator[Future[Any]]:
    """The futures inside of a value that must complete before a task can have it."""
    if isinstance(value, Future):
        yield value
    elif isinstance(value, unmapped):
        yield from needed(value.value)
    elif isinstance(value, dict):
        for inner in value.values():
            yield from needed(inner)
    elif isinstance(value, (list, tuple, set)):
        for inner in value:
            yield from needed(inner)


def upstream(*values: Any) -> None:
    """Wait for all that is needed. Raises UpstreamFailedError naming the first that did not complete."""
    for future in needed(values):
        future.wait()
        if not future.state.is_completed():
            why = future.state.message or future.state.name
            cause = future.state.data if isinstance(future.state.data, BaseException) else None
            raise UpstreamFailedError(f"not run: it needs {future.name}, which failed: {why}") from cause


def start(frame: Frame, future: Future[Any], work: Callable[[], None]) -> None:
    """Run it in a thread of the flow or task that submits it, which waits for it at its own end."""
    if frame.threads is None:
        runner = getattr(frame.flow.what, "task_runner", None)
        frame.threads = Threads(runner.max_workers if runner else MOST_WORKERS, frame.of.name)
    frame.futures.append(future)

    def run() -> None:
        try:
            if future.cancelled:
                error = RunFailedError(f"{future.name} was cancelled: what submitted it had failed")
                future.task_run.state = State("CANCELLED", "Cancelled", str(error), error)
            else:
                work()
        finally:
            future.finish()

    frame.threads.submit(run)


def settle(frame: Frame, result: Any) -> Any:
    """The flow or task returned: wait for what it submitted, and make its result of them."""
    for future in frame.futures:
        future.wait()
    found = resolve(result)
    abandon(frame)
    return found


def release(frame: Frame) -> None:
    """It failed: what it submitted and has not begun does not begin; wait for the rest."""
    frame.closing = True
    for future in frame.futures:
        future.cancelled = True
    for future in frame.futures:
        future.wait()
    abandon(frame)


def abandon(frame: Frame) -> None:
    """Nothing more is submitted, and nobody waits for what was."""
    for future in frame.futures:
        future.cancelled = True
    if frame.threads:
        frame.threads.close()
    frame.threads, frame.futures = None, []
