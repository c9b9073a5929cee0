"""Builds the daemon and holds the only clock. Called by `serve`, `demo` and tests."""

import contextlib
import gc
import os
import queue
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from reconciler import daemon as shell
from reconciler.core import preview, script
from reconciler.core.plan import Policy
from reconciler.daemon import config, poison, requests, retention
from reconciler.daemon.acts import SERVED
from reconciler.daemon.asked import Asked
from reconciler.daemon.config import Settings
from reconciler.daemon.crumbs import Crumbs
from reconciler.daemon.ledger import Ledger
from reconciler.daemon.loop import Loop, Message, Stop
from reconciler.daemon.mirrors import Mirrors
from reconciler.daemon.orders import Orders
from reconciler.daemon.previews import Previews
from reconciler.daemon.quarantines import Quarantines
from reconciler.daemon.reading import CACHE, Environment, still_says
from reconciler.daemon.reconcile import Looker, Tracked, first_branch
from reconciler.daemon.retention import Retention
from reconciler.daemon.served import Served, ServedKeeper
from reconciler.daemon.server import Server
from reconciler.daemon.spec_dir import SpecDir
from reconciler.daemon.state_dir import Lock, StateDir
from reconciler.daemon.supervise import Supervisor
from reconciler.git.repository import Repository
from reconciler.git.watch import Watch
from reconciler.model.errors import NotFoundError
from reconciler.model.events import BranchTracked
from reconciler.model.state import Run
from reconciler.pools._script import ScriptKeeper
from reconciler.stores import Stored
from reconciler.stores._reader import Reader
from reconciler.stores.sqlite import SqliteStore

PATIENCE = 5.0
"""Seconds that a daemon told to stop may take."""


def clock() -> datetime:
    """Now, aware, in UTC."""
    return datetime.now(UTC)


@dataclass(slots=True)
class Daemon:
    """One running daemon: its parts, and the order in which they start and stop."""

    state: StateDir
    lock: Lock
    loop: Loop
    looker: Looker
    watch: Watch
    supervisor: Supervisor
    server: Server
    retention: Retention
    store: SqliteStore
    branch: str
    """The tracked branch."""
    crumbs: Crumbs
    poisoned: list[Run]
    """Runs that were given up at this start: they killed the daemons before."""
    notes: "shell.notes.Notes | None" = None
    """Where the operator asked for results as git notes."""

    def start(self) -> None:
        """Start everything but the loop itself, which `run` turns."""
        self.supervisor.start()
        self.loop.acts.adopt(self.loop.ledger.observed)
        for run in self.poisoned:
            self.loop.acts.abandon(run)
        self.server.start()
        self.looker.start()
        self.watch.start()
        self.retention.start()
        if self.notes:
            self.notes.start()

    def run(self) -> None:
        """Turn until `stop`; runs that live go on."""
        try:
            self.loop.run()
        finally:
            self.watch.stop()
            self.retention.stop()
            if self.notes:
                self.notes.stop()
            self.server.stop()
            self.looker.stop()
            self.supervisor.close()
            self.store.close()
            self.crumbs.close()
            self.lock.release()

    def stop_when_idle(self) -> None:
        """End once git was read and every queued run is over."""
        self.loop.once = True

    @property
    def exit_code(self) -> int:
        """1 when git could not be read or what it says was refused or has problems, else 0."""
        observed = self.loop.ledger.observed
        return int(bool(observed.stale or observed.refused or observed.problems))

    def stop(self) -> None:
        """Ask the loop to end; safe from any thread and from a signal handler."""
        self.crumbs.close()
        self.loop.inbox.put(Stop())


def stop_on_signals(stop: Callable[[], None]) -> None:
    """SIGTERM and SIGINT call `stop`; a second one, or `PATIENCE`, ends the process at once. Called on the main thread.

    A handler of Python's runs between two bytecodes of the main thread: of a signal that comes just before that thread
    waits on its queue it would hear when the wait is over. The byte that the signal writes is seen by a thread at once.
    """
    told, teller = socket.socketpair()
    teller.setblocking(False)  # noqa: FBT003 - the socket module's own signature
    signal.set_wakeup_fd(teller.fileno())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)

    def listen() -> None:
        with teller:
            told.recv(1)
            stop()
            told.settimeout(PATIENCE)
            with contextlib.suppress(TimeoutError):
                told.recv(1)
            os._exit(1)  # what is durable is durable: the next daemon goes on from there

    threading.Thread(target=listen, name="signals", daemon=True).start()


