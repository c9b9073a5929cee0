"""Runs an async flow within its time. Called by call.py, which loads it for async flows only."""

import asyncio
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
