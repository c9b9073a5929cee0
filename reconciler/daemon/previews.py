"""Previews on the loop: what git said of each branch, planned when anything it depends on moved. Called by loop."""

import contextlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from reconciler.core import preview
from reconciler.core.preview import Applied, Head, Policy
from reconciler.daemon import said
from reconciler.daemon.payloads import Payloads
from reconciler.daemon.reading import Branches, Previewed, Texts
from reconciler.model.errors import StoreError
from reconciler.model.events import PreviewPruned
from reconciler.model.fact import Fact
from reconciler.model.ids import canonical
from reconciler.model.state import Observed
from reconciler.stores import Store

log = logging.getLogger("reconciler")

KIND = "previews"
"""The kind under which the branches that are not previewed are cached in the store, for `status`."""
UNREAD = "unread"
"""The key of those that cannot be read, by branch the reason; too many are under the empty key."""
NONE = Policy()
"""Nothing is previewed."""
TOLD = 10
"""Branches that the daemon's output names one by one."""


class Previews:
    """The branches as last read, and when to decide about them next."""

    def __init__(self, policy: Policy = NONE, read: Callable[[Mapping[str, str]], None] = lambda _heads: None) -> None:
        self._policy = policy
        self._ask = read
        self._heads: Mapping[str, Head] | None = None if policy.patterns else {}
        self._read: dict[str, Previewed] = {}
        self._asked: dict[str, str] = {}
        """The commit that each branch was last asked to be read at."""
        self._left: tuple[str, ...] = ()
        """Branches that match and are too many."""
        self._unread: dict[str, str] = {}
        """Why branches cannot be read; while one is read again, why it could not the last time."""
        self._kept: tuple[tuple[str, ...], dict[str, str]] | None = None if policy.patterns else ((), {})
        """What was told last."""
        self._stirred = True
        """Whether to decide in the next turn."""
        self._due: set[str] | None = None
        """Branches to plan then; None for all of them."""
        self._sound = True
        """Whether deciding came to its end the last time."""
        self._wake: datetime | None = None
        self._told: list[tuple[str, Applied]] = []
        self._ends: list[PreviewPruned] = []
        """What was staged in this turn: said in the daemon's output once it is durable."""
        self.looked = not policy.patterns
        """Whether git said which branches there are, or that it cannot."""

    @property
    def settled(self) -> bool:
        """Whether nothing is to be read any more."""
        return self.looked and not self._stirred and not self._asked.keys() - self._read.keys()

    def stir(self) -> None:
        """Something moved that previews depend on: names, work pools."""
        self._stirred, self._due = True, None

    def take(self, message: Branches | Previewed) -> None:
        """Git said which branches there are, or what one of them says."""
        if isinstance(message, Branches):
            self._found(message)
        else:
            self._took(message)

    def _found(self, message: Branches) -> None:
        self.looked = True
        if message.heads is None:
            return
        failed = [branch for branch, read in self._read.items() if read.desired is None]
        for branch in failed:
            self._read.pop(branch)
            self._asked.pop(branch, None)
        self._stirred = self._stirred or bool(failed) or message.heads != self._heads
        self._heads = message.heads

    def _took(self, message: Previewed) -> None:
        self._read[message.branch] = message
        self._stirred = True
        if self._due is not None:
            self._due.add(message.branch)
        if message.desired is not None:
            self._unread.pop(message.branch, None)
        elif self._unread.get(message.branch) != message.reason:
            self._unread[message.branch] = message.reason
            log.warning("branch %s cannot be previewed: %s", message.branch, message.reason)

    def wake_at(self) -> datetime | None:
        """When to decide again."""
        return self._wake

    def decide(
        self, observed: Observed, now: datetime, stage: Callable[[list[Fact]], None], payloads: Payloads
    ) -> None:
        """Stage what previews need now; costs nothing while nothing moved."""
        if not self._stirred and (self._wake is None or now < self._wake):
            return
        due, self._due, self._stirred, self._sound = self._due, set(), False, False
        ends = preview.ended(self._heads, observed, now, self._policy)
        if ends:
            stage(ends)
            self._ends += [fact for fact in ends if isinstance(fact, PreviewPruned)]
            due = None  # names are free again
        live, left = preview.chosen(self._heads or {}, observed, now, self._policy)
        for branch in self._read.keys() - live.keys():
            del self._read[branch]
        self._asked = {branch: commit for branch, commit in self._asked.items() if branch in live}
        self._unread = {branch: why for branch, why in self._unread.items() if branch in live}
        self._request(live)
        for branch, commit in live.items():
            read = self._read.get(branch) if due is None or branch in due else None
            if read is not None and read.desired is not None and read.revision == commit:
                self._apply(read, observed, now, stage, payloads)
        self._left = left
        self._wake = preview.wake_at(observed, now)
        self._sound = True

    def _request(self, live: Mapping[str, str]) -> None:
        wanted = {branch: commit for branch, commit in live.items() if self._asked.get(branch) != commit}
        for branch in wanted:
            self._read.pop(branch, None)
        if wanted:
            self._asked |= wanted
            self._ask(wanted)

    def _apply(
        self,
        read: Previewed,
        observed: Observed,
        now: datetime,
        stage: Callable[[list[Fact]], None],
        payloads: Payloads,
    ) -> None:
        if read.desired is None:
            return
        try:
            made = preview.apply(read.branch, payloads.with_specs(read.desired), observed, now, self._policy)
        except StoreError:
            raise
        except Exception:
            # A defect of ours, met by one branch: the others and the tracked one go on.
            log.exception("branch %s at %s cannot be planned", read.branch, read.revision[:8])
            self._read[read.branch] = replace(read, desired=None)
            return
        named = [c.declared for c in made.plan.changes if c.declared]
        known = [d for d in named if d.digest in read.texts]
        if any(d.digest not in read.texts and not payloads.has(d.digest) for d in named):
            # Retention let go of a spec that is wanted again: the branch is read once more.
            del self._read[read.branch], self._asked[read.branch]
            self._request({read.branch: read.revision})
        elif made.facts:
            payloads.add_specs(read.texts, known)
            stage(list(made.facts))
            self._told.append((read.branch, made))

    def undone(self) -> None:
        """Nothing of this turn happened: it is decided again, unless it was deciding that failed."""
        self._told, self._ends = [], []
        if self._sound:
            self.stir()

    def stored(self, store: Store, observed: Observed) -> None:
        """What was staged is durable: say so, and let go of the specs that the store has now."""
        while self._ends:
            end = self._ends.pop(0)
            log.info("preview of %s pruned, %d deployments: %s", end.branch, end.pruned, end.reason)
        while self._told:
            branch, made = self._told.pop(0)
            said.previewed(branch, made.plan)
            read = self._read.get(branch)
            if read is not None and read.desired is not None:
                there = {d.digest for d in observed.of_preview(branch).values()}
                texts = {name: text for name, text in read.texts.items() if name not in there}
                self._read[branch] = replace(read, texts=texts, desired=replace(read.desired, specs=Texts(texts)))
        if self._kept != (self._left, self._unread):
            before, self._kept = self._kept, (self._left, dict(self._unread))
            if self._left and (before is None or before[0] != self._left):
                log.warning("%d more branches match, and are not previewed: %s", len(self._left), _few(self._left))
            with contextlib.suppress(StoreError):
                store.cache_put(KIND, {"": canonical(list(self._left)), UNREAD: canonical(self._unread)})


def _few(branches: tuple[str, ...]) -> str:
    return ", ".join(branches[:TOLD]) + (", …" if len(branches) > TOLD else "")
