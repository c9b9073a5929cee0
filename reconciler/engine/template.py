"""The template process: it forks runs, reaps them and records how they ended. Started by a pool through entry.py.

A fresh exec, never a fork of the daemon; one thread; it imports our engine and the standard library and nothing of a
repository. Requests are JSON messages (`{"launch": "<run dir>"}`) on a SOCK_SEQPACKET socket; there are no answers: the
run directory says all. When the daemon goes away the template drains: it waits for its runs, records their ends, ends.
A run's end is the end of all it started: what is left of its session, and every orphan that strayed, is killed.
"""

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler import plugins, steps
from reconciler.engine import child, flows, marker, whole
from reconciler.engine.journal import ENDED, notify
from reconciler.engine.linux import adopt_orphans, children
from reconciler.engine.order import Order, load
from reconciler.engine.output import OUTPUT, trim
from reconciler.engine.pull import find
from reconciler.engine.rehearsal import rehearse
from reconciler.engine.run import CANCEL, LOST
from reconciler.engine.stage import CRASH_NOTE

if TYPE_CHECKING:
    from reconciler.engine.outflow import Outflow

AUTHORS = flows.flow
"""What nearly every flow imports of ours, loaded once."""
_REQUEST_BYTES = 64 * 1024
_TRIM_EVERY_MS = 200
_REAP_EVERY_MS = 20
_HOOKS_SECONDS = 30.0
"""What the on_crashed hooks of a run may take, its flow's import included."""
_NO_ORDER = 70
"""Exit code recorded when the order cannot be read: EX_SOFTWARE."""


@dataclass(frozen=True, slots=True)
class _Launched:
    run_dir: Path
    order: Order
    pidfd: int
    outflow: "Outflow | None" = None
    """The process that keeps the secrets of the run out of its output."""
    lost: tuple[int, os.waitid_result] | None = None
    """The pid and end of the run in whose place this process calls on_crashed hooks."""
    until: float = 0.0


def serve(fd: int | None, first: list[Path], *, idle: float | None = None) -> tuple[Path, Order] | None:
    """Launch and reap until the daemon is gone and the last run has ended, or until nothing came for `idle` seconds.

    Returns None at that end; in each forked child it returns the run directory and order to run.
    """
    marker.boot_id()  # asked once, here, for all runs
    for word in plugins.words(steps):
        find(word)
    child.no_input()
    adopt_orphans()
    template = _Template(fd, idle)
    _KEPT.append(template)
    rehearse()
    gc.collect()
    gc.freeze()
    for run_dir in first:
        if chosen := template.launch(run_dir):
            return chosen
    return template.loop()


_KEPT: list[object] = []
"""What a forked run must not free: that would touch, and so copy, memory it shares with the template."""


