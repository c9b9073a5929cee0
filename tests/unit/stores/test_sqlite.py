"""The writer of log.db."""

import os
import stat
import subprocess
import sys
import threading

import pytest
from unit.stores.samples import NOW, created, deployed, fold, moved, run_id, state, tell

from reconciler.model.errors import ConflictError, InvalidRequestError, StaleHeadError, StoreError
from reconciler.model.events import SourceLost
from reconciler.stores import Payload, Rows, RunFilter
from reconciler.stores.sqlite import SqliteStore

LOST = SourceLost(reason="gone")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "log.db"


@pytest.fixture
def store(path):
    opened = SqliteStore.open(path)
    yield opened
    opened.close()


def test_everything_is_there_after_opening_again(store, path):
    tell(store, deployed("a/b"), created(1), payloads=[Payload.of("spec", b"{}")])
    before = state(store)
    store.close()
    again = SqliteStore.open(path)
    assert state(again) == before
    tell(again, moved(1, "Running"))
    assert again.verify(fold).problems == ()
    again.close()


def test_only_the_owner_may_read_whatever_the_umask(path):
    old = os.umask(0)
    try:
        store = SqliteStore.open(path)
        tell(store, LOST)
        modes = {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in path.parent.iterdir()}
        store.close()
    finally:
        os.umask(old)
    assert modes == {"log.db": 0o600, "log.db-wal": 0o600, "log.db-shm": 0o600}


@pytest.mark.parametrize("cached", [{}, {"a": b"1"}])
def test_an_append_is_synced_and_checkpoints_are_the_daemons(store, cached):
    if cached:
        store.cache_put("spec", cached)
        store.cache_delete("spec", cached)
    names = ("journal_mode", "synchronous", "wal_autocheckpoint", "mmap_size")
    assert [store._one(f"PRAGMA {name}")[0] for name in names] == ["wal", 2, 0, 0]


def test_a_checkpoint_moves_all_and_close_leaves_one_file(store, path):
    size = path.stat().st_size
    tell(store, *[deployed(f"a/{number}") for number in range(200)])
    assert path.stat().st_size == size
    assert store.checkpoint() == 0
    assert path.stat().st_size > size
    store.close()
    assert [entry.name for entry in path.parent.iterdir()] == ["log.db"]


def test_a_second_writer_is_refused_by_the_head(store, path):
    other = SqliteStore.open(path)
    tell(store, LOST)
    with pytest.raises(StaleHeadError):
        other.append([LOST], at=NOW, revision=None, expect=0)
    tell(other, LOST)
    assert store.head()[0] == 2
    assert store.verify().problems == ()
    other.close()


def test_an_append_waits_for_another_writer_and_then_sees_its_events(store, path):
    with SqliteStore.open(path) as other:
        other._db.execute("BEGIN IMMEDIATE")
        other._db.execute("INSERT INTO events VALUES (1, 1, 'X', 'x', '', NULL, X'7B7D', 'h')")
        # Whenever it fires, before the append below or while that waits, the append comes second.
        release = threading.Timer(0.05, other._db.execute, ["COMMIT"])
        release.start()
        with pytest.raises(StaleHeadError):
            store.append([LOST], at=NOW, revision=None, expect=0)
        release.join()


@pytest.mark.parametrize(
    "call",
    [
        lambda s: s.append([LOST], at=NOW, revision="\udcff", expect=1),
        lambda s: s.append([LOST], at=NOW, revision=None, expect=1, rows=Rows(deployments={"\udcff": {}})),
        lambda s: s.deployment("\udcff"),
        lambda s: s.runs(RunFilter(tags=("\udcff",))),
        lambda s: s.runs(before_seq=2**70),
        lambda s: s.events(after=2**70),
    ],
)
def test_values_that_no_column_holds_are_refused_and_nothing_is_written(store, call):
    tell(store, LOST)
    before = state(store)
    with pytest.raises(InvalidRequestError):
        call(store)
    assert state(store) == before


def test_a_run_under_two_creations_is_refused_whole(store):
    tell(store, created(1))
    before = state(store)
    row = {**store.run(run_id(1)), "seq": 2}
    with pytest.raises(StoreError, match="UNIQUE"):
        store.append([LOST], at=NOW, revision=None, expect=1, rows=Rows(runs={row["id"]: row}))
    assert state(store) == before


def test_a_damaged_page_is_told(store, path):
    tell(store, *[deployed(f"a/{number}") for number in range(500)])
    store.close()
    with path.open("r+b") as file:
        file.seek(8 * 4096)
        file.write(b"\xff" * 4096 * 20)
    again = SqliteStore.open(path)
    with pytest.raises(StoreError, match="restore a backup"):
        again.verify()
    again.close()


def test_a_backup_is_a_log_of_its_own(store, tmp_path):
    tell(store, deployed("a/b"), created(1), payloads=[Payload.of("spec", b"{}")])
    copy = tmp_path / "it's ? a copy"
    store.backup(copy)
    tell(store, LOST)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    restored = SqliteStore.open(copy)
    assert restored.head()[0] == 2
    assert restored.verify(fold).problems == ()
    tell(restored, moved(1, "Running"))
    restored.close()


def test_a_backup_never_overwrites_and_leaves_no_half(store, tmp_path):
    taken = tmp_path / "taken"
    taken.write_bytes(b"mine")
    with pytest.raises(ConflictError, match="exists"):
        store.backup(taken)
    assert taken.read_bytes() == b"mine"
    with pytest.raises(StoreError, match="cannot be made"):
        store.backup(tmp_path / "missing" / "copy")


def test_opening_where_no_directory_is_says_so(tmp_path):
    with pytest.raises(StoreError, match="cannot be made: No such file"):
        SqliteStore.open(tmp_path / "missing" / "log.db")


def test_importing_it_imports_nothing_heavy():
    heavy = "{'pydantic', 'dulwich', 'yaml', 'click', 'asyncio', 'watchfiles', 'jsonschema'}"
    code = f"import sys, reconciler.stores.sqlite, reconciler.stores._reader; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_store_that_was_closed_says_so(store):
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.head()
