"""A copy of the log, made and refused in this process."""

from datetime import UTC, datetime

import pytest

from reconciler.daemon import state_dir
from reconciler.model.errors import ChainBrokenError, ConflictError, NotFoundError, StoreError
from reconciler.model.events import BranchTracked
from reconciler.stores import Payload
from reconciler.stores.sqlite import SqliteStore

_AT = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture
def logged(verbs):
    verbs.repo.commit({"a": "1"})
    state = state_dir.prepare(verbs.path / ".git" / "reconciler", allow_network_fs=False)
    with SqliteStore.open(state.log) as store:
        store.append([BranchTracked(branch="main")], at=_AT, revision=None, expect=0)
    return verbs


def test_force_puts_a_copy_in_the_place_of_another(logged, tmp_path):
    file = tmp_path / "copy"
    file.write_text("old")
    (tmp_path / "copy.part").write_text("left by one that was killed")
    refused = logged("backup", str(file))
    assert isinstance(refused.exception, ConflictError)
    assert file.read_text() == "old"
    made = logged.json("backup", str(file), "--force")
    assert (made["events"], made["file"], made["bytes"]) == (1, str(file), file.stat().st_size)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["copy", "repo"]


REFUSED = {
    "a folder that is not there": ("none/copy", StoreError),
    "a folder": (".", ConflictError),
    "the log": ("repo/.git/reconciler/log.db", ConflictError),
    "beside the log": ("repo/.git/reconciler/log.db-wal", ConflictError),
}


@pytest.mark.parametrize(("name", "kind"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_place_for_a_copy(logged, tmp_path, name, kind):
    log = tmp_path / "repo/.git/reconciler/log.db"
    before = log.read_bytes()
    assert isinstance(logged("backup", str(tmp_path / name), "--force").exception, kind)
    assert log.read_bytes() == before


def test_a_log_that_does_not_verify_gives_no_copy(logged, tmp_path):
    with SqliteStore.open(tmp_path / "repo/.git/reconciler/log.db") as store:
        wrong = Payload("0" * 64, "result", b"{}")
        store.append([], at=_AT, revision=None, expect=1, payloads=[wrong])
    assert isinstance(logged("backup", str(tmp_path / "copy")).exception, ChainBrokenError)
    assert [p.name for p in tmp_path.iterdir()] == ["repo"]


def test_no_log_no_copy(verbs, tmp_path):
    verbs.repo.commit({"a": "1"})
    assert isinstance(verbs("backup", str(tmp_path / "copy")).exception, NotFoundError)