class _Template:
    def __init__(self, fd: int | None, idle: float | None) -> None:
        self.idle_ms = int(idle * 1000) if idle else None
        self.requests = socket.socket(fileno=fd) if fd is not None else None
        self.poll = select.poll()
        if fd is not None:
            self.poll.register(fd, select.POLLIN)
        self.runs: dict[int, _Launched] = {}
        self.strays = False
        self.ending: set[int] = set()
        """The pids of a run that has ended, kept until that is recorded, and of its filter."""
        self.looked = time.monotonic()

    def loop(self) -> tuple[Path, Order] | None:
        while self.requests or self.runs or self.strays:
            ready = dict(self.poll.poll(self._patience()))
            if not ready and self.requests and not self.runs and not self.strays:
                self.requests.shutdown(socket.SHUT_RD)  # who asks from now on is told; what was asked is still read
            if not ready or time.monotonic() - self.looked >= _TRIM_EVERY_MS / 1000:
                self._look_after()
            for pid in [pid for pid, run in self.runs.items() if run.pidfd in ready]:
                if chosen := self._reap(pid):
                    return chosen
            if self.requests and self.requests.fileno() in ready and (chosen := self._answer(self.requests)):
                return chosen
        return None

    def _patience(self) -> int | None:
        if self.strays:
            return _REAP_EVERY_MS
        return _TRIM_EVERY_MS if self.runs else self.idle_ms

    def _answer(self, requests: socket.socket) -> tuple[Path, Order] | None:
        try:
            message = requests.recv(_REQUEST_BYTES)
        except OSError:
            message = b""
        if message:
            return self.launch(Path(json.loads(message)["launch"]))
        self.poll.unregister(requests)
        requests.close()
        self.requests = None
        return None

    def launch(self, run_dir: Path) -> tuple[Path, Order] | None:
        """Fork the run; in the child, its directory and order."""
        try:
            order = load(run_dir)
        except (OSError, ValueError):
            if run_dir.is_dir() and marker.bury(run_dir):
                marker.write_exit(run_dir, code=_NO_ORDER)
            return None
        return self._fork(run_dir, order)

    def _fork(
        self, run_dir: Path, order: Order, lost: tuple[int, os.waitid_result] | None = None
    ) -> tuple[Path, Order] | None:
        time.tzset()
        outflow = _outflows().start(run_dir) if order.secrets is not None else None
        pid = os.fork()
        if pid == 0:
            child.settle(run_dir, order, outflow)
            return run_dir, order
        if outflow is not None:
            outflow.leave()
        pidfd = os.pidfd_open(pid)
        self.poll.register(pidfd, select.POLLIN)
        until = time.monotonic() + _HOOKS_SECONDS if lost else 0.0
        self.runs[pid] = _Launched(run_dir, order, pidfd, outflow, lost, until)
        return None

    def _reap(self, pid: int) -> tuple[Path, Order] | None:
        """The run's process has ended: end what is left of it, say how it ended, and only then let its pid go.

        A run that was lost and has hooks for that keeps its pid until these are through, in a child that this returns
        in with what it is to run.
        """
        run = self.runs.pop(pid)
        ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        self.poll.unregister(run.pidfd)
        os.close(run.pidfd)
        if run.outflow is not None:
            self.ending = {pid, run.outflow.pid}
            run.outflow.finish(self._sweep)
            self.ending.clear()
        if run.lost:
            os.waitpid(pid, 0)
            pid, ended = run.lost
        elif ended and _is_mourned(run.run_dir, ended):
            with contextlib.suppress(OSError):  # no process to be had: then its hooks are not called
                return self._fork(run.run_dir, run.order, (pid, ended))
        with contextlib.suppress(OSError):  # the directory may be gone, or the disk full: then nobody can be told
            self._record(run, pid, ended)
        os.waitpid(pid, 0)
        self._sweep()
        notify(run.order.notify, run.order.run + ENDED)
        return None

    @staticmethod
    def _record(run: _Launched, pid: int, ended: os.waitid_result | None) -> None:
        """Write the exit status, unless the process was not the one that won the attempt."""
        trim(run.run_dir / OUTPUT, run.order.output_bytes)
        won = marker.owner(run.run_dir)
        if ended and (won.pid == pid if won else marker.bury(run.run_dir)):
            marker.write_exit(run.run_dir, **_status(ended))

    def _look_after(self) -> None:
        self.looked = time.monotonic()
        for run in self.runs.values():
            trim(run.run_dir / OUTPUT, run.order.output_bytes)
            if run.lost and time.monotonic() > run.until:
                signal.pidfd_send_signal(run.pidfd, signal.SIGKILL)
        if self.strays:
            self._sweep()

    def _sweep(self) -> None:
        """Kill the orphans that came to us: a live run keeps its own, so these are of runs that have ended."""
        kept = {*self.ending, *self.runs}
        kept |= {run.lost[0] for run in self.runs.values() if run.lost}
        kept |= {run.outflow.pid for run in self.runs.values() if run.outflow}
        strays = [pid for pid in children() if pid not in kept]
        for pid in strays:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        self.strays = bool(strays)


def _outflows() -> Any:
    """Loaded by a template once it has a run with secrets."""
    return importlib.import_module("reconciler.engine.outflow")


def _status(ended: os.waitid_result) -> dict[str, int | None]:
    by_exit = ended.si_code == os.CLD_EXITED
    return {"code": ended.si_status if by_exit else None, "signal": None if by_exit else ended.si_status}


def _is_mourned(run_dir: Path, ended: os.waitid_result) -> bool:
    """Whether the process was lost, not cancelled, before it told an outcome, and its flow has hooks for that."""
    if not (run_dir / CRASH_NOTE).exists() or (run_dir / CANCEL).exists():
        return False
    with contextlib.suppress(OSError):
        whole.put(run_dir, LOST, json.dumps(_status(ended)).encode())
        return True
    return False
