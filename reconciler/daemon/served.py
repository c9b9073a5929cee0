"""Who serves what: processes of users that take the runs of some deployments over. Asked by the loop and the socket.

A serving process keeps its connection open; while it is, runs of its deployments are handed to it instead of to their
pool, and it starts each in a subprocess of its own interpreter. Nothing of this is a fact: a run says who took it.
"""

import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from reconciler.core.admit import Taker
from reconciler.daemon.loop import Loop, Request
from reconciler.engine import marker, whole
from reconciler.engine.order import ORDER
from reconciler.model.errors import ConflictError
from reconciler.model.events import RunMoved
from reconciler.model.fact import Fact
from reconciler.model.ids import instant
from reconciler.model.plan import Json
from reconciler.model.state import State
from reconciler.pools._local import LocalPool

log = logging.getLogger("reconciler")

RETURN = 10.0
"""Seconds in which a process that served before the daemon restarted may come back before its runs go to their pool."""
SAID = 64 * 1024
"""Bytes of one line that a serving process may say."""
SEND = 5.0
"""Seconds that a serving process may take to accept a run."""


@dataclass(slots=True, eq=False)
class _Process:
    """One serving process, connected or (`line` is None) expected back."""

    who: marker.Identity
    deployments: frozenset[str]
    limit: int | None
    line: socket.socket | None
    until: float = 0.0
    in_hand: set[Path] = field(default_factory=set)
    """Attempts it was given and has not begun, as far as is known."""

    def row(self) -> dict[str, Json]:
        who = {"pid": self.who.pid, "started": self.who.started, "boot": self.who.boot}
        return {"who": who, "deployments": sorted(self.deployments), "limit": self.limit}


class Served:
    """The processes that serve now."""

    def __init__(self, file: Path, post: Callable[[Request], None]) -> None:
        """`file` remembers them over a restart of the daemon; `post` reaches the loop."""
        self._file = file
        self._post = post
        self._lock = threading.Lock()
        self._processes: list[_Process] = []
        for process in _remembered(file):
            self._expect(process)

    def takers(self) -> Mapping[str, Taker]:
        """Who takes the runs of a deployment, by its name. Called by admission, on every turn."""
        if not self._processes:
            return {}
        with self._lock:
            self._processes = [p for p in self._processes if p.line or _awaited(p)]
            return {
                name: Taker(p.who.pid, p.limit, p.deployments, away=p.line is None)
                for p in self._processes
                for name in p.deployments
            }

    def join(self, who: marker.Identity, names: Iterable[str], limit: int | None, line: socket.socket) -> "_Process":
        """A process takes deployments over. Raises ConflictError when another serves one of them."""
        new = _Process(who, frozenset(names), limit, line)
        with self._lock:
            for other in self._processes:
                both = sorted(other.deployments & new.deployments)
                if other.who == who and other.line is None:
                    continue  # it is back
                if both and (other.line or _awaited(other)):
                    raise ConflictError(
                        f"{', '.join(both)}: served already, by the process with pid {other.who.pid}",
                        hint="stop that one first; two would share the runs by chance",
                    )
            self._processes = [p for p in self._processes if p.line or p.who != who] + [new]
            self._remember()
        return new

    def leave(self, process: "_Process") -> None:
        """A process is gone: what it did not begin goes to the pool; what runs, runs on."""
        with self._lock:
            if process not in self._processes:
                return
            self._processes.remove(process)
            process.line = None
            self._remember()
            left = list(process.in_hand)
        for run_dir in left:
            with suppress(OSError):  # a full disk: nobody has it in hand, so its keeper finds it dead
                self.give_back(run_dir, f"the serving process (pid {process.who.pid}) went away before it began")
        self._post(Request(_nothing))  # what waited for it may start elsewhere now

    def close(self) -> None:
        """The daemon stops: the processes are expected back by the next one."""
        with self._lock:
            gone, self._processes = self._processes, []
        for process in gone:
            if process.line is not None:
                with suppress(OSError):
                    process.line.shutdown(socket.SHUT_RDWR)

    def hand(self, run_dir: Path, deployment: str) -> bool:
        """Give an attempt to who serves its deployment; False when nobody does."""
        with self._lock:
            found = next((p for p in self._processes if p.line and deployment in p.deployments), None)
            if found is None or found.line is None:
                return False
            found.in_hand.add(run_dir)
            line = found.line
        try:
            line.sendall(json.dumps({"launch": str(run_dir.absolute())}).encode() + b"\n")
        except OSError:
            with self._lock:
                found.in_hand.discard(run_dir)
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)  # who does not listen serves nothing: its deployments go to their pool
            return False
        return True

    def holds(self, run_dir: Path) -> bool:
        """Whether a connected process was given an attempt and may be about to begin it."""
        with self._lock:
            return any(run_dir in p.in_hand for p in self._processes)

    def done(self, run_dir: Path) -> None:
        """An attempt is under way, or over, or never will be."""
        with self._lock:
            for process in self._processes:
                process.in_hand.discard(run_dir)

    def give_back(self, run_dir: Path, reason: str) -> None:
        """An attempt that nobody began: make sure of it, and queue the run again."""
        if marker.bury(run_dir):
            self._post(Request(_again(run_dir, reason)))

    def listen(self, process: "_Process", line: socket.socket) -> None:
        """Stay on the line until the process leaves; called on the connection's own thread."""
        line.settimeout(SEND)
        rest = b""
        try:
            while True:
                try:
                    chunk = line.recv(65536)
                except TimeoutError:
                    continue
                if not chunk:
                    return
                *lines, rest = (rest + chunk).split(b"\n")
                if len(rest) > SAID:
                    return
                for text in lines:
                    self._told(process, text)
        except OSError:
            return
        finally:
            self.leave(process)

    def _told(self, process: "_Process", text: bytes) -> None:
        """`{"ended": run_dir}`: the subprocess for an attempt is over, whether it began it or not."""
        with suppress(ValueError, KeyError, TypeError, RecursionError):
            run_dir = Path(json.loads(text)["ended"])
            with self._lock:
                process.in_hand.discard(run_dir)

    def _expect(self, process: "_Process") -> None:
        if not marker.running(process.who):
            return
        self._processes.append(process)
        timer = threading.Timer(RETURN + 0.1, lambda: self._post(Request(_nothing)))
        timer.daemon = True
        timer.start()

    def _remember(self) -> None:
        whole.put(self._file.parent, self._file.name, json.dumps([p.row() for p in self._processes]).encode())


