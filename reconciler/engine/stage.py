"""The flow that a deployment names, on its stage: its name, context, facts and hooks. Called by the run.

What a flow does not use is not loaded: a run without tasks, hooks and prints that are logged pays nothing for them.
"""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

from reconciler.engine import context, hidden, names
from reconciler.engine.context import FlowRun, Frame, Run
from reconciler.engine.flows import Flow
from reconciler.engine.journal import Journal
from reconciler.engine.load import Loaded
from reconciler.engine.order import Order
from reconciler.engine.parameters import Arguments

CRASH_NOTE = "on_crashed"
"""Lies in the run directory while a flow that has such hooks runs: what a process needs to call them."""


def ours(found: Any) -> Flow[..., Any] | None:
    """The Flow of ours that an entrypoint names, below other decorators too; None where there is none."""
    while found is not None:
        if isinstance(found, Flow):
            return found
        found = getattr(found, "__wrapped__", None)
    return None


def enter(run: Run, loaded: Loaded, arguments: Arguments) -> Frame:
    """Make it the run of this process. Raises RunNameError when its name cannot be made."""
    todo, flow = run.order, ours(loaded.flow)
    assert todo is not None  # noqa: S101 - the run of a deployment has one
    try:
        given = names.parameters_of(_function(loaded.flow), arguments.args, arguments.kwargs)
    except TypeError:  # another library's flow, which says itself what is wrong with them
        given = dict(arguments.kwargs)
    of = FlowRun(run.id, todo.name or run.id, loaded.name, given, todo.tags, todo.deployment, todo.attempt)
    frame = Frame(run, flow or loaded.flow, of, None)
    context.begin(frame)
    if flow is not None:
        run.pending = flow.fn
        if flow.flow_run_name:
            of.name = names.filled("flow_run_name", flow.flow_run_name, given)
        if flow.log_prints:
            frame.log_prints = True
            importlib.import_module("reconciler.engine.logs").log_prints()
    return frame


def run_of(run_dir: Path, todo: Order, journal: Journal | None, commit: str | None, tree: str | None) -> Run:
    """The run of an order."""
    return Run(todo.run, todo, run_dir, journal, commit or todo.source_commit, tree)


def _function(found: Any) -> Any:
    while hasattr(found, "__wrapped__"):
        found = found.__wrapped__
    return found


def facts(frame: Frame) -> dict[str, Any]:
    """What the running flow says of its own retries and name."""
    flow = ours(frame.what)
    if flow is None:
        return {}
    found = {"retries": flow.retries, "retry_delays": flow.retry_delays, "retry_jitter": flow.retry_jitter_factor or 0}
    return {"name": frame.of.name, **found} if flow.flow_run_name else found


def began(frame: Frame) -> None:
    """The flow is called next: note what happens should its process be lost, and call its on_running hooks."""
    flow, run = ours(frame.what), frame.run
    if flow is None:
        return
    if flow.on_crashed_hooks and run.run_dir:
        note = {"directory": str(Path.cwd()), "commit": run.commit, "tree": run.tree, "name": frame.of.name}
        note["python"] = sys.executable
        (run.run_dir / CRASH_NOTE).write_text(json.dumps(hidden.data(note)))
    if flow.on_running_hooks:
        _call_hooks(frame, _states().State("RUNNING", "Running" if frame.of.run_count == 1 else "Retrying"))


def completed(frame: Frame | None, result: Any) -> None:
    """It returned."""
    if (flow := _told(frame)) and flow.on_completion_hooks:
        _call_hooks(frame, _states().State("COMPLETED", "Completed", "", result))


def failed(frame: Frame | None, error: BaseException) -> None:
    """It raised, or took too long; hooks are for the failure that is not tried again."""
    flow = _told(frame)
    if flow is None or frame is None or not (flow.on_failure_hooks or flow.on_crashed_hooks):
        return
    state = _states().of_error(error)
    if state.type != "FAILED" or _tried(frame.run) > flow.retries:
        _call_hooks(frame, state)


def _tried(run: Run) -> int:
    """The attempts that count: not those that only suspended the run, or never came to life."""
    if run.run_dir is None or run.order is None or run.order.attempt == 1:
        return 1
    not_counted: int = importlib.import_module("reconciler.engine.pausing").not_counted(run.run_dir)
    return run.order.attempt - not_counted


def cancelled(frame: Frame | None) -> None:
    """It was cancelled."""
    if (flow := _told(frame)) and flow.on_cancellation_hooks:
        _call_hooks(frame, _states().State("CANCELLED", "Cancelled", "the run was cancelled"))


def _told(frame: Frame | None) -> Any:
    """The flow, which has an outcome now: its process may go."""
    flow = ours(frame.what) if frame else None
    if flow is not None and frame and frame.run.run_dir and flow.on_crashed_hooks:
        (frame.run.run_dir / CRASH_NOTE).unlink(missing_ok=True)
    return flow


def _states() -> Any:
    return importlib.import_module("reconciler.engine.states")


def _call_hooks(frame: Frame | None, state: Any) -> None:
    importlib.import_module("reconciler.engine.hooks").call(frame, state)


def finish(frame: Frame | None, result: Any) -> Any:
    """The flow returned: wait for the tasks it submitted, and put results in the place of futures and states."""
    futures = sys.modules.get("reconciler.engine.futures")
    if frame and futures:
        return futures.settle(frame, result)
    states = sys.modules.get("reconciler.engine.states")
    return result.result() if states and isinstance(result, states.State) else result


def release(frame: Frame | None) -> None:
    """The flow raised: no more tasks begin, and those under way are waited for."""
    if frame and frame.futures:
        sys.modules["reconciler.engine.futures"].release(frame)
