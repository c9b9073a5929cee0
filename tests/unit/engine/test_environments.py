"""The environment that a run will need, guessed before it starts. What builds one is tested with real installers."""

import fcntl
import hashlib
import json
import os
import sys

import pytest

from reconciler.engine import environments
from reconciler.engine.requirements import Requirements

ORDER = {"deployment": "main/a", "pull": [{"step": "pip_install_requirements", "id": None, "inputs": {}}]}


def wanted(tmp_path, *digests):
    return [Requirements(tmp_path, tmp_path / "requirements.txt", digest) for digest in digests]


def make(root, name, *, deployment="main/a", at=1, interpreter=None):
    """An environment as it is left by a run of a deployment."""
    folder = root / name
    (folder / "venv" / "bin").mkdir(parents=True)
    (folder / "venv" / "bin" / "python").symlink_to(sys.executable)
    (folder / "for").mkdir()
    used = folder / "for" / hashlib.sha256(deployment.encode()).hexdigest()[:24]
    used.touch()
    os.utime(used, (at, at))
    (folder / "ready").write_text(json.dumps({"interpreter": interpreter or environments.interpreter()}))
    return folder


@pytest.fixture
def recall(tmp_path):
    def ask(**order):
        text = json.dumps({**ORDER, "environments": str(tmp_path / "environments"), **order})
        (tmp_path / "order.json").write_text(text)
        return environments.recall(tmp_path)

    return ask


def test_the_last_one_of_the_deployment_is_recalled(tmp_path, recall):
    root = tmp_path / "environments"
    assert recall() is None
    make(root, "old", at=1)
    newest = make(root, "new", at=2)
    make(root, "other", deployment="main/b", at=3)
    assert recall().folder == newest
    assert recall(deployment="main/c") is None
    assert recall(pull=[]) is None


@pytest.mark.parametrize("spoil", ["not ready", "no interpreter", "another interpreter", "ready is no JSON"])
def test_one_that_cannot_be_used_is_not(tmp_path, recall, spoil):
    made_by = ["3.9", "x", "/y"] if spoil == "another interpreter" else None
    folder = make(tmp_path / "environments", "a", interpreter=made_by)
    if spoil == "not ready":
        (folder / "ready").unlink()
    if spoil == "no interpreter":
        (folder / "venv" / "bin" / "python").unlink()
    if spoil == "ready is no JSON":
        (folder / "ready").write_text("[" * 10)
    assert recall() is None


@pytest.mark.parametrize("order", [{"environments": None}, {"environments": 5}, {"deployment": None}])
def test_an_order_without_a_place_or_a_name_has_none(recall, order):
    assert recall(**order) is None


def test_the_key_follows_the_files_and_their_order(tmp_path):
    keys = {environments.key(wanted(tmp_path, *digests)) for digests in (["a"], ["b"], ["a", "b"], ["b", "a"])}
    assert len(keys) == 4
    assert environments.key(wanted(tmp_path, "a")) in keys


def test_one_that_is_ready_is_lent_without_a_trace_and_any_other_is_not(tmp_path):
    root, asked = tmp_path / "environments", wanted(tmp_path, "a" * 64)
    assert environments.borrow(root, asked) is None
    folder = make(root, environments.key(asked))
    (folder / ".lock").touch()
    assert environments.borrow(root, asked) is None  # without our package as it lies now
    (folder / "engine").mkdir()
    (folder / "engine" / environments.PACKAGE.name).symlink_to(environments.PACKAGE)
    before = {file: file.lstat().st_mtime_ns for file in root.rglob("*")}
    assert environments.borrow(root, asked).folder == folder
    assert {file: file.lstat().st_mtime_ns for file in root.rglob("*")} == before
    with (folder / ".lock").open("rb+") as held, pytest.raises(BlockingIOError):
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)  # nobody removes it meanwhile
    (folder / "ready").unlink()
    assert environments.borrow(root, asked) is None
