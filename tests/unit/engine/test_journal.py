"""The journal: what the writer writes is read, and nothing else is believed."""

import json
import os
import socket

import pytest

from reconciler.engine import journal
from reconciler.engine.journal import LINE_BYTES, Journal, attachment, read


def line(**fact):
    return json.dumps({"attempt": 1, "fact": "completed", "at": 1.0, **fact}).encode() + b"\n"


@pytest.fixture
def path(tmp_path):
    return tmp_path / journal.JOURNAL


def test_what_is_written_is_read_from_where_the_last_reading_ended(tmp_path, path):
    writer = Journal(tmp_path, run="r", attempt=1, address=None)
    writer.write("step", index=0, step="git_clone", id=None, seconds=0.5, ok=True)
    facts, offset, skipped = read(path, 0, 1)
    assert ([f["fact"] for f in facts], skipped) == (["step"], 0)
    writer.write("completed", result=None)
    assert [f["fact"] for f in read(path, offset, 1).facts] == ["completed"]


def test_a_line_that_is_too_long_is_refused_by_the_writer(tmp_path):
    writer = Journal(tmp_path, run="r", attempt=1, address=None)
    with pytest.raises(ValueError, match="does not fit"):
        writer.write("completed", result="x" * LINE_BYTES)


def test_a_torn_tail_waits(path):
    path.write_bytes(line(result=1) + line(result=2)[:-5])
    facts, offset, skipped = read(path, 0, 1)
    assert (len(facts), offset, skipped) == (1, len(line(result=1)), 0)
    path.write_bytes(line(result=1) + line(result=2))
    assert read(path, offset, 1).facts[0]["result"] == 2


@pytest.mark.parametrize(
    "garbage",
    [
        b"\xff\xfe\n",
        b"[]\n",
        b"5\n",
        b"[" * 50_000 + b"\n",
        b"9" * 5_000 + b"\n",
        line(attempt=2),
        line(fact="cancelled"),
        line(fact=["completed"]),
        line(at="now"),
        line(at=True),
        line(at=1).replace(b"1}", b"NaN}"),
        line(result=1).replace(b": 1}", b": 1e999}"),
        line(unknown=1),
        line(fact="running", retry_delays=[1, "x"]),
        line(fact="running", retry_delays=[-1]),
        line(fact="running", retry_delays=[1] * 51),
        line(fact="running", retries=True),
        line(at=10**400),
        line(fact="step", seconds=-(10**400)),
        line(fact="task", seconds=10**400),
        line(fact="paused", timeout=10**400),
        line(fact="paused", timeout="long"),
        line(fact="resumed", by="me"),
        line(fact="task", tries="1"),
        line(fact="timed_out", seconds=True),
        line(fact="failed", error="no object"),
        line(fact="failed", error={"type": 1}),
        line(fact="failed", error={"extra": "x"}),
        line(result="x" * LINE_BYTES),
    ],
    ids=str,
)
def test_what_is_no_fact_of_this_attempt_is_counted_and_skipped(path, garbage):
    path.write_bytes(line(result=1) + garbage + line(result=2))
    facts, offset, skipped = read(path, 0, 1)
    assert [f["result"] for f in facts] == [1, 2]
    assert (offset, skipped) == (path.stat().st_size, 1)


def test_an_endless_line_takes_bounded_memory_and_is_left_behind(path):
    with path.open("wb") as file:
        file.truncate(3 << 20)
        file.seek(0, os.SEEK_END)
        file.write(b"\n" + line(result=9))
    offset, facts = 0, []
    while (reading := read(path, offset, 1)).offset > offset:
        assert reading.offset - offset <= 1 << 20
        offset, facts = reading.offset, facts + reading.facts
    assert [f["result"] for f in facts] == [9]


@pytest.mark.parametrize(
    "make", [os.mkfifo, os.mkdir, lambda p: p.symlink_to("/etc/passwd")], ids=["fifo", "folder", "link"]
)
def test_a_journal_that_is_no_file_is_empty_and_nobody_hangs(path, make):
    make(path)
    assert read(path, 0, 1) == ([], 0, 0)


def test_no_journal_is_an_empty_one(path):
    assert read(path, 0, 1) == ([], 0, 0)


@pytest.mark.parametrize("depth", [0, 30])
def test_news_is_a_hint_to_the_daemon_however_long_its_path(tmp_path, depth):
    folder = tmp_path.joinpath(*["abcdefghij"] * depth)
    folder.mkdir(parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        here = os.open(folder, os.O_PATH)
        daemon.bind(f"/proc/self/fd/{here}/hint")
        os.close(here)
        daemon.settimeout(10)
        Journal(tmp_path, run="abc", attempt=1, address=str(folder / "hint")).write("running", commit=None)
        assert daemon.recv(100) == b"abc"


def test_nobody_listening_harms_nothing(tmp_path):
    Journal(tmp_path, run="abc", attempt=1, address=str(tmp_path / "nobody")).write("running", commit=None)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("result.json", b"[1, 2]", [1, 2]),
        ("result.json", b"[1, 2", None),
        ("result.json", b"[" + b"1," * 100 + b"1]", None),
        ("order.json", b"{}", None),
        ("../x/result.json", b"{}", None),
    ],
)
def test_only_our_side_files_within_the_limit_are_read(tmp_path, name, content, expected):
    run_dir = tmp_path / "run"
    for folder in (run_dir, tmp_path / "x"):
        folder.mkdir()
    (run_dir / name).write_bytes(content)
    assert attachment(run_dir, name, 100) == expected
