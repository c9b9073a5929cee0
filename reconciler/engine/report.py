"""Turns a flow's result or exception into a fact. Called by the run when the flow is over."""

import contextlib
import json
import os
import traceback
from itertools import zip_longest
from pathlib import Path
from types import TracebackType
from typing import Any

from reconciler.engine import hidden, whole
from reconciler.engine.journal import LINE_BYTES, Journal
from reconciler.engine.late import FlowTimeout, Suspended

_INLINE_BYTES = LINE_BYTES - 4096
_REPR_CHARACTERS = 2000
_TRACEBACK_FRAMES = 100
_OURS = (str(Path(__file__).parent), "<frozen ")
_STANDARD = str(Path(os.__file__).parent)
_INSTALLED = str(Path(_STANDARD) / "site-packages")


def completed(journal: Journal, run_dir: Path, result: Any, *, limit: int) -> None:
    """The flow returned: its result as JSON (in a side file when long), else a short repr of it."""
    try:
        result = hidden.data(result, numbers=True)
        text = json.dumps(result, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        journal.write("completed", result=None, result_repr=_repr(result))
        return
    if len(text) <= _INLINE_BYTES:
        journal.write("completed", result=result)
    elif len(text) <= limit:
        whole.put(run_dir, "result.json", text.encode())
        journal.write("completed", result=None, result_file="result.json")
    else:
        kind = type(result).__name__
        journal.write("completed", result=None, result_repr=f"<{kind}: {len(text)} bytes of JSON, {limit} are kept>")


def failed(journal: Journal, run_dir: Path, error: BaseException, *, limit: int, reason: str | None = None) -> None:
    """The run failed: the exception's type and message, and its traceback from the user's first line on."""
    shown = "" if reason else hidden.text(_traceback(error))
    record = {
        "type": reason or _kind(error),
        "message": hidden.text(_message(error))[:limit],
        "traceback": shown[-limit:] or None,
    }
    extra = {"reason": reason} if reason else {}
    text = json.dumps(record)
    _say(shown or str(record["message"]))
    if len(text) > _INLINE_BYTES:
        whole.put(run_dir, "error.json", text.encode())
        short = {"type": record["type"], "message": str(record["message"])[:_REPR_CHARACTERS], "traceback": None}
        journal.write("failed", error=short, error_file="error.json", **extra)
    else:
        journal.write("failed", error=record, **extra)


def timed_out(journal: Journal, late: FlowTimeout) -> None:
    """The flow took longer than it may."""
    _say(str(late))
    journal.write("timed_out", seconds=late.seconds)


def suspended(journal: Journal, suspension: Suspended) -> None:
    """The flow gave its process back until it is resumed."""
    _say(f"suspended{': ' + suspension.reason if suspension.reason else ''}")
    journal.write("suspended", timeout=suspension.timeout, reason=suspension.reason)


def exited(journal: Journal, run_dir: Path, stop: SystemExit, *, limit: int) -> int:
    """The flow ended its own process: `sys.exit()` and `sys.exit(0)` complete it, anything else fails it."""
    if stop.code is None or stop.code == 0:
        journal.write("completed", result=None, note="the flow called sys.exit")
        return 0
    failed(journal, run_dir, stop, limit=limit)
    return 1


def _say(text: str) -> None:
    """Tell the output how the run ended; what it cannot take (half characters, a closed stream) is a fact still."""
    with contextlib.suppress(ValueError, OSError, AttributeError):
        print(text.encode("utf-8", "backslashreplace").decode(), flush=True)  # noqa: T201 - it is meant for the output


def _kind(error: BaseException) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - a user's __str__ may do anything
        return "(its message could not be made)"


def _repr(value: Any) -> str:
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - a user's __repr__ may do anything
        text = f"<{type(value).__name__}>"
    text = hidden.text(text)
    return text if len(text) <= _REPR_CHARACTERS else text[:_REPR_CHARACTERS] + "..."


def _traceback(error: BaseException) -> str:
    """The traceback as Python prints it, without the frames of ours and of the import system that led there."""
    _cut(error, set())
    try:
        return "".join(traceback.format_exception(error, limit=-_TRACEBACK_FRAMES))
    except Exception:  # noqa: BLE001 - so may whatever formatting calls
        return f"{_kind(error)}: {_message(error)}\n"


def _cut(error: BaseException | None, seen: set[int]) -> None:
    if error is None or id(error) in seen:
        return
    seen.add(id(error))
    error.__traceback__ = _users(error.__traceback__)
    _cut(error.__cause__, seen)
    _cut(error.__context__, seen)


def _users(trace: TracebackType | None) -> TracebackType | None:
    """The part of a traceback that begins in the user's code, without our frames; nothing when it never gets there."""
    while trace and not _is_users(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    if trace:
        trace.tb_next = _others(trace.tb_next)
    return trace


def _others(trace: TracebackType | None) -> TracebackType | None:
    """What is not ours: between a flow and its task there are frames that nobody needs to read."""
    found: list[TracebackType] = []
    while trace:
        if not trace.tb_frame.f_code.co_filename.startswith(_OURS[0]):
            found.append(trace)
        trace = trace.tb_next
    for frame, following in zip_longest(found, found[1:]):
        frame.tb_next = following
    return found[0] if found else None


def _is_users(file: str) -> bool:
    return not file.startswith(_OURS) and (file.startswith(_INSTALLED) or not file.startswith(_STANDARD))
