"""Runs an async flow within its time. Called by call.py, which loads it for async flows only."""

import asyncio
from collections.abc import Awaitable
from typing import Any

from reconciler.engine.late import FlowTimeout


def run(coroutine: Awaitable[Any], limit: float | None) -> Any:
    """The coroutine's result. Raises FlowTimeout past `limit` seconds, after it was cancelled and cleaned up."""
    return asyncio.run(_within(coroutine, limit))


async def _within(coroutine: Awaitable[Any], limit: float | None) -> Any:
    clock = asyncio.timeout(limit)
    try:
        async with clock:
            return await coroutine
    except TimeoutError:
        if limit and clock.expired():
            raise FlowTimeout(limit) from None
        raise