def build(path: Path, state: StateDir, settings: Settings, now: Callable[[], datetime] = clock) -> Daemon:
    """A daemon for the repository at `path`, by the clock `now`.

    Raises SourceUnavailableError, ConflictError, StoreError, AccessError.
    """

    def opened() -> Repository:
        return Repository.open(path, trust_owner=settings.allow_owner)

    inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
    with opened() as repo:
        lock = Lock(state, {"branch": settings.branch or repo.head_branch()})
        store = SqliteStore.open(state.log)
        with _uncollected():
            ledger = Ledger(store)
        branch, env = _track(ledger, settings, repo, now)
        crumbs = Crumbs(state.crumbs)
        poisoned = poison.isolate(ledger, crumbs, now())
        avoided = poison.Poison(crumbs, ledger.observed.isolated)
        common = repo.common_dir
        mirrors = Mirrors(opened, state.mirrors, settings.allow_hosts, settings.interval)
        tracked = Tracked(opened, branch, settings.remote, settings.interval)
        observer = lambda: shell.observe.Observer(  # noqa: E731 - a thing to hand over
            settings.specs, shell.words.words(), mirrors.ours, mirrors.resolve, mirrors.submodules, avoided, env=env
        )
        looker = Looker(tracked, observer, inbox.put, Kept(state.log, settings.specs, env), ledger.observed.revision)
        looker.branches.patterns = settings.preview
        also = looker.branches.asked_for if settings.preview else None
        watch = Watch(repo, branch, looker.look, remote=settings.remote, also=also)
    serving = Served(state.root / "served.json", inbox.put)
    orders = Orders(state, settings, common, mirrors, {script.TRIGGER: ScriptKeeper(), SERVED: ServedKeeper(serving)})
    supervisor = Supervisor(state, orders, inbox.put, settings.cancel_grace, crumbs)
    loop = Loop(ledger, supervisor, now, Policy(settings.prune_limit, settings.on_rewind), settings.limit, inbox)
    loop.previews = Previews(preview.Policy(settings.preview, settings.preview_ttl), looker.read)
    loop.grace = timedelta(seconds=settings.cancel_grace)
    loop.settled, loop.takers, loop.crumbs = looker.applied, serving.takers, crumbs
    notes = shell.notes.Notes(state.log, state.root / "notes", opened, now) if settings.notes else None
    if notes:
        loop.durable = notes.tell
    keeper = Retention(state, config.kept(settings), clock, mirrors, lambda stored: requests.purge(loop, stored))
    asked = Asked(loop, state, serving, keeper, orders.sealed)
    asked.quarantines = Quarantines(opened, mirrors)

    return Daemon(
        state,
        lock,
        loop,
        looker,
        watch,
        supervisor,
        Server(state, asked.answer),
        keeper,
        store,
        branch,
        crumbs,
        poisoned,
        notes,
    )


def sweep_offline(path: Path, state: StateDir, settings: Settings, *, dry: bool) -> dict[str, dict[str, int]]:
    """What retention lets go of where no daemon runs. Raises ConflictError when one does."""
    lock = Lock(state, {"branch": "none: it is being tidied"})
    try:
        with contextlib.closing(SqliteStore.open(state.log)) as store:
            ledger = Ledger(store)

            def purge(stored: list[Stored]) -> tuple[int, int]:
                went, facts = retention.purge(ledger, stored)
                ledger.stage(facts, clock())
                ledger.flush()
                return went

            opened = lambda: Repository.open(path, trust_owner=settings.allow_owner)  # noqa: E731 - a thing to hand over
            mirrors = Mirrors(opened, state.mirrors, settings.allow_hosts, settings.interval)
            return Retention(state, config.kept(settings), clock, mirrors, purge).sweep(dry=dry, copies=True)
    finally:
        lock.release()


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """What is made here stays: looking for garbage among it, now or later, only costs time."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


class Kept:
    """What an earlier daemon kept of its reading, read by another thread than the loop's."""

    def __init__(self, log: Path, specs: str, env: Environment) -> None:
        self._log = log
        self._env = env
        self._specs = specs.strip("/")

    def still_says(self, head: str) -> bool:
        """Whether reading `head` would say what was kept: then nothing needs to be read."""
        with contextlib.closing(Reader.open(self._log)) as reader:
            return still_says(reader.cache_get(CACHE, ""), self._specs, head, self._env)

    def items(self) -> dict[str, bytes]:
        """All of it."""
        with contextlib.closing(Reader.open(self._log)) as reader:
            return reader.cache_items(CACHE)


def _track(
    ledger: Ledger, settings: Settings, repo: Repository, now: Callable[[], datetime]
) -> tuple[str, Environment]:
    """The tracked branch: the flag, else the log's, else the one HEAD names now. The environment: set, else the log's.

    A change of either is recorded. Raises NotFoundError, SourceUnavailableError for an environment without overlay.
    """
    observed = ledger.observed
    branch = settings.branch or observed.branch or first_branch(repo)
    if settings.remote and settings.remote not in repo.remotes():
        known = ", ".join(sorted(repo.remotes())) or "none"
        raise NotFoundError(f"there is no remote {settings.remote!r}", hint=f"known: {known}")
    if settings.branch and not settings.remote and branch != repo.head_branch() and repo.branch(branch) is None:
        raise NotFoundError(f"there is no branch {branch!r}", hint="`git branch` lists them")
    env = Environment.of(
        observed.env if settings.env is None else settings.env, settings.variables, branch, settings.remote
    )
    head = repo.branch(branch, settings.remote)
    if env.name is not None and env.name != observed.env and head is not None:
        SpecDir(settings.specs).overlay(repo, repo.commit(head).tree, env.name)
    if (observed.branch, observed.remote, observed.env) != (branch, settings.remote, env.name):
        ledger.stage([BranchTracked(branch=branch, remote=settings.remote, env=env.name)], now())
        ledger.flush()
    return branch, env
