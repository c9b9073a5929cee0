"""Calls the on_crashed hooks of a run whose process was lost, in a process of their own. Called by run.py.

The template starts it in the place of the run, which has the attempt: it loads the flow from the run's working copy.
"""

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from reconciler.engine import hooks, load, order, stage
from reconciler.engine.child import ENTRY
from reconciler.engine.context import FlowRun, Frame, begin
from reconciler.engine.run import LOST
from reconciler.engine.stage import CRASH_NOTE
from reconciler.engine.states import State


def main(run_dir: Path) -> int:
    """Call the hooks once, whoever asks; what they and the flow's module print goes to the run's output."""
    _in_its_own_python(run_dir / CRASH_NOTE, run_dir)
    mine = run_dir / f".{CRASH_NOTE}.{os.getpid()}"
    try:
        (run_dir / CRASH_NOTE).rename(mine)
    except OSError:
        return 0
    try:
        note, how = json.loads(mine.read_bytes()), json.loads((run_dir / LOST).read_bytes())
        frame = _frame(run_dir, note)
    except Exception as error:  # noqa: BLE001 - importing the flow runs the user's code
        print(f"the on_crashed hooks were not called: {type(error).__name__}: {error}")  # noqa: T201
        return 1
    hooks.call(frame, State("CRASHED", "Crashed", _said(how)))
    return 0


def _in_its_own_python(note: Path, run_dir: Path) -> None:
    """Begin anew with the interpreter that the run had, where that is another; does not return then."""
    with contextlib.suppress(OSError, ValueError):
        told = json.loads(note.read_bytes())
        python = told.pop("python", sys.executable)
        if python != sys.executable:
            note.write_text(json.dumps(told))  # without it: this is done once
            os.execve(python, [python, "-P", ENTRY, "run", str(run_dir)], dict(os.environ))  # noqa: S606


def _frame(run_dir: Path, note: dict[str, Any]) -> Frame:
    """The run as it was, its flow loaded anew."""
    todo, base = order.load(run_dir), Path(note["directory"])
    os.chdir(base)
    loaded = load.load(todo.entrypoint, base / (todo.path or ""))
    run = stage.run_of(run_dir, todo, None, note["commit"], note["tree"])
    of = FlowRun(run.id, note["name"], loaded.name, todo.parameters, todo.tags, todo.deployment, todo.attempt)
    frame = Frame(run, stage.ours(loaded.flow), of)
    begin(frame)
    return frame


def _said(how: dict[str, Any]) -> str:
    end = f"by signal {how['signal']}" if how.get("signal") else f"with exit code {how.get('code')}"
    return f"the process ended {end} before it said how the run went"
