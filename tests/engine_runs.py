"""Run directories made by hand, as the daemon makes them. Used by the tests of engine and pools."""

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from reconciler.engine import journal

PATIENCE = 30.0


def make_run(base: Path, flow: str, *, run: str = "00000000000000aa", attempt: int = 1, **order: Any) -> Path:
    """A run directory whose order runs `main` of `flow`, a file in a source folder of its own."""
    run_dir = base / "runs" / run / str(attempt)
    run_dir.mkdir(parents=True, mode=0o700)
    source = base / f"source-{run}-{attempt}"
    source.mkdir()
    (source / "flow.py").write_text(flow)
    given = {
        "run": run,
        "attempt": attempt,
        "entrypoint": "flow.py:main",
        "pull": [{"step": "set_working_directory", "id": None, "inputs": {"directory": str(source)}}],
        "parameters": {},
        "env": {},
        "flow": {},
        "limits": {},
    }
    (run_dir / "order.json").write_text(json.dumps({**given, **order}))
    return run_dir


def wait_until(condition: Any, what: str) -> None:
    """Poll, because a file system has no other way to tell; fails after PATIENCE seconds."""
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, f"still waiting for {what}"
        select.select([], [], [], 0.005)


def facts(run_dir: Path, attempt: int = 1) -> list[dict[str, Any]]:
    return journal.read(run_dir / "journal.jsonl", 0, attempt).facts


def last(run_dir: Path) -> dict[str, Any]:
    return facts(run_dir)[-1]


def output(run_dir: Path) -> str:
    return (run_dir / "output").read_text()


def pids_of(path: Path) -> list[int]:
    return [int(word) for word in path.read_text().split()] if path.exists() else []


def gone(pid: int) -> bool:
    """Whether a process has ended (a zombie has)."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] == b"Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def children_of(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def my_children() -> list[int]:
    return children_of(os.getpid())


@contextmanager
def holding(root: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process holds the lock of a state directory, as a daemon does; it answers nothing."""
    root.mkdir(parents=True, exist_ok=True)
    code = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.lockf(f, fcntl.LOCK_EX); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-S", "-c", code, str(root / "lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout
        holder.stdout.readline()
        try:
            yield holder
        finally:
            holder.kill()
