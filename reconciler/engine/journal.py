"""The journal of an attempt: written by the run, read by the daemon, which trusts nothing in it.

One JSON object a line, each with `attempt`, `fact` and `at` (seconds since 1970):

    step       index, step, id, seconds, ok, error        a pull step ended
    running    commit, tree, interpreter, flow_name, flow_version, git_present,   the flow is called now
               name, retries, retry_delays, retry_jitter                          as the loaded flow says
    task       id, name, kind, state, tries, parent, seconds, message             a task or subflow moved; these lines
               are for people and stay in the journal
    paused     timeout, reason                            the flow waits in its process
    resumed                                               it goes on
    suspended  timeout, reason                            the flow gave its slot back; a resumption is a new attempt
    completed  result | result_repr | result_file         the flow returned
    failed     error {type, message, traceback}, reason | error_file
    timed_out  seconds                                    the flow took longer than it may
"""

import contextlib
import json
import math
import os
import socket
import stat
import time
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from reconciler.engine import hidden

JOURNAL = "journal.jsonl"
SIDE_FILES = frozenset({"result.json", "error.json"})
LINE_BYTES = 64 * 1024
TASK_BYTES = 2 * 1024 * 1024
"""Of the task facts of one attempt; what comes later is not written."""
MOST_DELAYS = 50
_READ_BYTES = 16 * LINE_BYTES
_NAME_CHARACTERS, _MESSAGE_CHARACTERS = 200, 500
_ADDRESS_BYTES = 107

_TEXT = (str, type(None))
_NUMBER = (int, float)
_LARGEST = 1e15
"""Beyond it, nothing that is counted or measured here means anything; JSON's whole numbers know no end."""
_SHAPES: dict[str, dict[str, tuple[type, ...]]] = {
    "step": {"index": (int,), "step": (str,), "id": _TEXT, "seconds": _NUMBER, "ok": (bool,), "error": _TEXT},
    "running": {
        "commit": _TEXT,
        "tree": _TEXT,
        "interpreter": (str,),
        "flow_name": (str,),
        "flow_version": _TEXT,
        "git_present": (bool,),
        "name": _TEXT,
        "retries": (int,),
        "retry_delays": (list,),
        "retry_jitter": _NUMBER,
    },
    "task": {
        "id": (str,),
        "name": (str,),
        "kind": (str,),
        "state": (str,),
        "tries": (int,),
        "parent": _TEXT,
        "seconds": (*_NUMBER, type(None)),
        "message": _TEXT,
    },
    "paused": {"timeout": (*_NUMBER, type(None)), "reason": _TEXT},
    "resumed": {},
    "suspended": {"timeout": (*_NUMBER, type(None)), "reason": _TEXT},
    "completed": {"result": (object,), "result_repr": _TEXT, "result_file": _TEXT, "note": _TEXT},
    "failed": {"error": (dict,), "error_file": _TEXT, "reason": _TEXT},
    "timed_out": {"seconds": _NUMBER},
}
_ERROR = {"type": (str,), "message": (str,), "traceback": _TEXT}


_OURS = frozenset({"commit", "tree", "step", "id", "parent", "kind", "state", "result_file", "error_file"})
"""Fields that no user's value gets into: what looks like a secret there is none."""
NEWS = frozenset({"running", "paused", "resumed"})
"""Facts that move a run while its process lives; of the others the daemon reads when that ends."""
ENDED = "!"
"""Behind a run's id in a datagram: it is not only news, the run has ended."""


