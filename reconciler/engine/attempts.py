"""A task run, a subflow or a flow in a script: tried, tried again, told. Called by tasks.py and calling.py.

The run of a deployment is not tried again here: its attempts are the daemon's.
"""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from reconciler.engine import deadline, futures, hooks
from reconciler.engine.context import CURRENT, FlowRun, Frame
from reconciler.engine.logs import logger_of
from reconciler.engine.settings import delay_before
from reconciler.engine.states import State, UpstreamFailedError, of_error


class Attempts:
    """One flow or task run from its first attempt to its outcome; each move is a line of the run's timeline."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.what = frame.what
        self.kind = "flow" if isinstance(frame.of, FlowRun) else "task"
        self.delay = 0.0
        self.over = False
        self._began = time.monotonic()

    def begin(self) -> None:
        """Another attempt."""
        of, self.frame.closing = self.frame.of, False
        of.run_count += 1
        self._began = time.monotonic()
        state: State[Any] = State("RUNNING", "Running" if of.run_count == 1 else "Retrying")
        self._tell(state)
        if of.run_count == 1:
            hooks.call(self.frame, state)
        of.state = state

    def returned(self, result: Any) -> None:
        """It completed."""
        self._end(State("COMPLETED", "Completed", "", result))

    def cached(self, result: Any) -> None:
        """It need not run: it did before, with the same key."""
        self._end(State("COMPLETED", "Cached", "", result))

    def raised(self, error: Exception) -> bool:
        """It failed; whether it is tried again, after `delay` seconds."""
        state = of_error(error)
        of = self.frame.of
        if of.run_count > self.what.retries or isinstance(error, UpstreamFailedError) or not self._worth_it(state):
            self._end(state)
            return False
        self.delay = delay_before(
            of.run_count + 1, self.what.retry_delays, self.what.retry_jitter_factor or 0, random.random
        )
        waiting: State[Any] = State("SCHEDULED", "AwaitingRetry", state.message)
        of.state = waiting
        self._tell(waiting)
        of_all = f"attempt {of.run_count} of {self.what.retries + 1} failed"
        logger_of(self.frame).warning("%s: %s: %s; again in %.3g s", of.name, of_all, state.message, self.delay)
        return True

    def refused(self, error: UpstreamFailedError) -> None:
        """It does not run: what it needs is not there."""
        self._end(of_error(error))

    def interrupted(self, error: BaseException) -> None:
        """Something that is no failure of its own ended it: a signal, a timeout of what it is in, an exit."""
        futures.abandon(self.frame)
        if self.frame.parent is None and not isinstance(error, SystemExit):
            self._end(of_error(error))

    def _worth_it(self, state: State[Any]) -> bool:
        parent = self.frame.parent
        if parent and parent.closing:
            return False
        condition = getattr(self.what, "retry_condition_fn", None)
        if condition is None:
            return True
        try:
            return bool(condition(self.what, self.frame.of, state))
        except Exception:  # noqa: BLE001 - it is the user's
            logger_of(self.frame).exception("the retry_condition_fn of %s failed: no retry", self.frame.of.name)
            return False

    def _end(self, state: State[Any]) -> None:
        self.over = True
        self._tell(state)
        hooks.call(self.frame, state)

    def _tell(self, state: State[Any]) -> None:
        run, parent, of = self.frame.run, self.frame.parent, self.frame.of
        if run.journal is None or parent is None:
            return
        name = "Failed" if state.type == "FAILED" else state.name
        seconds = None if state.type == "RUNNING" else round(time.monotonic() - self._began, 6)
        with suppress(OSError, ValueError):
            run.journal.task(
                id=of.id,
                name=of.name,
                kind=self.kind,
                state=name,
                tries=max(of.run_count, 1),
                parent=parent.of.id if parent.parent else None,
                seconds=seconds,
                message=state.message or None,
            )

    @contextmanager
    def one(self) -> Iterator[None]:
        """An attempt: within the context of the run, its outcome told. Swallows a failure that is to be tried again."""
        token = CURRENT.set(self.frame)
        try:
            self.begin()
            yield
        except Exception as error:
            futures.release(self.frame)
            if not self.raised(error):
                raise
        except BaseException as error:
            self.interrupted(error)
            raise
        finally:
            CURRENT.reset(token)


def perform(todo: Attempts, body: Callable[[], Any]) -> Any:
    """The result of the body, tried as often as its settings say. Raises what the last attempt raised."""
    what = f"{todo.kind} {todo.frame.of.name!r}"
    while True:
        with todo.one():
            with deadline.within(todo.what.timeout_seconds, what):
                result = futures.settle(todo.frame, body())
            todo.returned(result)
        if todo.over:
            return todo.frame.of.state.data
        time.sleep(todo.delay)
