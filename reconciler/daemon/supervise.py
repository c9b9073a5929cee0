"""Runs outside the loop: launched, watched, stopped, adopted after a restart. A thread of its own; called by the loop.

What a run's process writes is read here and posted to the loop as a `Report`; datagrams on the `notify` socket only
shorten the wait. Nothing here decides what a report means (core/report does), and nothing is acted on that is not in
the log already.
"""

import contextlib
import json
import logging
import queue
import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from reconciler.core.report import Report
from reconciler.daemon.crumbs import Busy, Crumbs
from reconciler.daemon.heard import LIFE, Heard
from reconciler.daemon.orders import Launch, Orders
from reconciler.daemon.state_dir import StateDir
from reconciler.engine import journal, whole
from reconciler.engine.order import ORDER
from reconciler.engine.pull import WORK
from reconciler.engine.vault import ENCRYPTED
from reconciler.model.errors import Next, ReconcilerError
from reconciler.model.plan import Json
from reconciler.model.state import Run, State
from reconciler.pools import Pool

log = logging.getLogger("reconciler")

POLL = 1.0
"""Seconds between looks at live runs when no datagram comes."""
SOON = 0.01
"""Seconds after which news of a run that goes on is read: of a short one, its end is then read with it."""
SETTLE = 2.0
"""Seconds that an exit status may come after the death of its process."""
STUCK = 10.0
"""Seconds past `timeout_seconds` at which a run that could not stop itself is killed."""


@dataclass(slots=True, kw_only=True)
class _Watched(Heard):
    """One attempt that is not over."""

    pool: Pool
    timeout: float | None = None
    dead_since: float | None = None
    kill_at: float | None = None
    told: bool = False
    """Whether its end was posted."""


