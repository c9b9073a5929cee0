"""A flow called in a script or notebook: with a daemon nearby, the call is recorded as a run. Called by calling.py.

The call waits for the daemon's sake for one answer at most, and nothing that goes wrong in recording reaches it.
Recorded are calls outside of any flow only, and never inside a run: `RECONCILER_RUN` says that this is one.
`RECONCILER_RECORD=0` turns recording off.
"""

import importlib
import os
import sys
from collections.abc import Callable
from typing import Any

from reconciler.engine import nearby
from reconciler.engine.context import Frame

RUN = "RECONCILER_RUN"
"""In the environment of a run and of all it starts: its id."""
RECORD = "RECONCILER_RECORD"

_warned: list[str] = []


class Call:
    """The record of one call, as far as there is one: whatever it is told, it raises nothing."""

    def __init__(self, frame: Frame) -> None:
        self._record: Any = None
        if frame.parent is None and RUN not in os.environ and os.environ.get(RECORD) != "0":
            self._quietly(self._begin, frame)

    def _begin(self, frame: Frame) -> None:
        file = getattr(getattr(frame.what.fn, "__code__", None), "co_filename", "")
        folders = (os.getcwd(), *([os.path.dirname(file)] if os.path.isabs(file) else []))  # noqa: PTH109, PTH117, PTH120
        root = nearby.state_dir(folders)
        if root is not None:
            self._record = importlib.import_module("reconciler.engine.recording").begin(root, frame)

    def completed(self, result: Any) -> None:
        """The flow returned."""
        if self._record is not None:
            self._quietly(self._record.completed, result)

    def failed(self, error: BaseException) -> None:
        """The flow raised."""
        if self._record is not None:
            self._quietly(self._record.failed, error)

    @staticmethod
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
    return f"{file}:{getattr(flow.fn, '__qualname__', flow.name)}"
