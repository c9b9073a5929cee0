"""What lies in a state directory goes when it is old and nobody needs it."""

import fcntl
import os
from datetime import UTC, datetime, timedelta

import pytest
from helpers_facts import a_spec, apply, desired_of
from helpers_git import Repo

from reconciler.core import retention as core
from reconciler.daemon import retention, state_dir
from reconciler.daemon.ledger import Ledger
from reconciler.daemon.mirrors import Mirrors
from reconciler.daemon.retention import Retention
from reconciler.engine import marker
from reconciler.git.remote import mirror_path
from reconciler.git.repository import Repository
from reconciler.model.events import RunCreated, RunMoved
from reconciler.model.ids import canonical, digest, instant
from reconciler.stores import Payload
from reconciler.stores.sqlite import SqliteStore

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
OTHER = "https://example.org/other.git"
CLONE = {"step": "git_clone", "id": None, "inputs": {"repository": OTHER}}


class Place:
    """A state directory with a log of one deployment."""

    def __init__(self, root):
        repo = Repo(root / "repo")
        repo.commit({"a": "1"})
        self.state = state_dir.prepare(root / "state", allow_network_fs=False)
        self.ledger = Ledger(SqliteStore.open(self.state.log))
        self.spec = a_spec("etl/a", pull=[CLONE])
        desired = desired_of(self.spec)
        apply(self.ledger, desired, now=NOW - 9 * DAY)
        self.keep("spec", self.spec, NOW - 9 * DAY)
        opened = lambda: Repository.open(repo.path)  # noqa: E731
        self.mirrors = Mirrors(opened, self.state.mirrors, ("example.org",), 30.0)

    def keep(self, kind, value, at) -> str:
        found = Payload(digest(value), kind, canonical(value))
        self.ledger.store.append([], at=at, revision=None, expect=self.ledger.observed.seq, payloads=[found])
        return found.digest

    def run(self, name, days, *, parameters="", state="Completed"):
        """A run that ended so many days ago, or is in another state since."""
        at = NOW - days * DAY
        created = RunCreated(
            run=name, deployment="etl/a", name=name, due=instant(at), trigger="manual", cause=name,
            parameters=parameters, spec=digest(self.spec), version="1", generation=1,
        )  # fmt: skip
        moves = ["Pending", "Running", state] if state == "Completed" else ["Pending", state]
        self.tell(at, created, *(RunMoved(run=name, state=m, attempt=1) for m in moves))
        folder = self.state.attempt(name, 1)
        (folder / "work" / "src").mkdir(parents=True)
        for file in ("order.json", "output", "work/src/f.py"):
            (folder / file).write_bytes(b"x" * 4096)
        return folder

    def tell(self, at, *facts):
        self.ledger.stage(facts, at)
        self.ledger.flush()

    def sweep(self, *, dry=False, **keep):
        given = {"output": 5 * 86_400.0, "output_bytes": 10**9, "payloads": 5 * 86_400.0}
        given |= {"environments": 5 * 86_400.0, "environments_bytes": 10**9}

        def purge(stored):
            went, facts = retention.purge(self.ledger, stored)
            self.tell(NOW, *facts)
            return went

        found = Retention(self.state, core.Keep(**given | keep), lambda: NOW, self.mirrors, purge).sweep(dry=dry)
        return {kind: freed["count"] for kind, freed in found.items() if freed["count"]}


@pytest.fixture
def place(tmp_path):
    made = Place(tmp_path)
    yield made
    made.ledger.store.close()


def aged(path, days):
    """As if last touched so many days ago, with all in it."""
    at = (NOW - days * DAY).timestamp()
    for each in (*path.rglob("*"), path):
        os.utime(each, (at, at))


