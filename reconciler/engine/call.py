"""Calls the flow, within its time, and turns a termination signal into an exception. Called by the run."""

import importlib
import inspect
import os
import signal
from collections.abc import Awaitable
from types import FrameType
from typing import Any

from reconciler.engine.late import FlowTimeout
from reconciler.engine.parameters import Arguments

_ASYNC_GRACE_SECONDS = 1.0
"""How long the event loop has to cancel a late coroutine before the signal interrupts whatever blocks it."""


class Terminated(BaseException):
    """SIGTERM came: `finally` blocks run, then the process ends by the signal."""


def call(flow: Any, arguments: Arguments, limit: float | None) -> Any:
    """The flow's result, a coroutine's awaited. Raises FlowTimeout past `limit` seconds, and what the flow raises."""
    is_async = inspect.iscoroutinefunction(inspect.unwrap(flow))
    if limit:
        signal.signal(signal.SIGALRM, lambda *_: _late(limit))
        signal.setitimer(signal.ITIMER_REAL, limit + (_ASYNC_GRACE_SECONDS if is_async else 0))
    try:
        result = flow(*arguments.args, **arguments.kwargs)
        return _await(result, limit) if inspect.isawaitable(result) else result
    finally:
        no_more_timeout()


def no_more_timeout() -> None:
    """What follows the flow is ours and takes the time it takes."""
    signal.setitimer(signal.ITIMER_REAL, 0)


def _await(coroutine: Awaitable[Any], limit: float | None) -> Any:
    """The event loop is loaded for async flows only: it would make every other fork dearer."""
    return importlib.import_module("reconciler.engine.loop").run(coroutine, limit)


def _late(limit: float) -> None:
    raise FlowTimeout(limit)


def end_on_termination() -> None:
    """Make SIGTERM raise Terminated in this process; processes it forks die of the signal as usual."""
    mine = os.getpid()

    def terminate(_number: int, _frame: FrameType | None) -> None:
        if os.getpid() != mine:
            die_of_termination()
        raise Terminated

    signal.signal(signal.SIGTERM, terminate)


def die_of_termination() -> None:
    """End this process by SIGTERM, so that its exit status tells the truth."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)
