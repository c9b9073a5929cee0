"""A full disk, another process's lock, a read-only place: nothing half written, a reason to act on, and it goes on."""

import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from unit.stores.samples import applied, deployed, fold, state, tell

from reconciler.model.errors import Next, StoreError
from reconciler.stores import Payload
from reconciler.stores._reader import Reader
from reconciler.stores.sqlite import SqliteStore

TESTS = Path(__file__).parents[2]
NOBODY = 65534

LIMITED = """
import resource, sys
from pathlib import Path
from unit.stores.samples import applied, deployed, fold, state, tell
from reconciler.model.errors import StoreError
from reconciler.stores import Payload
from reconciler.stores.sqlite import SqliteStore

store = SqliteStore.open(Path(sys.argv[1]))
tell(store, deployed("a/b"), applied("before"))
before = state(store)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
for size in (300_000, 2_000_000):
    try:
        tell(store, applied("lost"), payloads=[Payload.of("result", bytes(size))])
    except StoreError as error:
        print(error.reason)
    assert state(store) == before
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
tell(store, applied("after"), payloads=[Payload.of("result", bytes(300_000))])
assert store.verify(fold).problems == ()
assert store.head()[0] == 3
store.close()
"""

HOLDER = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "log.db"


@contextmanager
def _small_disk(directory):
    directory.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", directory], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small file system can only be mounted by root; the limit on file sizes is tried instead")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "-l", directory], check=True)


def _fill(disk):
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass
    return ballast


def _tell_until_refused(store, size, told):
    """Append payloads of a size; `told` gets the head before each."""
    for _ in range(50):
        told.append(store.head()[0])
        tell(store, applied("lost"), payloads=[Payload.of("result", os.urandom(size))])


def test_a_full_disk_refuses_and_goes_on_when_there_is_space(tmp_path):
    with _small_disk(tmp_path / "disk") as disk:
        store = SqliteStore.open(disk / "log.db")
        tell(store, deployed("a/b"), applied("before"))
        ballast = _fill(disk)
        for size in (10, 50_000, 2_000_000):
            told = []
            with pytest.raises(StoreError, match="no space is left") as caught:
                _tell_until_refused(store, size, told)
            assert (caught.value.reason, caught.value.next) == ("DiskFull", Next.TRANSIENT)
            assert store.head()[0] == told[-1]
            before = state(store)
        reader = Reader.open(disk / "log.db")
        assert state(reader) == before
        reader.close()
        ballast.unlink()
        tell(store, applied("after"))
        assert store.verify(fold).problems == ()
        store.close()
        again = SqliteStore.open(disk / "log.db")
        assert again.meta("revision") == "after"
        again.close()


def test_a_limit_on_file_sizes_refuses_and_goes_on_when_lifted(path):
    environment = os.environ | {"PYTHONPATH": f"{TESTS}{os.pathsep}{TESTS.parent}"}
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, path], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert set(done.stdout.split()) <= {"DiskFailed", "DiskFull"}
    assert len(done.stdout.split()) == 2


def test_a_lock_of_another_process_refuses_in_time_and_goes_on_after(path):
    store = SqliteStore.open(path)
    tell(store, applied("before"))
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(StoreError, match="locked by another process") as caught:
            tell(store, applied("lost"))
        assert (caught.value.reason, caught.value.next) == ("StoreLocked", Next.TRANSIENT)
        assert store.meta("revision") == "before"
        with pytest.raises(StoreError, match="locked"):
            SqliteStore.open(path)
        holder.communicate()
    tell(store, applied("after"))
    assert store.verify(fold).problems == ()
    store.close()


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


@pytest.mark.parametrize(("directory", "file"), [(0o777, 0o444), (0o555, 0o666)])
def test_a_log_that_cannot_be_written_is_told_when_it_is_opened(directory, file):
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        path = Path(place) / "state" / "log.db"
        path.parent.mkdir()
        SqliteStore.open(path).close()
        path.chmod(file)
        path.parent.chmod(directory)
        with _another_user(), pytest.raises(StoreError) as caught:
            SqliteStore.open(path)
        path.parent.chmod(0o755)
    assert (caught.value.reason, caught.value.next) == ("StoreReadOnly", Next.STALLED)
    assert "write permission on the file and its directory" in caught.value.hint