class ServedKeeper(LocalPool):
    """Keeps runs that a serving process executes: as any run on this machine, but for the launch."""

    def __init__(self, served: Served) -> None:
        self._served = served

    def launch(self, run_dir: Path) -> None:
        """Hand it over; back into the queue when nobody is there any more."""
        deployment = json.loads((run_dir / ORDER).read_bytes())["deployment"]
        if not self._served.hand(run_dir, deployment):
            self._served.give_back(run_dir, "its serving process was gone before it was handed over")

    def has_in_hand(self, run_dir: Path) -> bool:
        """Whether the serving process is there and may be about to begin it."""
        return self._served.holds(run_dir)

    def alive(self, run_dir: Path) -> bool:
        """By the marker."""
        found = super().alive(run_dir)
        if not found:
            self._served.done(run_dir)
        return found

    def close(self) -> None:
        """The processes are told by their connections."""
        self._served.close()


def _awaited(process: _Process) -> bool:
    return time.monotonic() < process.until and marker.running(process.who)


def _remembered(file: Path) -> list[_Process]:
    """What an earlier daemon wrote; nothing where it wrote nothing of the kind."""
    found = []
    with suppress(OSError, ValueError, RecursionError):
        rows = json.loads(marker.content(file, SAID))
        for row in rows if isinstance(rows, list) else ():
            match row:
                case {
                    "who": {"pid": int(pid), "started": int(started), "boot": str(boot)},
                    "deployments": [*names],
                    "limit": int() | None as limit,
                } if all(isinstance(name, str) for name in names):
                    who = marker.Identity(pid, started, boot)
                    found.append(_Process(who, frozenset(names), limit, None, time.monotonic() + RETURN))
    return found


def _nothing(_loop: Loop, _now: datetime) -> tuple[Json, list[Fact]]:
    """A turn of the loop: admission looks again."""
    return None, []


def _again(run_dir: Path, reason: str) -> Callable[[Loop, datetime], tuple[Json, list[Fact]]]:
    ident, attempt = run_dir.parent.name, int(run_dir.name)

    def decide(loop: Loop, now: datetime) -> tuple[Json, list[Fact]]:
        run = loop.ledger.observed.runs.get(ident)
        if run is None or run.attempt != attempt or run.state is not State.PENDING:
            return None, []
        back = RunMoved(
            run=ident, state=State.AWAITING_RETRY, attempt=attempt, reason=reason, until=instant(now),
            detail={"unlaunched": True},
        )  # fmt: skip
        return None, [back]

    return decide


def identity(given: Mapping[str, Json], peer: int) -> marker.Identity | None:
    """The process that asks, as it names itself; None when the kernel does not know it by that pid here."""
    try:
        who = marker.Identity(int(given["pid"]), int(given["started"]), str(given["boot"]))
    except (KeyError, TypeError, ValueError):
        return None
    return who if who.pid == peer and marker.running(who) else None