class Supervisor:
    """Launches, watches and stops the attempts of runs."""

    def __init__(
        self, state: StateDir, orders: Orders, post: Callable[[Report], None], grace: float, crumbs: Crumbs
    ) -> None:
        self._state = state
        self._crumbs = crumbs
        self._orders = orders
        self._post = post
        self._grace = grace
        self._closing = False
        self._watched: dict[str, _Watched] = {}
        self._soon: dict[str, float] = {}
        """When to look at runs with news, the first one first."""
        self._asked: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._woken = False
        self._address = state.new_address("notify")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self._address)
        (state.root / "notify").chmod(0o600)
        self._waker = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._thread = threading.Thread(target=self._work, name="supervisor", daemon=True)

    # --- asked by the loop -------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def launch(self, run: Run, what: Launch) -> None:
        """Start an attempt, or go on watching one that started; safe to ask twice.

        Only what is Pending may be started: whatever went on from there has, here or where a backup was made.
        """
        order = None
        if run.state is State.PENDING:
            order = self._orders.make(run, what)
        timeout = (what.spec.get("flow") or {}).get("timeout_seconds")
        self._ask(lambda: self._launch(run.id, run.attempt, what.pool, order, timeout))

    def expect(self, run: str, commit: str | None) -> None:
        """A run will need `commit`: keep it from git gc."""
        if commit:
            self._ask(lambda: self._orders.pin(run, commit))

    def spare(self, run: str) -> None:
        """What was expected under this name needs its commit no longer."""
        self._ask(lambda: self._orders.released(run))

    def stop(self, run: str) -> None:
        """SIGTERM now, SIGKILL after the grace."""
        self._ask(lambda: self._stop(run))

    def resume(self, run: str, pause: int) -> None:
        """Tell a run that its n-th pause is over; safe to ask twice."""
        self._ask(lambda: self._resume(run, pause))

    def rest(self, run: str) -> None:
        """An attempt is over and its run is not: the working copy goes, the commit stays."""
        self._ask(lambda: self._rest(run))

    def forget(self, run: str) -> None:
        """A run is over: its working copies and orders go."""
        self._ask(lambda: self._forget(run))

    def again(self, run: str) -> None:
        """A report could not be recorded: read the run's facts from the start."""
        self._ask(lambda: self._again(run))

    def abandon(self, run: Run, pool: str) -> None:
        """A run is over whatever it wrote: end what lives of it, and read nothing."""
        self._ask(lambda: self._abandon(self._state.attempt(run.id, run.attempt), pool))

    def close(self) -> None:
        """Stop watching; the runs go on."""
        self._closing = True
        self._wake()
        self._thread.join(timeout=1)
        self._orders.close()
        self._socket.close()
        self._waker.close()

    def _ask(self, act: Callable[[], None]) -> None:
        self._asked.put(act)
        if not self._woken:
            self._woken = True
            self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # full: the thread is about to look anyway
            self._waker.sendto(b"", self._address)

    # --- the thread --------------------------------------------------------------------------------------------

    def _work(self) -> None:
        looked = time.monotonic()
        self._orders.warm()
        while not self._closing:
            hinted, poll = self._hints(), False
            self._carry_out()
            now = time.monotonic()
            if now - looked >= POLL:
                looked, poll = now, True
                hinted = set(self._watched)
                if not hinted:
                    self._orders.sweep()
            for run in hinted & self._watched.keys():
                try:
                    self._look(run, now, poll=poll)
                except Exception:
                    # Whatever one run left behind, the others are watched on.
                    log.exception("looking at run %s failed", run)

    def _carry_out(self) -> None:
        """Do what the loop asked for meanwhile."""
        self._woken = False  # before the queue is emptied: what is asked from now on wakes again
        while True:
            try:
                act = self._asked.get_nowait()
            except queue.Empty:
                return
            try:
                act()
            except Exception:
                log.exception("an act of the supervisor failed")

    def _hints(self) -> set[str]:
        """The runs named by datagrams, at once where it is their end, else soon; waits for the first."""
        hinted: set[str] = set()
        wait = POLL if self._watched else 60.0
        if self._soon:
            wait = max(0.0, min(wait, next(iter(self._soon.values())) - time.monotonic()))
        self._socket.settimeout(wait)
        with contextlib.suppress(TimeoutError, BlockingIOError):
            while True:
                said = self._socket.recv(64).decode("ascii", "replace")
                if said.endswith(journal.ENDED):
                    hinted.add(said.removesuffix(journal.ENDED))
                elif said in self._watched:
                    self._soon.setdefault(said, time.monotonic() + SOON)
                self._socket.settimeout(0)
        now = time.monotonic()
        hinted |= {run for run, at in self._soon.items() if at <= now}
        for run in hinted:
            self._soon.pop(run, None)
        return hinted & self._watched.keys()

    def _launch(
        self, run: str, attempt: int, pool: str, order: Mapping[str, Json] | None, timeout: float | None
    ) -> None:
        folder = self._state.attempt(run, attempt)
        try:
            keeper = self._orders.pool(pool)
            self._watched[run] = _Watched(attempt, folder, pool=keeper, timeout=timeout)
            if order is not None and not (folder / "started").exists():
                self._orders.check(order)
                self._orders.write(folder, order)
                keeper.launch(folder)
                return
        except (ReconcilerError, OSError) as error:
            self._watched.pop(run, None)
            passing = isinstance(error, OSError) or error.next is Next.TRANSIENT
            final = {"fact": "failed", "message": f"it could not be launched: {error}", "unlaunched": passing}
            self._post(Report(run, attempt, (), final, None, dead=True))
            return
        self._look(run, time.monotonic(), poll=True)

    def _stop(self, run: str) -> None:
        watched = self._watched.get(run)
        if watched is not None:
            _tell(watched.folder, "cancel", {})
            watched.pool.kill(watched.folder, signal.SIGTERM)
            watched.kill_at = time.monotonic() + self._grace

    def _resume(self, run: str, pause: int) -> None:
        """Only for the pause that was meant: it may have gone on, and paused again, since that was decided."""
        watched = self._watched.get(run)
        if watched is None:
            return
        self._look(run, time.monotonic(), poll=False)
        life = [fact["fact"] for fact in watched.facts if fact["fact"] in LIFE]
        if life[-1:] == ["paused"] and life.count("paused") == pause:
            _tell(watched.folder, "resume", {"pause": pause})

    def _rest(self, run: str) -> None:
        watched = self._watched.get(run)
        if watched is not None and watched.told:
            del self._watched[run]
            self._clear(watched.folder)

    def _abandon(self, folder: Path, pool: str) -> None:
        self._orders.pool(pool).kill(folder, signal.SIGKILL)
        self._clear(folder)

    def _forget(self, run: str) -> None:
        self._watched.pop(run, None)
        with contextlib.suppress(FileNotFoundError):  # it never started
            for folder in (self._state.runs / run).iterdir():
                if folder.is_dir() and not folder.is_symlink():
                    self._clear(folder)
        self._orders.released(run)

    def _clear(self, folder: Path) -> None:
        """An attempt is over: only what it said stays. Its order holds the run's environment."""
        for name in (ORDER, WORK, "prefect", ENCRYPTED):
            self._orders.remove(folder / name)

    def _again(self, run: str) -> None:
        watched = self._watched.get(run)
        if watched is not None:
            watched.again()
            watched.told = False

    def _look(self, run: str, now: float, *, poll: bool) -> None:
        """Read what an attempt wrote; when polling, whether it lives and must be ended as well."""
        watched = self._watched[run]
        if watched.told:
            return
        self._crumbs.enter(Busy.LOOKING, run)
        try:
            self._look_at(run, watched, now, poll=poll)
        finally:
            self._crumbs.leave(Busy.LOOKING)

    def _look_at(self, run: str, watched: _Watched, now: float, *, poll: bool) -> None:
        status = watched.pool.exit_status(watched.folder)  # asked first: what was written before the end is read below
        moved = watched.read(now)
        dead = status is None and poll and self._confirmed_dead(watched, now)
        if moved or status is not None or dead:
            watched.told = status is not None or dead
            final = watched.end() if watched.told else None
            if dead and not watched.facts and watched.pool.never_began(watched.folder):
                final = {
                    "fact": "failed",
                    "message": "it never began: what was to start it is gone",
                    "unlaunched": True,
                }
            self._post(Report(run, watched.attempt, tuple(watched.facts), final, status, dead))
        if poll and not watched.told:
            self._enforce(watched, now)

    def _confirmed_dead(self, watched: _Watched, now: float) -> bool:
        if watched.pool.alive(watched.folder):
            watched.dead_since = None
            return False
        if watched.dead_since is None:
            watched.dead_since = now
        return now - watched.dead_since >= SETTLE

    def _enforce(self, watched: _Watched, now: float) -> None:
        """End what does not end by itself: a cancelled run past its grace, a flow past its timeout."""
        if watched.kill_at is not None and now >= watched.kill_at:
            watched.pool.kill(watched.folder, signal.SIGKILL)
        began = watched.running_since if watched.paused_since is None else None
        if watched.timeout and began and now > began + watched.timeout + STUCK:
            watched.final = {"fact": "timed_out", "message": f"killed: it ran past its {watched.timeout:g} s"}
            watched.pool.kill(watched.folder, signal.SIGKILL)


def _tell(folder: Path, name: str, what: Mapping[str, Json]) -> None:
    """Leave a word for a run in its directory. Where that cannot be, a signal comes all the same, or the word again."""
    try:
        whole.put(folder, name, json.dumps(what).encode())
    except FileNotFoundError:
        return  # nobody would read it
    except OSError as error:
        log.warning("run %s cannot be told to %s: %s", folder.parent.name, name, error)
