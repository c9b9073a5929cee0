"""Looks at git when told to, and posts what it says to the loop. A thread of its own; told by watch, timers, people.

All causes become one numbered request: whatever asks while a look is under way is served by the next one, and no
request is lost.
"""

import contextlib
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from reconciler import git
from reconciler.daemon.branches import FETCH_TIMEOUT, Branches
from reconciler.daemon.reading import Branches as Heads
from reconciler.daemon.reading import Previewed, Read, Unchanged, Unreadable
from reconciler.git.repository import Repository
from reconciler.model.errors import ReconcilerError, SourceUnavailableError

if TYPE_CHECKING:  # reading specs takes imports that a restart without changes does not need
    from reconciler.daemon.observe import Observer

log = logging.getLogger("reconciler")


@dataclass(frozen=True, slots=True)
class Tracked:
    """What is followed."""

    open: Callable[[], Repository]
    branch: str
    remote: str | None
    interval: float
    """Seconds between looks that nothing asked for, where something lies elsewhere."""


class Cache(Protocol):
    """What an earlier process kept of its reading."""

    def still_says(self, head: str) -> bool:
        """Whether reading `head` would say what was kept: then nothing needs to be read."""

    def items(self) -> Mapping[str, bytes]:
        """All of them."""


class Looker:
    """Reads git on request."""

    def __init__(
        self,
        tracked: Tracked,
        observer: "Callable[[], Observer]",
        post: Callable[[Read | Unchanged | Unreadable | Heads | Previewed], None],
        cache: Cache,
        applied: str | None,
    ) -> None:
        self.branches = Branches(tracked.branch, tracked.remote, observer, post)
        """Those that are previewed, set before `start`."""
        self._tracked = tracked
        self._cache = cache
        self._make = observer
        self._observer: Observer | None = None
        self._post = post
        self._asked = 0
        self._served = 0
        self._fetch_asked = True
        self._applied = applied
        self._settled: str | None = None
        self._stopping = False
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="reconcile", daemon=True)

    def start(self) -> None:
        """Begin with a first look."""
        self._thread.start()

    def look(self, *, fetch: bool = False) -> None:
        """Ask for a look, and for a fetch of the remote before it."""
        with self._news:
            self._asked += 1
            self._fetch_asked = self._fetch_asked or fetch
            self._news.notify()

    def read(self, wanted: Mapping[str, str]) -> None:
        """Ask for branches to be read at these commits; those that were read there before are not read again."""
        with self._news:
            self.branches.want(wanted)
            self._news.notify()

    def applied(self, revision: str) -> None:
        """The loop applied and kept what was read at `revision`."""
        with self._news:
            self._applied = self._settled = revision

    def stop(self) -> None:
        """End; a look under way is not waited for long."""
        with self._news:
            self._stopping = True
            self._news.notify()
        self._thread.join(timeout=1)

    def _work(self) -> None:
        look = True
        while not self._stopping:
            if look:
                self._once()
            if self.branches.wanted and not self._stopping:
                self._read_branch()  # one, and then the tracked branch first again
            look = self._rest()

    def _rest(self) -> bool:
        """Wait for something to do; whether it is a look."""
        with self._news:
            woken = True
            if self._served >= self._asked and not self.branches.wanted and not self._stopping:
                woken = self._news.wait(self._tracked.interval if self._polls() else None)
                self._fetch_asked = self._fetch_asked or not woken
            look = self._asked > self._served or not woken
            self._served = self._asked
            return look

    def _polls(self) -> bool:
        elsewhere = self._observer is not None and self._observer.looks_elsewhere
        return self._tracked.remote is not None or elsewhere or self.branches.looks_elsewhere

    def _once(self) -> None:
        try:
            with self._tracked.open() as repo:
                fetched = self._fetch(repo)
                self._post(self._read(repo, self._head(repo)))
                self.branches.look(repo, fetch=fetched)
        except ReconcilerError as error:
            self._post(Unreadable(error.message))
        except Exception:
            # A file that crashes the reading must not end the daemon: the last state stays, and the log tells.
            log.exception("reading the repository failed")
            self._post(Unreadable("reading the repository failed; the daemon's log has the details"))

    def _read_branch(self) -> None:
        with contextlib.suppress(ReconcilerError), self._tracked.open() as repo:
            self.branches.read(repo)
            return
        self.branches.give_up("the repository cannot be read")

    def _head(self, repo: Repository) -> str:
        head = repo.branch(self._tracked.branch, self._tracked.remote)
        if head is None:
            raise SourceUnavailableError(f"branch {self._tracked.branch!r} is not there, or has no commit yet")
        return head

    def _fetch(self, repo: Repository) -> bool:
        """Fetch the tracked branch, and others that specs follow, where that is due; whether it was."""
        with self._news:
            due, self._fetch_asked = self._fetch_asked, False
        if self._tracked.remote and due:
            git.remote.fetch(repo, self._tracked.remote, self._tracked.branch, timeout=FETCH_TIMEOUT)
            if self._observer is not None and (followed := self._observer.followed):
                for why in git.remote.fetch_branches(
                    repo, self._tracked.remote, followed.__contains__, timeout=FETCH_TIMEOUT
                ):
                    log.warning("a branch that specs follow was not fetched: %s", why)
        return due

    def _read(self, repo: Repository, head: str) -> Read | Unchanged:
        if self._observer is None:
            if self._applied == head and self._cache.still_says(head):
                return Unchanged(head)
            self._observer = self._make()
            if self._applied is not None:
                self._observer.restore(self._cache.items())
        observer = self._observer
        if self._settled is not None and self._settled == observer.revision:
            observer.settled()
            self._settled = None
        desired = observer.desired(repo, head, self._applied)
        return Read(desired, dict(observer.specs), observer.unsaved())


def first_branch(repo: Repository) -> str:
    """The branch that HEAD names. Raises SourceUnavailableError for a detached HEAD."""
    branch = repo.head_branch()
    if branch is None:
        raise SourceUnavailableError(
            "HEAD is detached: it names no branch to track", hint="check a branch out, or give --branch NAME"
        )
    return branch