class Journal:
    """The writer: each fact is one appended line, and news is a hint to the daemon that there is something to read."""

    def __init__(self, run_dir: Path, *, run: str, attempt: int, address: str | None) -> None:
        self._fd = os.open(f"{run_dir}/{JOURNAL}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._run, self._attempt, self._address = run, attempt, address
        self._task_bytes = 0
        self.unwritten = 0
        """Task facts that were one too many."""

    def write(self, fact: str, **data: Any) -> None:
        """Append a fact. Raises ValueError when the line would be longer than `LINE_BYTES`."""
        self._append(fact, data)
        if fact in NEWS:
            notify(self._address, self._run)

    def task(self, **data: Any) -> None:
        """Append a task fact, as long as there is room for them; the daemon has no need to know of it now."""
        if self._task_bytes >= TASK_BYTES:
            self.unwritten += 1
            return
        for field, limit in (("name", _NAME_CHARACTERS), ("message", _MESSAGE_CHARACTERS)):
            if data.get(field):
                data[field] = hidden.text(data[field])[:limit]
        self._task_bytes += self._append("task", {k: v for k, v in data.items() if v is not None})

    def _append(self, fact: str, data: dict[str, Any]) -> int:
        said = {name: value if name in _OURS else hidden.data(value) for name, value in data.items()}
        own = {"attempt": self._attempt, "fact": fact, "at": time.time(), **said}
        line = json.dumps(own, allow_nan=False)
        if len(line) >= LINE_BYTES:
            raise ValueError(f"a {fact} of {len(line)} bytes does not fit into a line of the journal")
        return os.write(self._fd, line.encode() + b"\n")

    def close(self) -> None:
        """Write no more; for a process that goes on when the run is over."""
        os.close(self._fd)


def notify(address: str | None, run: str) -> None:
    """Tell the daemon, if it listens, that a run has news: a datagram with the run's id. Never waits, never fails."""
    if not address:
        return
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender,
    ):
        if len(os.fsencode(address)) <= _ADDRESS_BYTES:
            sender.sendto(run.encode(), address)
            return
        folder, _, name = address.rpartition("/")
        fd = os.open(folder, os.O_PATH | os.O_DIRECTORY)  # a short way to a long path
        try:
            sender.sendto(run.encode(), f"/proc/self/fd/{fd}/{name}")
        finally:
            os.close(fd)


class Reading(NamedTuple):
    """What was read: facts in order, the offset to go on from, and how many lines were no facts of this attempt."""

    facts: list[dict[str, Any]]
    offset: int
    skipped: int


def read(path: Path, offset: int, attempt: int) -> Reading:
    """The facts behind an offset, at most 1 MiB of them: call again while the offset moves.

    A torn last line waits. Whatever is not a fact of the known shape and of this attempt is counted and skipped; a
    journal that is no regular file is an empty one.
    """
    chunk = _chunk(path, offset)
    end = chunk.rfind(b"\n") + 1
    if not end and len(chunk) > LINE_BYTES:
        return Reading([], offset + len(chunk), 1)
    facts, skipped = [], 0
    for line in chunk[:end].splitlines():
        fact = _fact(line, attempt)
        if fact is None:
            skipped += 1
        else:
            facts.append(fact)
    return Reading(facts, offset + end, skipped)


def attachment(run_dir: Path, name: str, limit: int) -> Any:
    """The JSON of a side file that a fact names; None when it is not one of ours, too long or no JSON."""
    if name not in SIDE_FILES:
        return None
    data = _chunk(run_dir / name, 0, limit + 1)
    return _parse(data) if 0 < len(data) <= limit else None


def _chunk(path: Path, offset: int, size: int = _READ_BYTES) -> bytes:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return b""
    try:
        return os.pread(fd, size, offset) if stat.S_ISREG(os.fstat(fd).st_mode) else b""
    except OSError:
        return b""
    finally:
        os.close(fd)


def _fact(line: bytes, attempt: int) -> dict[str, Any] | None:
    data = _parse(line) if len(line) <= LINE_BYTES else None
    if not isinstance(data, dict) or data.get("attempt") != attempt or not isinstance(data.get("fact"), str):
        return None
    shape, at = _SHAPES.get(data["fact"]), data.get("at")
    if shape is None or not isinstance(at, _NUMBER) or not _plain(at, _NUMBER):
        return None
    fields = {k: v for k, v in data.items() if k not in {"attempt", "fact", "at"}}
    if not _fits(fields, shape) or not _fits(fields.get("error") or {}, _ERROR if data["fact"] == "failed" else {}):
        return None
    if not _are_delays(fields.get("retry_delays", [])):
        return None
    return data


def _fits(fields: Any, shape: dict[str, tuple[type, ...]]) -> bool:
    """Whether every field is known and of its type; any may be absent."""
    if not isinstance(fields, dict):
        return True
    return all(k in shape and isinstance(v, shape[k]) and _plain(v, shape[k]) for k, v in fields.items())


def _are_delays(values: list[Any]) -> bool:
    """Whether these are seconds to wait, not too many of them."""
    return len(values) <= MOST_DELAYS and all(
        isinstance(v, _NUMBER) and not isinstance(v, bool) and v >= 0 for v in values
    )


def _plain(value: Any, kinds: tuple[type, ...]) -> bool:
    """JSON's true is no number here, and a number is one that can be calculated with."""
    if object in kinds:
        return True
    if isinstance(value, bool):
        return bool in kinds
    return not isinstance(value, _NUMBER) or abs(value) < _LARGEST


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    return number if math.isfinite(number) else _refuse(digits)


_decode = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite).decode


def _parse(data: bytes) -> Any:
    try:
        return _decode(data.decode())
    except (ValueError, RecursionError):
        return None
