"""Branches beside the tracked one in the simulated world: they come, move, break, go, and are read when asked for."""

import random
from collections.abc import Callable, Mapping
from datetime import datetime

from helpers_invariants import need

from reconciler.core import plan, preview
from reconciler.core.preview import Head, Policy
from reconciler.daemon.reading import Branches, Previewed
from reconciler.model.plan import Declared, Desired
from reconciler.model.state import Observed

NAMES = ("f/x", "f-x", "F/X", "y", "y", "z")
"""Those of the first three would end the names of their previews alike; `y` meets a name of the tracked branch."""
TTL = 400.0
MOST = 3

Content = Callable[[str | None], tuple[Desired, Mapping[str, bytes]]]
"""What a commit says in an environment."""


class SimBranches:
    """What git holds beside the tracked branch, and what of it the daemon was told."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.heads: dict[str, Head] = {}
        self.contents: dict[str, Content] = {}
        """By commit: also of those that no branch names any more."""
        self.gone: list[tuple[str, Head]] = []
        self.policy = Policy(("**",), TTL, MOST)
        self.wanted: dict[str, str] = {}
        self.unseen = True

    def daemon_starts(self) -> None:
        """It was told nothing yet; now and then the operator previews other branches than before."""
        patterns = self.rng.choice((("**",), ("**",), ("**",), ("f*", "F*"), ()))
        self.policy = Policy(patterns, TTL, MOST)
        self.wanted.clear()
        self.unseen = True

    def want(self, heads: Mapping[str, str]) -> None:
        """The daemon asks for branches to be read."""
        self.wanted |= heads

    def edit(self, content: Callable[[str], Content], now: datetime) -> str:
        """Something happens to one of them: what."""
        rng, branch = self.rng, self.rng.choice(NAMES)
        self.unseen = True
        if branch in self.heads and rng.random() < 0.3:
            self.gone.append((branch, self.heads.pop(branch)))
            return f"branch {branch} goes"
        if self.gone and rng.random() < 0.25:  # restored, as it was
            branch, head = rng.choice(self.gone)
            self.heads[branch] = head
        else:
            commit = f"{branch}@{len(self.contents)}"
            self.contents[commit] = content(commit)
            self.heads[branch] = Head(commit, now)
        return f"branch {branch} is at {self.heads[branch].commit}"

    def listed(self) -> Branches:
        """What a look says."""
        self.unseen = False
        return Branches({b: h for b, h in self.heads.items() if preview.matches(b, self.policy.patterns)})

    def read(self, env: str | None, *, readable: bool = True) -> Previewed:
        """One of those that are wanted."""
        branch = self.rng.choice(sorted(self.wanted))
        commit = self.wanted.pop(branch)
        if not readable:
            self.unseen = True  # it is asked for again after the next look
            return Previewed(branch, commit, None, {}, "the disk is away")
        return Previewed(branch, commit, *self.contents[commit](env))

    # --- what must hold -----------------------------------------------------------------------------------------

    def check(self, observed: Observed, now: datetime, env: str | None) -> None:
        """Once the daemon was told everything: it previews what it should, as the branches say."""
        live = {b for b, p in observed.previews.items() if not p.over}
        heads = self.listed().heads or {}
        known = observed.previews
        fresh = {
            b for b, h in heads.items()
            if not (b in known and known[b].revision == h.commit and (known[b].over or now >= known[b].until))
        }  # fmt: skip
        newest = sorted(fresh, key=lambda b: (-heads[b].at.timestamp(), b))[:MOST]
        if any(heads[b].at > now + preview.AHEAD / 2 for b in fresh):
            # The clock was set back: which dates count as ahead depends on when it was decided; how many stay does not.
            need(live <= fresh and len(live) == len(newest), "what is previewed is what should be", f"{live}")
            newest = sorted(live)
        need(live == set(newest), "what is previewed is what should be", f"{live}, not {newest}")
        shown = {d.preview for d in observed.deployments.values() if d.preview}
        need(shown <= live, "what is previewed is what should be", f"left behind of {shown - live}")
        for branch in newest:
            need(known[branch].revision == heads[branch].commit, "no commit is passed over", branch)
            self._as_said(branch, observed, self.contents[heads[branch].commit](env)[0])

    def _as_said(self, branch: str, observed: Observed, desired: Desired) -> None:
        suffix = observed.previews[branch].suffix
        mine = {name: d for name, d in observed.deployments.items() if d.preview == branch}
        for declared in desired.deployments.values():
            live = mine.pop(f"{declared.name}--{suffix}", None)
            if live is None:
                need(
                    self._misfit(declared, suffix, desired, observed), "a preview is whole", f"{declared.name} {branch}"
                )
                continue
            if live.invalid:  # what may not be previewed any more stays while a file of the branch is broken
                held = desired.broken and self._lacks_pool(declared, desired, observed)
                need(held, "a preview is as its branch says", f"{live.name} is invalid")
                continue
            said = [live.digest, live.file, live.spec_commit, live.source.commit]
            wanted = [declared.digest, declared.file, declared.spec_commit, plan.commit_of(desired, declared)]
            need(said == wanted, "a preview is as its branch says", f"{live.name}: {said}, not {wanted}")
            need((live.paused, live.schedules) == (True, ()), "previews rest", live.name)
        need(all(d.invalid for d in mine.values()), "a preview is as its branch says", f"{sorted(mine)} are left")

    def _misfit(self, declared: Declared, suffix: str, desired: Desired, observed: Observed) -> bool:
        """Whether there is a reason not to preview it."""
        taken = any(name.casefold() == f"{declared.name}--{suffix}".casefold() for name in observed.deployments)
        return taken or self._lacks_pool(declared, desired, observed)

    def _lacks_pool(self, declared: Declared, desired: Desired, observed: Observed) -> bool:
        pool = observed.pools.get("process")
        queue = desired.specs[declared.digest]["work_pool"]["work_queue_name"]
        return "process" in desired.pools and (pool is None or queue not in {"default", *pool["work_queues"]})


def as_git_says(observed: Observed, desired: Desired) -> None:
    """The deployments of the tracked branch are what it says, or held back; quarantined ones have that beside them."""
    for name, live in observed.tracked.items():
        said, declared = live.declared, desired.deployments.get(name)
        need(said.invalid == (declared is None), "what is applied is what git says", f"{name}, invalid {said.invalid}")
        if declared is None:
            continue
        holds = [said.digest, said.file, said.spec_commit, said.source_commit(observed.whole_commit)]
        wanted = [declared.digest, declared.file, declared.spec_commit, plan.commit_of(desired, declared)]
        need(holds == wanted, "what is applied is what git says", f"{name}: {holds}, not {wanted}")
