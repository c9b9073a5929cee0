"""The run itself: wins the attempt, pulls, loads, calls, reports. Called by entry.py in the run's own process."""

import atexit
import importlib
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any, NoReturn

from reconciler.engine import (
    call,
    fitting,
    handover,
    hidden,
    load,
    marker,
    nearby,
    order,
    parameters,
    placeholders,
    prefects,
    pull,
    report,
    scripted,
    stage,
)
from reconciler.engine.context import Frame
from reconciler.engine.journal import Journal
from reconciler.engine.late import FlowTimeout, RunTimeoutError, Suspended
from reconciler.engine.order import Order
from reconciler.model.errors import StepError

_UNRECORDED = 70
"""Exit code when the facts themselves cannot be written (a full disk): EX_SOFTWARE."""
CANCEL = "cancel"
"""Written into the run directory by the daemon before it sends SIGTERM to a run that is cancelled."""
LOST = "lost"
"""Written by the template when the process that had the attempt is gone, and its hooks are to be called."""


def main(run_dir: Path, given: Order | None = None) -> int:
    """Run one attempt; the exit code: 0 completed, 1 failed, 70 when nothing could be recorded.

    Another process that has the attempt makes this one end at once, without effect. Raises what interrupts a run
    (termination): the process then ends by that signal.
    """
    if not marker.claim(run_dir, marker.myself()):
        if (run_dir / LOST).exists():
            return int(importlib.import_module("reconciler.engine.crashed").main(run_dir))
        return 0
    return _live(run_dir, given or order.load(run_dir), None)


def go_on(run_dir: Path, memory: int) -> int:
    """The same run, and the same process, after a pull step that asked for another interpreter."""
    state = handover.take(memory)
    if state["secrets"]:
        hidden.hold(importlib.import_module("reconciler.engine.secrets").Held.load(state["secrets"]))
    return _live(run_dir, order.load(run_dir), pull.Source.load(state))


def _live(run_dir: Path, todo: Order, before: pull.Source | None) -> int:
    call.end_on_termination()
    prefects.before(run_dir)
    _tell_children(todo)
    journal = Journal(run_dir, run=todo.run, attempt=todo.attempt, address=todo.notify)
    try:
        code = _attempt(run_dir, todo, journal, before)
        if journal.unwritten:
            print(f"the timeline is full: {journal.unwritten} moves of tasks are not in it")  # noqa: T201
    except OSError as error:
        print(f"the run could not be recorded: {error}", file=sys.stderr)  # noqa: T201 - the output is what is left
        return _UNRECORDED
    return code


def leave(code: int) -> NoReturn:
    """End the process as Python would (threads joined, exit functions called, output flushed), but for its last act.

    Freeing every object one by one would touch, and so copy, most of the template's memory: several times the cost of
    the run of a small flow. multiprocessing ends its forks in the same way.
    """
    try:
        threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001 - the name under which Python itself calls it
        atexit._run_exitfuncs()  # noqa: SLF001 - same
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _tell_children(todo: Order) -> None:
    """What is called here, and in processes started here, is part of this run; the daemon to ask is its own."""
    os.environ[scripted.RUN] = todo.run
    if todo.state_dir_copies:
        os.environ.setdefault(nearby.STATE_DIR, os.path.dirname(todo.state_dir_copies))  # noqa: PTH120


def _attempt(run_dir: Path, todo: Order, journal: Journal, before: pull.Source | None) -> int:
    frame: Frame | None = None
    try:
        hidden.check()
        if todo.templated:
            placeholders.check(todo)
        source = pull.pull(run_dir, todo, journal, before)
        os.chdir(source.directory)
        load.without_bytecode(run_dir / pull.WORK)
        loaded = load.load(todo.entrypoint, source.directory / (todo.path or ""))
        given = placeholders.filled(todo, source.outputs) if todo.templated else todo.parameters
        given = hidden.filled(given)
        arguments = parameters.bind(loaded.flow, given)
        fitting.check(todo.schema, given)
        run = stage.run_of(run_dir, todo, journal, source.commit, source.tree)
        frame = stage.enter(run, loaded, arguments)
        journal.write("running", **_facts(source, loaded, todo), **stage.facts(frame))
        stage.began(frame)
        limit = (todo.timeout_seconds or getattr(loaded.flow, "timeout_seconds", None)) if todo.timed else None
        result = call.call(prefects.ready(loaded.flow), arguments, limit, frame)
    except StepError as error:
        report.failed(journal, run_dir, error, limit=todo.result_bytes, reason=error.reason)
    except FlowTimeout as late:
        report.timed_out(journal, late)
        stage.failed(frame, RunTimeoutError(str(late)))
    except Suspended as suspension:
        report.suspended(journal, suspension)
        return 0
    except call.Terminated:
        _terminated(run_dir, frame)
    except SystemExit as stop:
        code = report.exited(journal, run_dir, stop, limit=todo.result_bytes)
        stage.failed(frame, RuntimeError(f"exit status {stop.code}")) if code else stage.completed(frame, None)
        return code
    except BaseException as error:  # noqa: BLE001 - whatever user code raises is a fact
        report.failed(journal, run_dir, error, limit=todo.result_bytes)
        stage.failed(frame, error)
    else:
        report.completed(journal, run_dir, result, limit=todo.result_bytes)
        stage.completed(frame, result)
        return 0
    return 1


def _terminated(run_dir: Path, frame: Frame | None) -> NoReturn:
    """End by the signal; when it came to cancel the run, its hooks are called first, within the daemon's grace."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if (run_dir / CANCEL).exists():
        stage.cancelled(frame)
    call.die_of_termination()


def _facts(source: pull.Source, loaded: load.Loaded, todo: Order) -> dict[str, Any]:
    return {
        "commit": source.commit,
        "tree": source.tree,
        "interpreter": f"{sys.executable} {sys.version.split()[0]}",
        "flow_name": loaded.name or todo.flow_name,
        "flow_version": loaded.version,
        "git_present": os.path.exists(f"{source.directory}/.git"),  # noqa: PTH110 - as in load.py
    }
