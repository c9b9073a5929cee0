"""The record of one call of a flow in a script: a run's facts, written by the caller. Called by scripted.py."""

import itertools
import json
import os
import reprlib
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reconciler.engine import client, marker, scripted, whole
from reconciler.engine.context import Frame
from reconciler.engine.journal import ENDED, LINE_BYTES, Journal, notify
from reconciler.model.names import MAX_NAME

PATIENCE = 2.0
"""Seconds that a call waits for the daemon at most."""
PARAMETER_BYTES = 512 * 1024
RESULT_BYTES = 1024 * 1024
_INLINE = LINE_BYTES - 4096
_FRAMES = 100
_OURS = str(Path(__file__).parent)


def begin(root: str, frame: Frame) -> "Record | None":
    """Ask the daemon for a run and begin it as the run of `frame`; None when the attempt was given up meanwhile.

    Raises DaemonError, OSError.
    """
    who, flow = marker.myself(), frame.what
    asked = {
        "flow": _printable(flow.name),
        "entrypoint": scripted.entrypoint(flow),
        "key": os.urandom(16).hex(),
        "parameters": arguments(frame.of.parameters),
        "process": {"pid": who.pid, "started": who.started, "boot": who.boot},
    }
    told = client.ask(Path(root), "script", asked, timeout=PATIENCE)
    folder = Path(told["folder"])
    if not marker.claim_call(folder):
        return None
    record = Record(folder, told["run"], told["notify"])
    record.begun(flow, frame.of.name if flow.flow_run_name else None)
    frame.run.id = frame.of.id = told["run"]
    frame.run.journal = record.journal
    return record


class Record:
    """Open while the call goes on."""

    def __init__(self, folder: Path, run: str, notify: str) -> None:
        self._folder, self._run, self._notify = folder, run, notify
        self._pid = os.getpid()
        self.journal = Journal(folder, run=run, attempt=1, address=notify)

    def begun(self, flow: Any, name: str | None) -> None:
        """The flow is called next; a retry is made in the call itself, not by the daemon."""
        version = flow.version if isinstance(flow.version, str) else None
        interpreter = f"{sys.executable} {sys.version.split()[0]}"
        named = {"name": name} if name else {}
        self.journal.write("running", interpreter=interpreter, flow_name=flow.name, flow_version=version, **named)

    def completed(self, result: Any) -> None:
        """The flow returned."""
        text = bounded(result, RESULT_BYTES)
        if text is None:
            self._over(0, "completed", result=None, result_repr=reprlib.repr(result)[:2000])
        elif len(text) <= _INLINE:
            self._over(0, "completed", result=json.loads(text))
        else:
            whole.put(self._folder, "result.json", text.encode())
            self._over(0, "completed", result=None, result_file="result.json")

    def failed(self, error: BaseException) -> None:
        """The flow raised, or ended its process: `sys.exit()` and `sys.exit(0)` complete it."""
        if isinstance(error, SystemExit) and not error.code:
            self._over(0, "completed", result=None, note="the flow called sys.exit")
            return
        kind = type(error)
        name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        trace = "".join(traceback.format_exception(kind, error, _users(error), limit=-_FRAMES))[-RESULT_BYTES:]
        record = {"type": name, "message": str(error)[:2000], "traceback": trace}
        text = json.dumps(record)
        if len(text) <= _INLINE:
            self._over(1, "failed", error=record)
        else:
            whole.put(self._folder, "error.json", text.encode())
            self._over(1, "failed", error={**record, "traceback": None}, error_file="error.json")

    def _over(self, code: int, fact: str, **data: Any) -> None:
        """The final fact, and that nothing follows it; not from a fork of the caller, whose call it is not."""
        if os.getpid() != self._pid:
            return
        self.journal.write(fact, **data)
        self.journal.close()
        marker.write_exit(self._folder, code=code)
        notify(self._notify, self._run + ENDED)


def bounded(value: Any, limit: int) -> str | None:
    """The value as JSON; None when it is none, or longer than `limit`: no more than that is made."""
    chunks: list[str] = []
    size = 0
    try:
        for chunk in json.JSONEncoder(allow_nan=False).iterencode(value):
            chunks.append(chunk)
            size += len(chunk)
            if size > limit:
                return None
    except (TypeError, ValueError, RecursionError):
        return None
    return "".join(chunks)


def arguments(given: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters by name within bounds; what is no JSON as a short repr."""
    left = PARAMETER_BYTES
    found: dict[str, Any] = {}
    for name, value in itertools.islice(given.items(), 1000):
        text = bounded(value, left)
        found[name] = reprlib.repr(value) if text is None else json.loads(text)
        left -= len(text or "")
    return found


def _users(error: BaseException) -> Any:
    """The traceback from the first frame that is not ours."""
    trace = error.__traceback__
    while trace and trace.tb_frame.f_code.co_filename.startswith(_OURS):
        trace = trace.tb_next
    return trace


def _printable(name: str) -> str:
    """A flow's name as the log takes it."""
    shown = "".join(c if c.isprintable() else "?" for c in str(name))[:MAX_NAME]
    return shown or "?"
