"""kill -9 of the process that writes: what was acknowledged is there, whole, and the log goes on."""

import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from unit.stores.samples import applied, fold, tell

from reconciler.stores._reader import Reader
from reconciler.stores.sqlite import SqliteStore

HERE = Path(__file__)
TESTS = HERE.parents[2]


def _write_until_killed(path, seed, acknowledgements, delay):
    """The last seq that the writer acknowledged before SIGKILL met it."""
    environment = os.environ | {"PYTHONPATH": f"{TESTS}{os.pathsep}{TESTS.parent}"}
    command = [sys.executable, HERE.with_name("writer.py"), path, str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as writer:
        for _ in range(acknowledgements):
            assert writer.stdout.readline()
        # The writer is now at an unknown instruction of a later append; spinning makes it another one each time.
        for _ in range(delay):
            pass
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read()
        assert writer.wait() == -signal.SIGKILL
    lines = [line for line in rest.split("\n")[:-1] if line]
    return int(lines[-1]) if lines else None


@pytest.mark.parametrize("seed", range(4))
def test_every_acknowledged_append_survives(tmp_path, seed):
    path = tmp_path / "log.db"
    rng = random.Random(seed)
    for life in range(3):
        last = _write_until_killed(path, seed * 10 + life, rng.randint(1, 25), rng.randint(0, 400_000))
        reader = Reader.open(path)
        head = reader.head()
        reader.close()
        store = SqliteStore.open(path)
        assert store.head() == head
        assert last is None or head[0] >= last
        assert store.verify(fold).problems == ()
        tell(store, applied("after"))
        assert store.verify(fold).problems == ()
        store.close()


def test_a_reader_of_a_killed_writers_log_changes_nothing_in_it(tmp_path):
    path = tmp_path / "log.db"
    _write_until_killed(path, 1, 10, 0)
    files = {name: (tmp_path / name).read_bytes() for name in ("log.db", "log.db-wal")}
    reader = Reader.open(path)
    assert reader.verify(fold).problems == ()
    reader.close()
    assert {name: (tmp_path / name).read_bytes() for name in files} == files


@pytest.mark.parametrize("cut", [1, 500, 4096, 100_000])
def test_a_torn_tail_loses_only_the_last_appends(tmp_path, cut):
    path = tmp_path / "log.db"
    store = SqliteStore.open(path)
    for number in range(40):
        tell(store, *[applied(f"{number:040}")] * 10)
    size = (tmp_path / "log.db-wal").stat().st_size
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("log.db", "log.db-wal"):
        shutil.copy(tmp_path / name, copy / name)
    store.close()
    os.truncate(copy / "log.db-wal", size - cut)
    torn = SqliteStore.open(copy / "log.db")
    head, _ = torn.head()
    assert head < 400
    assert head % 10 == 0
    assert torn.verify(fold).problems == ()
    torn.close()
