"""Who runs an attempt, whether it lives, how it ended."""

import dataclasses
import json
import os
import subprocess
import sys

import pytest
from engine_runs import gone, wait_until

from reconciler.engine import marker

HOLD = (
    "import sys, pathlib; from reconciler.engine import marker; d = pathlib.Path(sys.argv[1]);"
    "print(marker.claim(d, marker.myself()), flush=True); sys.stdin.read()"
)


@pytest.fixture
def holder(tmp_path):
    """Another process that won the attempt and holds its lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout.readline() == "True\n"
        yield process
        process.kill()


def test_one_wins_and_the_marker_appears_with_its_content(tmp_path):
    assert marker.owner(tmp_path) is None
    assert marker.claim(tmp_path, marker.myself())
    assert not marker.claim(tmp_path, marker.myself())
    assert not marker.bury(tmp_path)
    assert marker.owner(tmp_path) == marker.myself()
    assert [p.name for p in tmp_path.iterdir()] == ["started"]


def test_a_buried_attempt_cannot_be_won(tmp_path):
    assert marker.bury(tmp_path)
    assert not marker.claim(tmp_path, marker.myself())
    assert not marker.bury(tmp_path)
    assert not marker.alive(marker.owner(tmp_path))


@pytest.mark.parametrize("other", [{"started": 1}, {"boot": "another"}, {"pid": 2**22 - 1}, {"pid": 0}], ids=str)
def test_alive_means_pid_start_time_and_boot(other):
    me = marker.myself()
    assert marker.alive(me)
    assert not marker.alive(dataclasses.replace(me, **other))


@pytest.mark.parametrize(
    "text", ["", "x", "[]", '{"pid": "1"}', '{"pid": -1, "started": 1, "boot": "", "keeper": 0}', "[" * 4000]
)
def test_a_marker_that_is_not_ours_names_nobody(tmp_path, text):
    (tmp_path / "started").write_text(text)
    assert marker.owner(tmp_path) == marker.NOBODY


def test_the_lock_is_seen_while_its_holder_lives(tmp_path, holder):
    assert marker.locked(tmp_path)
    assert marker.alive(marker.owner(tmp_path))
    holder.kill()
    wait_until(lambda: gone(holder.pid), "the holder")
    assert not marker.locked(tmp_path)


def test_a_zombie_is_alive_until_its_keeper_has_recorded_its_end(tmp_path, holder):
    owner = marker.owner(tmp_path)
    assert owner.keeper == os.getpid()
    holder.kill()
    wait_until(lambda: gone(holder.pid), "the holder")
    assert marker.alive(owner)
    assert not marker.alive(dataclasses.replace(owner, keeper=1))
    holder.wait()
    assert not marker.alive(owner)


def test_no_marker_is_no_lock(tmp_path):
    assert not marker.locked(tmp_path)


@pytest.mark.parametrize("end", [{"code": 3, "signal": None}, {"code": None, "signal": 9}])
def test_the_exit_status_is_read_as_written(tmp_path, end):
    marker.write_exit(tmp_path, **end)
    assert marker.read_exit(tmp_path) == end


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "{}",
        '{"code": "0", "signal": null}',
        '{"code": 999, "signal": null}',
        '{"code": true, "signal": null}',
        json.dumps([0]),
    ],
)
def test_an_exit_status_that_is_none_is_none(tmp_path, text):
    if text is not None:
        (tmp_path / "exit").write_text(text)
    assert marker.read_exit(tmp_path) is None
