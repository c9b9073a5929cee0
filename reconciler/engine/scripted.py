"""A flow that is called in a script or notebook: with a daemon nearby, the call is recorded as a run. Called by Flow.

The call itself never waits for the daemon's sake beyond one question, and nothing that goes wrong in recording reaches
it. Recorded are calls from outside of any flow only, and never inside a run: `RECONCILER_RUN` says that this is one.
`RECONCILER_RECORD=0` turns recording off.
"""

import importlib
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

from reconciler.engine import nearby

RUN = "RECONCILER_RUN"
"""In the environment of a run and of all it starts: its id."""
RECORD = "RECONCILER_RECORD"

_inside: ContextVar[bool] = ContextVar("reconciler_call", default=False)
_warned: list[str] = []


def call(flow: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], body: Callable[[], Any]) -> Any:
    """What `body` returns or raises: the call of `flow` with these arguments, recorded where a daemon is nearby."""
    if _inside.get() or RUN in os.environ or os.environ.get(RECORD) == "0":
        return body()
    token = _inside.set(True)
    try:
        record = _begin(flow, args, kwargs)
        if record is None:
            result = body()
            return _awaited(result, None) if hasattr(result, "__await__") else result
        try:
            result = body()
        except BaseException as error:
            _quietly(record.failed, error)
            raise
        if hasattr(result, "__await__"):
            return _awaited(result, record)
        _quietly(record.completed, result)
        return result
    finally:
        _inside.reset(token)


async def _awaited(coroutine: Awaitable[Any], record: Any) -> Any:
    """An async flow: what it calls is inside of it; `record` is None when none is kept."""
    token = _inside.set(True)
    try:
        result = await coroutine
    except BaseException as error:
        if record is not None:
            _quietly(record.failed, error)
        raise
    finally:
        with suppress(ValueError):  # closed from another context
            _inside.reset(token)
    if record is not None:
        _quietly(record.completed, result)
    return result


def _begin(flow: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """The open record of a call; None where no daemon is nearby or it cannot be asked."""
    found: list[Any] = []
    _quietly(lambda: found.append(_record(flow, args, kwargs)))
    return found[0] if found else None


def _record(flow: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    file = getattr(getattr(flow.fn, "__code__", None), "co_filename", "")
    starts = (os.getcwd(), *([os.path.dirname(file)] if os.path.isabs(file) else []))  # noqa: PTH109, PTH120, PTH117
    root = nearby.state_dir(starts)
    if root is None:
        return None
    return importlib.import_module("reconciler.engine.recording").begin(root, flow, args, kwargs)


def _quietly(act: Callable[..., object], *given: object) -> None:
    """Do what records; a failure is one line in the log, the first time, and nothing else."""
    try:
        act(*given)
    except Exception as error:  # noqa: BLE001 - the user's call goes on, whatever befalls its record
        if not _warned:
            _warned.append(str(error))
            text = f"calls of flows are not recorded: {type(error).__name__}: {error}"
            importlib.import_module("logging").getLogger("reconciler").warning(text.replace("\n", " "))


def entrypoint(flow: Any) -> str:
    """Where the flow is defined, for people: `/path/file.py:function`."""
    code = getattr(flow.fn, "__code__", None)
    file = getattr(code, "co_filename", "") or getattr(sys.modules.get(flow.fn.__module__), "__file__", None) or "?"
    return f"{file}:{flow.fn.__qualname__}"
