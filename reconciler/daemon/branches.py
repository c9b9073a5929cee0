"""The branches that are previewed, as git has them: listed at each look, read when asked for. Called by reconcile.

Only branches of this repository: refs/heads, or those of the tracked remote; never what a forge keeps of forks.
What goes wrong here is told, and touches the tracked branch in nothing.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from reconciler import git
from reconciler.core.branch_patterns import matches
from reconciler.core.preview import Head
from reconciler.daemon.reading import Branches as Heads
from reconciler.daemon.reading import Previewed
from reconciler.git.repository import Repository
from reconciler.model.errors import ReconcilerError
from reconciler.model.plan import Desired

if TYPE_CHECKING:  # as in reconcile
    from reconciler.daemon.observe import Observer

log = logging.getLogger("reconciler")

FETCH_TIMEOUT = 60.0


class Branches:
    """Reads branches on the thread of the looker."""

    def __init__(
        self,
        tracked: str,
        remote: str | None,
        observer: "Callable[[], Observer]",
        post: Callable[[Heads | Previewed], None],
    ) -> None:
        self.patterns: tuple[str, ...] = ()
        """Of the branches that are previewed, set before the first look."""
        self.wanted: dict[str, str] = {}
        """Branches to read, and the commits to read them at."""
        self._tracked = tracked
        self._remote = remote
        self._make = observer
        self._post = post
        self._elsewhere: dict[str, tuple[Observer, Desired]] = {}
        """Those whose sources may move though the branch does not, as last read."""

    @property
    def looks_elsewhere(self) -> bool:
        """Whether a source of a preview may move though its branch does not."""
        return bool(self._elsewhere)

    def asked_for(self, branch: str) -> bool:
        """Whether a branch may be previewed."""
        return branch != self._tracked and matches(branch, self.patterns)

    def want(self, heads: Mapping[str, str]) -> None:
        """Ask for branches to be read at these commits; called with the looker's lock held."""
        self.wanted = {**self.wanted, **heads}

    def look(self, repo: Repository, *, fetch: bool) -> None:
        """Say which branches there are, after a fetch of them where that is due."""
        if not self.patterns:
            return
        try:
            if fetch and self._remote:
                git.remote.fetch_branches(repo, self._remote, self.asked_for, timeout=FETCH_TIMEOUT)
            heads = self._heads(repo)
        except ReconcilerError as error:
            log.warning("the branches to preview cannot be looked at: %s", error.message)
            self._post(Heads(None))
            return
        except Exception:
            log.exception("looking at the branches to preview failed")
            self._post(Heads(None))
            return
        self._post(Heads(heads))
        self._elsewhere = {branch: kept for branch, kept in self._elsewhere.items() if branch in heads}
        for branch, (observer, before) in list(self._elsewhere.items()):
            if before.revision == heads[branch].commit:
                self._read(repo, branch, before.revision, observer)

    def read(self, repo: Repository) -> None:
        """Read one of the branches that are wanted."""
        branch = next(iter(self.wanted))
        self._read(repo, branch, self.wanted.pop(branch), None)

    def give_up(self, why: str) -> None:
        """None of those that are wanted can be read."""
        while self.wanted:
            branch, commit = self.wanted.popitem()
            self._post(Previewed(branch, commit, None, {}, why))

    def _heads(self, repo: Repository) -> dict[str, Head]:
        found = repo.branches(self._remote).items()
        return {branch: Head(commit, _age(repo, commit)) for branch, commit in found if self.asked_for(branch)}

    def _read(self, repo: Repository, branch: str, commit: str, observer: "Observer | None") -> None:
        before = self._elsewhere.pop(branch, None)
        try:
            # A new one for each commit: kept, those of twenty branches would need the memory of twenty repositories.
            reads = observer or self._make()
            desired = reads.desired(repo, commit, None)
        except ReconcilerError as error:
            self._post(Previewed(branch, commit, None, {}, error.message))
            return
        except Exception as error:
            log.exception("reading branch %s failed", branch)
            self._post(Previewed(branch, commit, None, {}, f"reading it failed: {type(error).__name__}"))
            return
        if reads.looks_elsewhere:
            self._elsewhere[branch] = (reads, desired)
        if not (observer and before and _same(before[1], desired)):
            self._post(Previewed(branch, commit, desired, dict(reads.specs)))


def _same(a: Desired, b: Desired) -> bool:
    """Whether two readings of one commit say the same: digests stand for the specs."""
    return (a.deployments, a.problems, a.pools) == (b.deployments, b.problems, b.pools)


def _age(repo: Repository, commit: str) -> datetime:
    """When it was committed: long ago where it cannot be read, which is told when it is to be."""
    try:
        return repo.commit(commit).committed_at
    except ReconcilerError:
        return datetime(1970, 1, 1, tzinfo=UTC)
