"""A run in the foreground of a terminal: a cold start whose input and output are the caller's. Called by `local`."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import IO

from reconciler.engine import environment, order, outflow, secrets, vault
from reconciler.engine.linux import adopt_orphans, children
from reconciler.engine.secrets import Held
from reconciler.pools._local import ENTRY

TERMINAL = ("TERM", "COLORTERM", "PYTHONBREAKPOINT")
"""Variables that a terminal and a debugger need, beside those that every run sees."""


def run(run_dir: Path) -> dict[str, int | None]:
    """Run an attempt to its end: `{code, signal}`. What it leaves behind is ended with it.

    A Ctrl-C is the run's to hear, as every signal of the terminal; one that asks this process to end is passed on. The
    output of a run with secrets comes through a pipe, which keeps them out of it.
    """
    adopt_orphans()
    todo = order.load(run_dir)
    held = _held(todo, run_dir)
    declared = held.environment(todo.env) if held else todo.env
    given = {**environment.inherited(), **environment.named(TERMINAL), **declared}
    memory = (vault.pack(held.state()),) if held else ()
    child = subprocess.Popen(
        [sys.executable, "-P", ENTRY, "run", str(run_dir), *map(str, memory)],
        env={k: v for k, v in given.items() if v is not None},
        pass_fds=memory,
        stdout=subprocess.PIPE if held else None,
        stderr=subprocess.STDOUT if held else None,
    )
    for fd in memory:
        os.close(fd)
    with _passed_on(child), _redacted(child.stdout, held):
        code = child.wait()
        while strays := children():
            for stray in strays:
                with suppress(ProcessLookupError, ChildProcessError):
                    os.kill(stray, signal.SIGKILL)
                    os.waitpid(stray, 0)
    return {"code": code if code >= 0 else None, "signal": -code if code < 0 else None}


def _held(todo: order.Order, run_dir: Path) -> Held | None:
    """The secrets that it refers to, with this process's environment in the place of the daemon's."""
    if todo.secrets is None:
        return None
    fd = vault.make()
    found = secrets.find(todo, run_dir, vault.unpack(fd) if fd is not None else None)
    if fd is not None:
        os.close(fd)
    return found


@contextmanager
def _redacted(output: IO[bytes] | None, held: Held | None) -> Iterator[None]:
    """Pass on what a run with secrets says, without them, until nobody can say more."""
    if output is None or held is None:
        yield
        return
    reader = Thread(target=outflow.pass_on, args=(output.fileno(), held.redactor), daemon=True)
    reader.start()
    try:
        yield
    finally:
        reader.join()
        output.close()


@contextmanager
def _passed_on(child: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Signals while the run goes on; before and after they mean what they meant."""
    kept = {
        signal.SIGINT: signal.signal(signal.SIGINT, lambda *_: None),
        signal.SIGTERM: signal.signal(signal.SIGTERM, lambda number, _: child.send_signal(number)),
        signal.SIGHUP: signal.signal(signal.SIGHUP, lambda *_: child.send_signal(signal.SIGTERM)),
    }
    try:
        yield
    finally:
        for number, before in kept.items():
            signal.signal(number, before)
