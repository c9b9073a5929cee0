"""A run in the foreground of a terminal: a cold start whose input and output are the caller's. Called by `local`."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from reconciler.engine import environment
from reconciler.engine.linux import adopt_orphans, children
from reconciler.pools._local import ENTRY

TERMINAL = ("TERM", "COLORTERM", "PYTHONBREAKPOINT")
"""Variables that a terminal and a debugger need, beside those that every run sees."""


def run(run_dir: Path, declared: Mapping[str, str | None]) -> dict[str, int | None]:
    """Run an attempt to its end: `{code, signal}`. What it leaves behind is ended with it.

    A Ctrl-C is the run's to hear, as every signal of the terminal; one that asks this process to end is passed on.
    """
    adopt_orphans()
    given = {**environment.inherited(), **environment.named(TERMINAL), **declared}
    child = subprocess.Popen(
        [sys.executable, "-P", ENTRY, "run", str(run_dir)], env={k: v for k, v in given.items() if v is not None}
    )
    with _passed_on(child):
        code = child.wait()
    while strays := children():
        for stray in strays:
            with suppress(ProcessLookupError, ChildProcessError):
                os.kill(stray, signal.SIGKILL)
                os.waitpid(stray, 0)
    return {"code": code if code >= 0 else None, "signal": -code if code < 0 else None}


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
