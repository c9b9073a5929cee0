"""Runs what is async to its end, within its time. Called by call.py, hooks and attempts_async, for async code only."""

import asyncio
import threading
from collections.abc import Awaitable
from typing import Any

from reconciler.engine import deadline
from reconciler.engine.late import FlowTimeout, RunTimeoutError


def run(coroutine: Awaitable[Any], limit: float | None) -> Any:
    """The coroutine's result. Raises FlowTimeout past `limit` seconds, after it was cancelled and cleaned up."""
    return asyncio.run(_within(coroutine, limit))


async def _within(coroutine: Awaitable[Any], limit: float | None) -> Any:
    clock = asyncio.timeout(limit)
    deadline.loops.append(clock)
    try:
        async with clock:
            return await coroutine
    except TimeoutError:
        if limit and clock.expired():
            raise FlowTimeout(limit) from None
        raise
    finally:
        deadline.loops.remove(clock)


async def within(coroutine: Awaitable[Any], limit: float | None, what: str) -> Any:
    """The coroutine's result, inside of another. Raises RunTimeoutError past `limit` seconds."""
    try:
        return await _within(coroutine, limit)
    except FlowTimeout as late:
        raise RunTimeoutError(f"{what} took longer than {late.seconds:g} s") from None


def whole(answer: Awaitable[Any]) -> None:
    """To its end, in a loop of its own: in another thread where a loop runs in this one. Raises what it raises."""

    async def end() -> None:
        await answer

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(end())
        return
    problems: list[BaseException] = []

    def run() -> None:
        try:
            asyncio.run(end())
        except BaseException as error:  # noqa: BLE001 - it is raised where it was asked for
            problems.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if problems:
        raise problems[0]
