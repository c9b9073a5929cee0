"""A flow called in Python: in a script, or inside of another flow. Called by flows.py, loaded when that happens.

Under the daemon the flow that a deployment names does not come by here: the run itself calls it.
"""

import importlib
import inspect
import os
from typing import Any

from reconciler.engine import attempts, logs
from reconciler.engine.attempts import Attempts
from reconciler.engine.context import FlowRun, Frame, Run, current
from reconciler.engine.names import filled, parameters_of, takes
from reconciler.engine.scripted import Call


def call(flow: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The flow's result, or a coroutine of it. With `return_state=True` its State, and nothing is raised."""
    as_state = not takes(flow.fn, "return_state") and kwargs.pop("return_state", False)
    frame = _frame(flow, parameters_of(flow.fn, args, kwargs))
    todo = Attempts(frame)
    if inspect.iscoroutinefunction(inspect.unwrap(flow.fn)):
        return _state_of(frame, _async().perform(todo, lambda: flow.fn(*args, **kwargs)), as_state=as_state)
    record = Call(frame)
    try:
        result = attempts.perform(todo, lambda: flow.fn(*args, **kwargs))
    except BaseException as error:
        record.failed(error)
        if as_state and isinstance(error, Exception):
            return frame.of.state
        raise
    record.completed(result)
    return frame.of.state if as_state else result


def _async() -> Any:
    return importlib.import_module("reconciler.engine.attempts_async")


async def _state_of(frame: Frame, coroutine: Any, *, as_state: bool) -> Any:
    record = Call(frame)
    try:
        result = await coroutine
    except BaseException as error:
        record.failed(error)
        if as_state and isinstance(error, Exception):
            return frame.of.state
        raise
    record.completed(result)
    return frame.of.state if as_state else result


def _frame(flow: Any, parameters: dict[str, Any]) -> Frame:
    parent = current()
    if parent is None:
        logs.speak_in_a_script()
    run = parent.run if parent else Run(os.urandom(8).hex())
    ident, tags = (run.new_id(), parent.flow.of.tags) if parent else (run.id, ())
    name = run.new_name(flow.name)
    if flow.flow_run_name:
        name = filled("flow_run_name", flow.flow_run_name, parameters)
    prints = flow.log_prints if flow.log_prints is not None else bool(parent and parent.log_prints)
    if prints:
        logs.log_prints()
    of = FlowRun(ident, name, flow.name, parameters, tags, run.order.deployment if run.order else None)
    return Frame(run, flow, of, parent, prints)
