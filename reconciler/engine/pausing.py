"""Pausing and suspending a run from within it. Called by flows; operators resume with `reconciler resume RUN`.

A paused run waits in its process and keeps its slot. A suspended one ends its process and gives the slot back; resumed,
it starts from its first line as another attempt, in which that call of suspend_flow_run returns at once.
"""

import importlib
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from reconciler.engine import deadline, nearby
from reconciler.engine.context import FlowRun, Frame, required
from reconciler.engine.journal import JOURNAL, read
from reconciler.engine.late import Suspended
from reconciler.engine.marker import read_exit

RESUME = "resume"
LONGEST = 366 * 86_400.0
_LOOK_EVERY_SECONDS = 0.1


class FlowPauseTimeout(Exception):  # noqa: N818 - the name that flows written for Prefect catch
    """Nobody resumed the run in time."""


def pause_flow_run(*, timeout: float | None = 3600, reason: str | None = None) -> Any:
    """Wait until the run is resumed; in an async flow, `await` it. The flow's timeout does not count meanwhile.

    Raises FlowPauseTimeout after `timeout` seconds (None: no limit), RuntimeError where there is nobody to resume it.
    """
    frame = _frame("pause_flow_run", timeout)
    return _pause_async(frame, timeout, reason) if _in_loop() else _pause(frame, timeout, reason)


def suspend_flow_run(*, timeout: float | None = 3600, reason: str | None = None) -> Any:
    """End this attempt until the run is resumed; `finally` blocks run. In an async flow, `await` it.

    The flow then starts anew and passes here. Not resumed within `timeout` seconds (None: no limit), the run fails.
    """
    frame = _frame("suspend_flow_run", timeout)
    return _suspend_async(frame, timeout, reason) if _in_loop() else _suspend(frame, timeout, reason)


def _frame(what: str, timeout: float | None) -> Frame:
    frame = required(f"{what}()")
    if frame.run.run_dir is None or frame.run.journal is None:
        raise RuntimeError(f"{what}() needs a run of a deployment: in a script there is nobody to resume it")
    if any(not isinstance(f.of, FlowRun) for f in _upwards(frame)):
        raise RuntimeError(f"{what}() pauses flows: call it in the flow, not in a task")
    if timeout is not None and not 0 < timeout <= LONGEST:
        raise ValueError(f"timeout={timeout!r}: seconds, more than 0 and at most {LONGEST:g}, or None for no limit")
    return frame


def _upwards(frame: Frame | None) -> Iterator[Frame]:
    while frame:
        yield frame
        frame = frame.parent


def _in_loop() -> bool:
    loops = sys.modules.get("asyncio")
    if loops is None:
        return False
    try:
        loops.get_running_loop()
    except RuntimeError:
        return False
    return True


def _pause(frame: Frame, timeout: float | None, reason: str | None) -> None:
    with _paused(frame, timeout, reason) as moments:
        for _ in moments:
            time.sleep(_LOOK_EVERY_SECONDS)


async def _pause_async(frame: Frame, limit: float | None, reason: str | None) -> None:
    sleep = importlib.import_module("asyncio").sleep
    with _paused(frame, limit, reason) as moments:
        for _ in moments:
            await sleep(_LOOK_EVERY_SECONDS)


@contextmanager
def _paused(frame: Frame, timeout: float | None, reason: str | None) -> Iterator[Iterator[None]]:
    """Tell that it waits; what is yielded goes on for as long as it should; tell that it goes on."""
    run_dir, journal = frame.run.run_dir, frame.run.journal
    assert run_dir is not None  # noqa: S101 - both were checked by _frame
    assert journal is not None  # noqa: S101
    given = run_dir / RESUME
    given.unlink(missing_ok=True)
    if nearby.LOCAL in os.environ:
        _say("paused: a local run goes on at once")
        given.touch()
    journal.write("paused", timeout=timeout, reason=reason)
    with deadline.stopped():
        yield _until(given, timeout)
    given.unlink(missing_ok=True)
    journal.write("resumed")


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - it is meant for the run's output


def _until(given: Path, timeout: float | None) -> Iterator[None]:
    end = None if timeout is None else time.monotonic() + timeout
    while not given.exists():
        if end is not None and time.monotonic() >= end:
            raise FlowPauseTimeout(f"the run was not resumed within {timeout:g} s")
        yield


def _suspend(frame: Frame, timeout: float | None, reason: str | None) -> None:
    run = frame.run
    run.suspensions += 1
    if nearby.LOCAL in os.environ:
        _say("suspended: a local run goes on at once")
    elif run.run_dir is not None and run.suspensions > _earlier(run.run_dir):
        raise Suspended(timeout, reason)


async def _suspend_async(frame: Frame, limit: float | None, reason: str | None) -> None:
    _suspend(frame, limit, reason)


def _earlier(run_dir: Path) -> int:
    """How many attempts of this run ended by being suspended."""
    this = int(run_dir.name)
    return sum(_was_suspended(run_dir.with_name(str(attempt)), attempt) for attempt in range(1, this))


def not_counted(run_dir: Path) -> int:
    """How many earlier attempts used up no retry: suspended ones, and those that were never launched."""
    folders = [run_dir.with_name(str(attempt)) for attempt in range(1, int(run_dir.name))]
    return _earlier(run_dir) + sum(not (folder / JOURNAL).exists() for folder in folders)


def _was_suspended(folder: Path, attempt: int) -> bool:
    """Whether it said so and then ended as it should: one that was killed on its way out is a crash to the daemon."""
    status = read_exit(folder)
    if status is not None and status["code"] != 0:
        return False
    offset = 0
    while (found := read(folder / JOURNAL, offset, attempt)).offset > offset:
        offset = found.offset
        if any(fact["fact"] == "suspended" for fact in found.facts):
            return True
    return False
