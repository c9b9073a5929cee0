"""The run itself: wins the attempt, pulls, loads, calls, reports. Called by entry.py in the run's own process."""

import atexit
import os
import sys
import threading
from pathlib import Path
from typing import Any, NoReturn

from reconciler.engine import call, load, marker, order, parameters, pull, report
from reconciler.engine.journal import Journal
from reconciler.engine.late import FlowTimeout
from reconciler.engine.order import Order
from reconciler.model.errors import StepError

_UNRECORDED = 70
"""Exit code when the facts themselves cannot be written (a full disk): EX_SOFTWARE."""


def main(run_dir: Path, given: Order | None = None) -> int:
    """Run one attempt; the exit code: 0 completed, 1 failed, 70 when nothing could be recorded.

    Another process that has the attempt makes this one end at once, without effect. Raises what interrupts a run
    (termination): the process then ends by that signal.
    """
    if not marker.claim(run_dir, marker.myself()):
        return 0
    call.end_on_termination()
    todo = given or order.load(run_dir)
    journal = Journal(run_dir, run=todo.run, attempt=todo.attempt, address=todo.notify)
    try:
        return _attempt(run_dir, todo, journal)
    except OSError as error:
        print(f"the run could not be recorded: {error}", file=sys.stderr)  # noqa: T201 - the output is what is left
        return _UNRECORDED


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


def _attempt(run_dir: Path, todo: Order, journal: Journal) -> int:
    try:
        source = pull.pull(run_dir, todo, journal)
        os.chdir(source.directory)
        load.without_bytecode(run_dir / pull.WORK)
        loaded = load.load(todo.entrypoint, source.directory / (todo.path or ""))
        arguments = parameters.bind(loaded.flow, todo.parameters)
        journal.write("running", **_facts(source, loaded, todo))
        limit = todo.timeout_seconds or getattr(loaded.flow, "timeout_seconds", None)
        result = call.call(loaded.flow, arguments, limit)
    except StepError as error:
        report.failed(journal, run_dir, error, limit=todo.result_bytes, reason=error.reason)
    except FlowTimeout as late:
        report.timed_out(journal, late)
    except call.Terminated:
        call.die_of_termination()
    except SystemExit as stop:
        return report.exited(journal, run_dir, stop, limit=todo.result_bytes)
    except BaseException as error:  # noqa: BLE001 - whatever user code raises is a fact
        report.failed(journal, run_dir, error, limit=todo.result_bytes)
    else:
        call.no_more_timeout()
        report.completed(journal, run_dir, result, limit=todo.result_bytes)
        return 0
    return 1


def _facts(source: pull.Source, loaded: load.Loaded, todo: Order) -> dict[str, Any]:
    return {
        "commit": source.commit,
        "tree": source.tree,
        "interpreter": f"{sys.executable} {sys.version.split()[0]}",
        "flow_name": loaded.name or todo.flow_name,
        "flow_version": loaded.version,
        "git_present": os.path.exists(f"{source.directory}/.git"),  # noqa: PTH110 - as in load.py
    }