def test_outputs_of_old_runs_go_and_orders_of_all_that_are_over(place):
    old, new, live = place.run("old", 6), place.run("new", 1), place.run("live", 8, state="Running")
    before = place.ledger.store.head()
    assert place.sweep(dry=True) == {"outputs": 1, "leftovers": 4}
    assert (old / "order.json").exists()
    assert place.sweep() == {"outputs": 1, "leftovers": 4}
    assert not old.parent.exists()
    assert [p.name for p in new.iterdir()] == ["output"]
    assert {p.name for p in live.iterdir()} == {"work", "order.json", "output"}
    assert place.sweep() == {}
    assert place.ledger.store.head() == before


def test_folders_in_each_other_to_any_depth_go_and_hold_up_nothing_else(place):
    deep, old = place.run("deep", 6), place.run("old", 7)
    here = os.open(deep, os.O_RDONLY)
    for _ in range(1200):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    assert place.sweep() == {"outputs": 2, "leftovers": 4}
    assert not deep.parent.exists()
    assert not old.parent.exists()


def test_past_the_bytes_the_oldest_outputs_go(place):
    for n in range(1, 5):
        place.run(f"r{n}", n)
    place.sweep(output_bytes=10_000)
    assert sorted(p.name for p in place.state.runs.iterdir()) == ["r1", "r2"]


def test_what_the_log_does_not_know_goes_when_it_is_old_and_no_process_of_it_lives(place):
    for name, days in (("young", 1), ("gone", 9), ("lives", 9)):
        place.state.attempt(name, 1).mkdir(parents=True)
        if name == "lives":
            assert marker.claim(place.state.attempt(name, 1), marker.myself())
        aged(place.state.runs / name, days)
    assert place.sweep() == {"outputs": 1}
    assert sorted(p.name for p in place.state.runs.iterdir()) == ["lives", "young"]


def test_payloads_go_by_age_but_for_those_that_live_or_newer_runs_name(place):
    kept = [place.keep("parameters", {"n": n}, NOW - 8 * DAY) for n in range(4)]
    for n, (days, state) in enumerate(((8, "Completed"), (8, "Running"), (1, "Completed")), 1):
        place.run(f"r{n}", days, parameters=kept[n], state=state)
    place.run("r0", 8, parameters=kept[0])
    assert place.sweep()["payloads"] == 2
    store = place.ledger.store
    assert [store.payload(name) is None for name in kept] == [True, True, False, False]
    assert store.payload(digest(place.spec)) is not None
    (told,) = store.events(types=["PayloadsPurged"])
    assert (told.data["count"], told.data["bytes"]) == (2, 14)
    assert store.verify().problems == ()
    assert "payloads" not in place.sweep()
    assert len(store.events(types=["PayloadsPurged"])) == 1


def test_what_the_loop_holds_in_memory_is_not_purged_behind_its_back(place):
    name = place.keep("parameters", {"n": 1}, NOW - 8 * DAY)
    stored = list(place.ledger.store.payloads())
    assert retention.purge(place.ledger, stored, {name}) == ((0, 0), [])
    (count, _), facts = retention.purge(place.ledger, stored)
    assert (count, place.ledger.payload(name), place.ledger.store.payload(name)) == (1, None, b'{"n":1}')
    place.tell(NOW, *facts)
    assert place.ledger.store.payload(name) is None  # with the fact that tells it, not before


def test_an_environment_goes_unless_a_run_uses_it(place):
    root = place.state.root / "environments"
    for name, days in (("fresh", 1), ("stale", 9), ("busy", 9)):
        (root / name / "venv").mkdir(parents=True)
        (root / name / "used").touch()
        aged(root / name, days)
    with (root / "busy" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        assert place.sweep() == {"environments": 1}
        assert sorted(p.name for p in root.iterdir()) == ["busy", "fresh"]


def test_a_mirror_goes_once_no_spec_names_it(place):
    named, other = mirror_path(OTHER, place.state.mirrors), place.state.mirrors / "other"
    for path in (named, other):
        path.mkdir()
        aged(path, 9)
    assert place.sweep() == {"mirrors": 1}
    assert list(place.state.mirrors.iterdir()) == [named]
