"""Builds the daemon and holds the only clock. Called by `serve`, `demo` and tests."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from reconciler import plugins, pools, schedules, steps
from reconciler.core.plan import Policy
from reconciler.daemon import requests
from reconciler.daemon.config import Settings
from reconciler.daemon.ledger import Ledger
from reconciler.daemon.loop import Loop, Stop
from reconciler.daemon.mirrors import Mirrors
from reconciler.daemon.observe import Observer, Words
from reconciler.daemon.orders import Orders
from reconciler.daemon.reconcile import Looker, Tracked, first_branch
from reconciler.daemon.server import Server
from reconciler.daemon.state_dir import Lock, StateDir
from reconciler.daemon.supervise import Supervisor
from reconciler.git import provenance
from reconciler.git.repository import Repository
from reconciler.git.watch import Watch
from reconciler.model.errors import ConflictError
from reconciler.model.events import BranchTracked
from reconciler.stores.sqlite import SqliteStore

log = logging.getLogger("reconciler")

CACHE = "specs"
"""The kind under which the observer's rows are cached in the store."""


def clock() -> datetime:
    """Now, aware, in UTC."""
    return datetime.now(UTC)


def words() -> Words:
    """What spec files may name, from the plug-in folders."""
    return Words(steps.check, _check_schedule, frozenset(plugins.words(pools)))


def _check_schedule(rule: dict[str, object]) -> tuple[str, str] | None:
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

    def stop(self) -> None:
        """Ask the loop to end; safe from any thread and from a signal handler."""
        self.loop.inbox.put(Stop())


def build(path: Path, state: StateDir, settings: Settings) -> Daemon:
    """A daemon for the repository at `path`. Raises SourceUnavailableError, ConflictError, StoreError, AccessError."""

    def opened() -> Repository:
        return Repository.open(path, trust_owner=settings.allow_owner)

    with opened() as repo:
        common = repo.common_dir
        base = repo.work_tree or repo.git_dir
        named = settings.branch or repo.head_branch()
        lock = Lock(state, {"branch": named})
        store = SqliteStore.open(state.log)
        ledger = Ledger(store)
        branch = _track(ledger, settings, repo)
        hosts = frozenset(filter(None, map(provenance.host, repo.remotes().values()))) | set(settings.allow_hosts)

    def ours(url: str) -> bool:
        with opened() as repo:
            return provenance.same(url, repo, base)

    mirrors = Mirrors(state.mirrors, base, hosts, settings.interval)
    observer = Observer(settings.specs, words(), ours, mirrors.resolve)
    if ledger.observed.revision:
        observer.restore_from(lambda: store_items(state))
    orders = Orders(state, settings, common, mirrors, ours)
    loop_box: list[Loop] = []
    supervisor = Supervisor(state, orders, lambda report: loop_box[0].inbox.put(report), settings.cancel_grace)
    policy = Policy(settings.prune_limit, settings.on_rewind)
    loop = Loop(ledger, supervisor, clock, policy, settings.limit)
    loop_box.append(loop)
    tracked = Tracked(opened, branch, settings.remote, settings.interval)
    looker = Looker(tracked, observer, loop.inbox.put)
    loop.settled = looker.applied
    return Daemon(
        state,
        lock,
        loop,
        looker,
        Watch(common, branch, looker.look, remote=settings.remote),
        supervisor,
        Server(state, lambda verb, args, who: requests.answer(loop, verb, args, who)),
        store,
    )


def _track(ledger: Ledger, settings: Settings, repo: Repository) -> str:
    """The tracked branch: the flag, else the log's, else the one HEAD names now; a change of it is recorded."""
    observed = ledger.observed
    branch = settings.branch or observed.branch or first_branch(repo)
    if (observed.branch, observed.remote) != (branch, settings.remote):
        ledger.stage([BranchTracked(branch=branch, remote=settings.remote)], clock())
        ledger.flush()
    return branch
