"""Calls the flow, within its time, and turns a termination signal into an exception. Called by the run."""

import importlib
import inspect
import os
import signal
import threading
from collections.abc import Awaitable
from types import FrameType
from typing import Any, NoReturn

from reconciler.engine import deadline, stage
from reconciler.engine.context import Frame
from reconciler.engine.parameters import Arguments

_ASYNC_GRACE_SECONDS = 1.0
"""How long the event loop has to cancel a late coroutine before the signal interrupts whatever blocks it."""


class Terminated(BaseException):
    """SIGTERM came: `finally` blocks run, then the process ends by the signal."""


def call(flow: Any, arguments: Arguments, limit: float | None, frame: Frame | None = None) -> Any:
    """The flow's result, a coroutine's awaited, and what it submitted waited for.

    Raises FlowTimeout past `limit` seconds, and what the flow raises.
    """
    is_async = inspect.iscoroutinefunction(inspect.unwrap(flow))
    clock = deadline.start(limit, _ASYNC_GRACE_SECONDS if is_async else 0.0) if limit else None
    try:
        result = flow(*arguments.args, **arguments.kwargs)
        return stage.finish(frame, _await(result, limit) if inspect.isawaitable(result) else result)
    except Exception:
        stage.release(frame)
        raise
    finally:
        if clock:
            deadline.end(clock)


def _await(coroutine: Awaitable[Any], limit: float | None) -> Any:
    """The event loop is loaded for async flows only: it would make every other fork dearer."""
    return importlib.import_module("reconciler.engine.loop").run(coroutine, limit)


def end_on_termination() -> None:
    """Make SIGTERM raise Terminated in this process; processes it forks die of the signal as usual.

    At once, not by a handler of Python's: one that is about to wait for a lock would hear of the signal when it has it.
    So `multiprocessing` ends its pools, whose workers wait for each other.
    """
    mine = os.getpid()

    def terminate(_number: int, _frame: FrameType | None) -> None:
        if os.getpid() != mine:
            die_of_termination()
        raise Terminated

    def as_usual() -> None:
        if signal.getsignal(signal.SIGTERM) is terminate:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        unblock()

    # Held back around a fork: what comes to the child before it is as usual would be heard by nobody.
    masks = threading.local()

    def block() -> None:
        masks.before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

    def unblock() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, masks.before)

    signal.signal(signal.SIGTERM, terminate)
    os.register_at_fork(before=block, after_in_parent=unblock, after_in_child=as_usual)


def die_of_termination() -> NoReturn:
    """End this process by SIGTERM, so that its exit status tells the truth."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)
    os._exit(128 + signal.SIGTERM)  # never: the signal is not blocked
