"""Whose file it is, and of which age."""

import sqlite3

import pytest
from unit.stores.samples import NOW, created, tell

from reconciler.model.errors import ChainBrokenError, StoreError
from reconciler.stores import _schema
from reconciler.stores._reader import Reader
from reconciler.stores.sqlite import SqliteStore

OPENERS = [SqliteStore.open, Reader.open]


def _database(path, sql):
    db = sqlite3.connect(path)
    db.executescript(sql)
    db.close()
    return path


@pytest.mark.parametrize("opener", OPENERS)
@pytest.mark.parametrize(
    ("sql", "says"),
    [
        (f"CREATE TABLE x (y); PRAGMA user_version = {_schema.SCHEMA + 1}", "newer reconciler"),
        ("CREATE TABLE x (y)", "something else"),
    ],
)
def test_a_file_of_another_age_or_kind_is_refused_untouched(tmp_path, opener, sql, says):
    path = _database(tmp_path / "log.db", sql)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=says):
        opener(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("opener", OPENERS)
def test_a_file_that_is_no_database_is_refused(tmp_path, opener):
    path = tmp_path / "log.db"
    path.write_bytes(b"not a database\n" * 200)
    with pytest.raises(ChainBrokenError, match="damaged"):
        opener(path)


@pytest.mark.parametrize("name", ["a?mode=rw", "b#c", "d%41", "e f", "ü", b"\xff".decode("utf-8", "surrogateescape")])
def test_every_character_of_a_path_is_itself(tmp_path, name):
    directory = tmp_path / name
    directory.mkdir()
    SqliteStore.open(directory / "log.db").close()
    assert [entry.name for entry in directory.iterdir()] == ["log.db"]
    with Reader.open(directory / "log.db") as reader:
        assert reader.head()[0] == 0


def test_a_log_of_schema_2_gets_its_versions_counted(tmp_path):
    path = tmp_path / "log.db"
    with SqliteStore.open(path) as store:
        tell(store, created(1), created(2))
        counted = store.versions("etl/nightly")
    _database(path, "DELETE FROM counts WHERE label LIKE 'v:%'; PRAGMA user_version = 2")
    with Reader.open(path) as reader:
        assert reader.versions("etl/nightly") == {}
    with SqliteStore.open(path) as store:
        assert store.versions("etl/nightly") == counted == {(1, None): {"Scheduled": 2}}


def test_a_log_of_schema_1_gets_what_it_lacks_and_says_so_until_then(tmp_path):
    path = tmp_path / "log.db"
    SqliteStore.open(path).close()
    _database(path, "DROP TABLE slots; PRAGMA user_version = 1")
    with Reader.open(path) as reader, pytest.raises(StoreError, match="brings it up to date"):
        reader.slots_run("a/b", NOW, NOW)
    with SqliteStore.open(path) as store:
        tell(store, created(1, schedule="s"))
        assert len(store.slots_run("etl/nightly", NOW, NOW)) == 1
