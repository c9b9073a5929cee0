"""The record of one call of a flow in a script: the facts a run writes, written by the caller. Called by scripted.py."""

import inspect
import itertools
import json
import os
import reprlib
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reconciler.engine import client, marker
from reconciler.engine.journal import LINE_BYTES, Journal, notify

MAX_NAME = 200
PATIENCE = 2.0
"""Seconds that a call waits for the daemon at most."""
PARAMETER_BYTES = 512 * 1024
RESULT_BYTES = 1024 * 1024
_INLINE = LINE_BYTES - 4096
_FRAMES = 100
_OURS = str(Path(__file__).parent)


def begin(root: str, flow: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> "Record | None":
    """Ask the daemon for a run and begin it; None when the run went to nobody. Raises DaemonError, OSError."""
    who = marker.myself()
    asked = {
        "flow": _printable(flow.name),
        "entrypoint": scripted.entrypoint(flow),
        "key": os.urandom(16).hex(),
        "parameters": _arguments(flow.fn, args, kwargs),
        "process": {"pid": who.pid, "started": who.started, "boot": who.boot},
    }
    told = client.ask(Path(root), "script", asked, timeout=PATIENCE)
    folder = Path(told["folder"])
    if not marker.claim_call(folder):
        return None
    return Record(folder, told["run"], told["notify"], flow)


class Record:
    """Open while the call goes on."""

    def __init__(self, folder: Path, run: str, notify: str, flow: Any) -> None:
        self._folder, self._run, self._notify = folder, run, notify
        self._pid = os.getpid()
        self._journal = Journal(folder, run=run, attempt=1, address=notify)
        version = flow.version if isinstance(flow.version, str) else None
        interpreter = f"{sys.executable} {sys.version.split()[0]}"
        self._journal.write("running", interpreter=interpreter, flow_name=flow.name, flow_version=version)

    def completed(self, result: Any) -> None:
        """The flow returned."""
        text = bounded(result, RESULT_BYTES)
        if text is None:
            self._over(0, "completed", result=None, result_repr=reprlib.repr(result)[:2000])
        elif len(text) <= _INLINE:
            self._over(0, "completed", result=json.loads(text))
        else:
            self._side("result.json", text)
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
            self._side("error.json", text)
            self._over(1, "failed", error={**record, "traceback": None}, error_file="error.json")

    def _over(self, code: int, fact: str, **data: Any) -> None:
        """The final fact, and that nothing follows it; not from a fork of the caller, whose call it is not."""
        if os.getpid() != self._pid:
            return
        self._journal.write(fact, **data)
        self._journal.close()
        marker.write_exit(self._folder, code=code)
        notify(self._notify, self._run)

    def _side(self, name: str, text: str) -> None:
        draft = self._folder / f".{name}"
        draft.write_text(text, encoding="utf-8")
        draft.rename(self._folder / name)


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


def _arguments(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments by name, defaults included; what is no JSON as a short repr; {} when they do not fit."""
    try:
        bound = inspect.signature(function).bind(*args, **kwargs)
    except (TypeError, ValueError):
        return {}
    bound.apply_defaults()
    left = PARAMETER_BYTES
    found: dict[str, Any] = {}
    for name, value in itertools.islice(bound.arguments.items(), 1000):
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
