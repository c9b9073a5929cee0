"""Holds deployments at versions they had, on request: found in the log, looked for in git. Called by daemon/asked.

Looking things up costs what the log is long, so it is done on the asking thread; the loop decides with what was found.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from reconciler.core import quarantine
from reconciler.core.versions import Version, find
from reconciler.daemon import given, past, requests
from reconciler.daemon.loop import Loop
from reconciler.daemon.mirrors import Mirrors
from reconciler.git.repository import Repository
from reconciler.model.errors import ConflictError, SourceUnavailableError
from reconciler.model.fact import Fact
from reconciler.model.plan import Json
from reconciler.stores import Log

TAKES = frozenset({"deployment", "version", "reason"})


class Quarantines:
    """Finds what is to be held."""

    def __init__(self, opened: Callable[[], Repository], mirrors: Mirrors) -> None:
        self._opened = opened
        self._mirrors = mirrors

    def wanted(self, log: Log, args: Mapping[str, Any], who: str) -> requests.Decide:
        """The decision for the loop. Raises what the request is refused for."""
        given.only("quarantine", args, TAKES)
        name, wish, reason = given.text(args, "deployment"), given.text(args, "version"), str(args.get("reason") or "")
        log.deployment(name)
        held = find(name, list(past.read(log, name)), wish)
        self._check(held)
        return decision(name, held, who, reason)

    def _check(self, held: Version) -> None:
        """Raises ConflictError where the commit is not there (any more)."""
        if held.commit is None:
            return
        try:
            if not held.source.repository:
                repo = self._opened()
            else:
                repo = Repository.open(self._mirrors.git_dir(held.source), trust_owner=True)
            with repo:
                there = repo.has(held.commit)
        except SourceUnavailableError:
            there = False
        if not there:
            raise ConflictError(
                f"version {held.name} cannot be held: commit {held.commit[:12]} is not in the repository any more",
                hint="fetch it from where it still is, or hold another version: `reconciler history` lists them",
            )


def decision(name: str, held: Version, who: str, reason: str) -> requests.Decide:
    """Hold a deployment at a version that was found: decided on the loop."""

    def decide(loop: Loop, now: datetime) -> tuple[Json, list[Fact]]:
        if not loop.payloads.has(held.spec):
            raise ConflictError(
                f"version {held.name} of {name} cannot be held: its spec was purged",
                hint=f"git has it: `reconciler revert {name} --version {held.exact}` writes the branch",
            )
        facts = quarantine.quarantine(loop.ledger.observed, name, held, now=now, who=who, reason=reason)
        return {"deployment": name, "version": held.name, "source_commit": held.commit}, facts

    return decide
