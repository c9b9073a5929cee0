"""How long code may take: alarms in the main thread, watches over others; pauses stop them. Called by call.py, tasks.

Deadlines may lie inside of each other: a task's in its flow's. The one that passes first is raised as FlowTimeout.
"""

import ctypes
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, Any

from reconciler.engine.late import FlowTimeout, RunTimeoutError

if TYPE_CHECKING:
    import asyncio

_AT_ONCE = 1e-6


class Deadline:
    """A moment of the monotonic clock, `limit` and `slack` seconds from now."""

    __slots__ = ("at", "limit")

    def __init__(self, limit: float, slack: float = 0.0) -> None:
        self.limit = limit
        self.at = time.monotonic() + limit + slack


_open: list[Deadline] = []
"""Of the main thread, the outermost first."""
loops: list["asyncio.Timeout"] = []
"""Deadlines that an event loop keeps."""


def start(limit: float, slack: float = 0.0) -> Deadline:
    """Interrupt the main thread when the time is over, unless `end` comes first."""
    found = Deadline(limit, slack)
    _open.append(found)
    signal.signal(signal.SIGALRM, _alarm)
    _arm()
    return found


def end(given: Deadline) -> None:
    """It was in time."""
    with suppress(ValueError):
        _open.remove(given)
    _arm()


def _arm() -> None:
    soonest = min((d.at for d in _open), default=None)
    signal.setitimer(signal.ITIMER_REAL, 0 if soonest is None else max(soonest - time.monotonic(), _AT_ONCE))


def _alarm(_number: int, _frame: FrameType | None) -> None:
    now = time.monotonic()
    passed = next((d for d in _open if d.at <= now), None)
    if passed is None:
        _arm()
        return
    raise FlowTimeout(passed.limit, of=passed)


@contextmanager
def stopped() -> Iterator[None]:
    """Time that does not count, such as a pause."""
    began = time.monotonic()
    signal.setitimer(signal.ITIMER_REAL, 0)
    held = [(clock, clock.when()) for clock in loops]
    for clock, _ in held:
        clock.reschedule(None)
    try:
        yield
    finally:
        lost = time.monotonic() - began
        for clock, when in held:
            clock.reschedule(None if when is None else when + lost)
        for deadline in _open:
            deadline.at += lost
        if _open:
            _arm()


@contextmanager
def within(limit: float | None, what: str) -> Iterator[None]:
    """Raises RunTimeoutError in whatever thread this is; code in C is interrupted when it comes back to Python."""
    if not limit:
        yield
        return
    in_main = threading.current_thread() is threading.main_thread()
    clock: Any = start(limit) if in_main else _Watch(limit)
    try:
        yield
    except FlowTimeout as late:
        if late.of not in {clock, None} or (late.of is None and not getattr(clock, "fired", False)):
            raise
        raise RunTimeoutError(f"{what} took longer than {limit:g} s") from None
    finally:
        end(clock) if in_main else clock.end()


class _Watch:
    """Raises FlowTimeout in the thread that made it, from another."""

    def __init__(self, limit: float) -> None:
        self.fired = self._over = False
        self._thread = threading.get_ident()
        self._lock = threading.Lock()
        self._timer = threading.Timer(limit, self._fire)
        self._timer.daemon = True
        self._timer.start()

    def _fire(self) -> None:
        with self._lock:
            if not self._over:
                self.fired = True
                _raise_in(self._thread, FlowTimeout)

    def end(self) -> None:
        self._timer.cancel()
        with self._lock:
            self._over = True
            if self.fired:
                _raise_in(self._thread, None)  # what was not raised yet is not raised any more


def _raise_in(thread: int, error: type[BaseException] | None) -> None:
    given = ctypes.py_object(error) if error else None
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), given)
