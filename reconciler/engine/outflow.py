"""Between a run with secrets and its output file: a process that replaces them. Started by the template.

It is the template's own child, so it outlives the run and writes its last words; the template waits for it. It hears
the secrets once, from the run that found them. A run without secrets writes to its file directly.
"""

import contextlib
import json
import os
import select
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from reconciler.core.redaction import Redactor
from reconciler.engine.output import OUTPUT

_PIECE = 64 * 1024
_PATIENCE = 2.0
"""Seconds in which everything that still holds the pipe is ended, once its run is."""
_LOOK_MS = 20
_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND
_LOST = b"\n[the process that keeps secrets out of this output was killed: what was said after this is lost]\n"


@dataclass(frozen=True, slots=True)
class Outflow:
    """The filter of one run, and the ends of its pipes that are the run's."""

    pid: int
    pidfd: int
    writing: int
    telling: int
    run_dir: Path

    def enter(self) -> None:
        """In the run: standard output and error go through the filter."""
        os.dup2(self.writing, 1)
        os.dup2(self.writing, 2)
        os.close(self.writing)

    def tell(self, secrets: Iterable[str]) -> None:
        """In the run: what is to be replaced, before anything is said."""
        data = json.dumps(list(secrets)).encode()
        while data:
            data = data[os.write(self.telling, data) :]
        os.close(self.telling)

    def leave(self) -> None:
        """In the template: the run has its ends now."""
        os.close(self.writing)
        os.close(self.telling)

    def finish(self, sweep: Callable[[], None]) -> None:
        """In the template, once the run is over: wait for the last words; `sweep` ends who might still speak.

        Where the filter did not come to its own end, the output says so: a gap is never silent.
        """
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        until = time.monotonic() + _PATIENCE
        sweep()
        while not poll.poll(_LOOK_MS):
            if time.monotonic() > until:
                signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
            sweep()
        _, status = os.waitpid(self.pid, 0)
        os.close(self.pidfd)
        if status:
            self._confess()

    def _confess(self) -> None:
        with contextlib.suppress(OSError):
            output = os.open(f"{self.run_dir}/{OUTPUT}", _APPEND | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
            with contextlib.closing(os.fdopen(output, "wb", buffering=0)) as file:
                file.write(_LOST)


def start(run_dir: Path) -> Outflow:
    """Fork the filter of a run that is about to be forked. Raises OSError."""
    reading, writing = os.pipe()
    hearing, telling = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.close(writing)
            os.close(telling)
            _filter(run_dir, reading, hearing)
            code = 0
        finally:
            os._exit(code)
    os.close(reading)
    os.close(hearing)
    return Outflow(pid, os.pidfd_open(pid), writing, telling, run_dir)


def _filter(run_dir: Path, reading: int, hearing: int) -> None:
    """Pass everything on until nobody can write any more; no signal but SIGKILL ends it before."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    output = os.open(f"{run_dir}/{OUTPUT}", _APPEND, 0o600)
    for place, fd in enumerate((reading, output, hearing)):
        os.dup2(fd, place)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    told = b""
    while more := os.read(2, _PIECE):
        told += more
    pass_on(0, Redactor(json.loads(told or b"[]")))


def pass_on(reading: int, redactor: Redactor) -> None:
    """Say on standard output what comes from a descriptor, without secrets, until its end."""
    rest = b""
    while more := os.read(reading, _PIECE):
        said, rest = redactor.split(rest + more)
        _write(said)
    _write(redactor.last(rest))


def _write(data: bytes) -> None:
    """Past a full disk the run goes on, and what it says is lost."""
    try:
        while data:
            data = data[os.write(1, data) :]
    except OSError:
        return
