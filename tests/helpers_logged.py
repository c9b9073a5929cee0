"""A log as a daemon would have written it of real commits, without a daemon: for tests of verbs that read both."""

from datetime import timedelta
from pathlib import Path

from helpers_facts import NOW
from helpers_git import Repo

from reconciler.cli._place import Place
from reconciler.cli._planning import Planner
from reconciler.core import pinned, plan, quarantine
from reconciler.core.plan import Policy
from reconciler.core.versions import find
from reconciler.daemon import past
from reconciler.daemon.config import Settings
from reconciler.daemon.ledger import Ledger
from reconciler.model.events import BranchTracked
from reconciler.model.fact import Fact
from reconciler.model.ids import canonical
from reconciler.stores import Payload
from reconciler.stores.sqlite import SqliteStore


class Logged:
    """A repository and its log; every act is a minute after the one before."""

    def __init__(self, path: Path) -> None:
        self.repo = Repo(path)
        self.path = path
        self.now = NOW
        state = path / ".git/reconciler"
        state.mkdir(mode=0o700)
        self.ledger = Ledger(SqliteStore.open(state / "log.db"))
        self.tell(BranchTracked(branch="main"))

    def tell(self, *facts: Fact, payloads: tuple[Payload, ...] = ()) -> None:
        self.now += timedelta(minutes=1)
        self.ledger.stage(list(facts), self.now, payloads)
        self.ledger.flush()

    def commit(self, files: dict, message: str = "change") -> str:
        """Commit, and apply the commit as the daemon does."""
        head = self.repo.commit(files, message)
        planner = Planner(Place.of({"repo": str(self.path), "state_dir": None}), Settings())
        with planner.repo:
            desired = planner.at(head)
        observed = self.ledger.observed
        made = plan.plan(desired, observed, Policy())
        assert made.refused is None
        facts = [*pinned.before(made, desired, observed, self.now), *plan.facts(made, desired, observed)]
        self.tell(*facts, payloads=tuple(Payload(d, "spec", canonical(spec)) for d, spec in desired.specs.items()))
        return head

    def hold(self, name: str, version: str, reason: str = "bad join") -> None:
        held = find(name, list(past.read(self.ledger.store, name)), version)
        facts = quarantine.quarantine(self.ledger.observed, name, held, now=self.now, who="ada", reason=reason)
        self.tell(*facts)
