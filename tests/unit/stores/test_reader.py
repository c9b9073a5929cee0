"""Reading log.db from outside, while the daemon runs and while it does not."""

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from unit.stores.samples import created, deployed, fold, moved, run_id, state, tell

from reconciler.model.errors import AccessError, NotFoundError, StoreError
from reconciler.model.events import SourceLost
from reconciler.stores import Store, Verified
from reconciler.stores._reader import Reader
from reconciler.stores.sqlite import SqliteStore

LOST = SourceLost(reason="gone")
NOBODY = 65534


@pytest.fixture
def path(tmp_path):
    return tmp_path / "log.db"


@pytest.fixture
def store(path):
    opened = SqliteStore.open(path)
    tell(opened, deployed("a/b"), created(1))
    yield opened
    opened.close()


def test_it_sees_what_is_committed_and_nothing_else(store, path):
    reader = Reader.open(path)
    assert state(reader) == state(store)
    store._db.execute("BEGIN IMMEDIATE")
    store._db.execute("DELETE FROM deployments")
    assert [row["name"] for row in reader.deployments()] == ["a/b"]
    store._db.execute("ROLLBACK")
    tell(store, moved(1, "Completed"))
    assert reader.run(run_id(1))["state"] == "Completed"
    assert reader.verify(fold).problems == ()
    reader.close()


def test_it_reads_while_the_daemon_is_down(store, path):
    before = state(store)
    store.close()
    reader = Reader.open(path)
    assert state(reader) == before
    reader.close()


def test_it_cannot_write(store, path):
    reader = Reader.open(path)
    assert not isinstance(reader, Store)
    with pytest.raises(StoreError, match="read-only"):
        reader._all("DELETE FROM events")
    reader.close()


def test_a_long_read_holds_up_neither_appends_nor_checkpoints_nor_close(store, path):
    reader = Reader.open(path)
    with reader._snapshot():
        before = reader.head()
        tell(store, *[LOST] * 100)
        left = store.checkpoint()
        assert reader.head() == before
        tell(store, LOST)
    assert left > 0
    assert store.checkpoint() == 0
    with reader._snapshot():
        reader.head()
        store.close()
    assert reader.head()[0] == before[0] + 101
    reader.close()


def test_verify_compares_rows_of_the_same_moment_as_the_events(store, path):
    reader = Reader.open(path)

    def meanwhile(events):
        for event in events:
            if event.seq == 2:
                tell(store, moved(1, "Completed"), deployed("c/d"))
            yield event

    def folded(events):
        rows = fold(meanwhile(events))
        tell(store, deployed("e/f"))
        return rows

    assert reader.verify(folded) == Verified(4, store.events(before=5)[-1].hash)
    reader.close()


def test_a_reader_that_is_idle_does_not_keep_the_file_beside_the_log(store, path):
    with Reader.open(path) as reader:
        reader.head()
        store.close()
        assert path.with_name("log.db-wal").stat().st_size == 0


@pytest.mark.parametrize("content", [None, b""])
def test_no_log_yet_says_how_to_get_one(path, content):
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(NotFoundError, match="no log here yet") as caught:
        Reader.open(path)
    assert "reconciler serve" in caught.value.hint


@pytest.mark.parametrize("place", ["gone/log.db", "file/log.db"])
def test_a_state_directory_that_is_none_has_no_log(tmp_path, place):
    (tmp_path / "file").touch()
    with pytest.raises(NotFoundError):
        Reader.open(tmp_path / place)


@contextmanager
def _another_user():
    """Root steps aside; anyone else is already under the permissions the test has set."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def place():
    """A state directory that every user can reach, holding a log of a daemon that is down."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        path = Path(directory) / "state" / "log.db"
        path.parent.mkdir()
        store = SqliteStore.open(path)
        tell(store, LOST)
        store.close()
        yield path
        path.parent.chmod(0o755)


@pytest.mark.parametrize(
    ("directory", "file", "says"),
    [
        (0o000, 0o600, "may not enter {parent}"),
        (0o755, 0o000, "may not read {path}"),
        (0o555, 0o444, "may not write in {parent}"),
    ],
)
def test_another_user_is_told_which_permission_is_missing(place, directory, file, says):
    place.chmod(file)
    place.parent.chmod(directory)
    with _another_user(), pytest.raises(AccessError) as caught:
        Reader.open(place)
    assert caught.match(says.format(parent=place.parent, path=place))
    assert "the user that runs the daemon" in caught.value.hint


def test_another_user_with_permission_reads(place):
    place.parent.chmod(0o777)
    place.chmod(0o644)
    with _another_user():
        reader = Reader.open(place)
        assert reader.head()[0] == 1
        reader.close()
