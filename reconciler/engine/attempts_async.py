"""An async task, subflow or flow in a script: as attempts.py, in an event loop. Loaded when one is called."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from reconciler.engine import futures, loop
from reconciler.engine.attempts import Attempts


async def perform(todo: Attempts, body: Callable[[], Awaitable[Any]]) -> Any:
    """The result of the coroutine, tried as often as its settings say. Raises what the last attempt raised."""
    what = f"{todo.kind} {todo.frame.of.name!r}"
    while True:
        with todo.one():
            result = await loop.within(body(), todo.what.timeout_seconds, what)
            if todo.frame.futures:
                result = await asyncio.to_thread(futures.settle, todo.frame, result)
            result = futures.resolve(result)
            todo.returned(result)
        if todo.over:
            return todo.frame.of.state.data
        await asyncio.sleep(todo.delay)
