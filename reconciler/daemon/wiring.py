"""Builds the daemon and holds the only clock. Called by `serve`, `demo` and tests."""

import contextlib
import queue
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from reconciler import plugins, pools, schedules, steps
from reconciler.core.plan import Policy
from reconciler.daemon import requests
from reconciler.daemon.config import Settings
from reconciler.daemon.ledger import Ledger
from reconciler.daemon.loop import CACHE, Loop, Message, Stop
from reconciler.daemon.mirrors import Mirrors
from reconciler.daemon.observe import Observer, Words
from reconciler.daemon.orders import Orders
from reconciler.daemon.reconcile import Looker, Tracked, first_branch
from reconciler.daemon.server import Server
from reconciler.daemon.state_dir import Lock, StateDir
from reconciler.daemon.supervise import Supervisor
from reconciler.git.repository import Repository
from reconciler.git.watch import Watch
from reconciler.model.events import BranchTracked
from reconciler.model.plan import Json
from reconciler.stores._reader import Reader
from reconciler.stores.sqlite import SqliteStore


def clock() -> datetime:
    """Now, aware, in UTC."""
    return datetime.now(UTC)


def words() -> Words:
    """What spec files may name, from the plug-in folders."""
    return Words(steps.check, _check_schedule, frozenset(plugins.words(pools)))


def _check_schedule(rule: Mapping[str, Json]) -> tuple[str, str] | None:
    try:
        schedules.load(rule)
    except schedules.ScheduleError as error:
        return error.key, str(error)
    return None


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
    store: SqliteStore
    branch: str
    """The tracked branch."""

    def start(self) -> None:
        """Start everything but the loop itself, which `run` turns."""
        self.supervisor.start()
        self.loop.adopt()
        self.server.start()
        self.looker.start()
        self.watch.start()

    def run(self) -> None:
        """Turn until `stop`; runs that live go on."""
        try:
            self.loop.run()
        finally:
            self.watch.stop()
            self.server.stop()
            self.looker.stop()
            self.supervisor.close()
            self.loop.save()
            self.store.close()
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
        self.loop.inbox.put(Stop())


def build(path: Path, state: StateDir, settings: Settings) -> Daemon:
    """A daemon for the repository at `path`. Raises SourceUnavailableError, ConflictError, StoreError, AccessError."""

    def opened() -> Repository:
        return Repository.open(path, trust_owner=settings.allow_owner)

    inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
    with opened() as repo:
        lock = Lock(state, {"branch": settings.branch or repo.head_branch()})
        store = SqliteStore.open(state.log)
        ledger = Ledger(store)
        branch = _track(ledger, settings, repo)
        common = repo.common_dir
        mirrors = Mirrors(opened, state.mirrors, settings.allow_hosts, settings.interval)
        observer = Observer(settings.specs, words(), mirrors.ours, mirrors.resolve)
        tracked = Tracked(opened, branch, settings.remote, settings.interval)
        looker = Looker(tracked, observer, inbox.put, Kept(state.log), ledger.observed.revision)
        watch = Watch(repo, branch, looker.look, remote=settings.remote)
    supervisor = Supervisor(state, Orders(state, settings, common, mirrors), inbox.put, settings.cancel_grace)
    loop = Loop(ledger, supervisor, clock, Policy(settings.prune_limit, settings.on_rewind), settings.limit, inbox)
    loop.settled = looker.applied
    server = Server(state, lambda verb, args, who: requests.answer(loop, verb, args, who))
    return Daemon(state, lock, loop, looker, watch, supervisor, server, store, branch)


class Kept:
    """What an earlier daemon kept of its reading, read by another thread than the loop's."""

    def __init__(self, log: Path) -> None:
        self._log = log

    def head(self) -> bytes | None:
        """The observer's item under the empty key."""
        with contextlib.closing(Reader.open(self._log)) as reader:
            return reader.cache_get(CACHE, "")

    def items(self) -> dict[str, bytes]:
        """All of them."""
        with contextlib.closing(Reader.open(self._log)) as reader:
            return reader.cache_items(CACHE)


def _track(ledger: Ledger, settings: Settings, repo: Repository) -> str:
    """The tracked branch: the flag, else the log's, else the one HEAD names now; a change of it is recorded."""
    observed = ledger.observed
    branch = settings.branch or observed.branch or first_branch(repo)
    if (observed.branch, observed.remote) != (branch, settings.remote):
        ledger.stage([BranchTracked(branch=branch, remote=settings.remote)], clock())
        ledger.flush()
    return branch
