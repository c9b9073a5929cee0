"""The output file: head and tail stay, the middle's disk space goes, readers are told."""

import os

import pytest

from reconciler.engine.output import read, trim

LIMIT = 64 * 1024


def everything(path, size=1 << 16):
    text, offset = b"", 0
    while (piece := read(path, offset, size))[0]:
        text, offset = text + piece[0], piece[1]
    return text


@pytest.fixture
def path(tmp_path):
    return tmp_path / "output"


def test_output_within_the_limit_stays(path):
    path.write_bytes(b"x" * LIMIT)
    trim(path, LIMIT)
    assert everything(path) == b"x" * LIMIT


def test_past_the_limit_the_middle_goes_and_is_told(path):
    path.write_bytes(b"head" + b"x" * (10 * LIMIT) + b"tail")
    trim(path, LIMIT)
    assert path.stat().st_size == 10 * LIMIT + 8
    assert path.stat().st_blocks * 512 <= LIMIT + 8192
    text = everything(path)
    before, _, after = text.partition(b"\n[... ")
    cut, _, rest = after.partition(b" bytes cut ...]\n")
    assert before.startswith(b"headx")
    assert rest.endswith(b"xtail")
    assert len(before) + int(cut) + len(rest) == path.stat().st_size


def test_trimming_goes_on_while_the_output_grows(path):
    for _ in range(5):
        with path.open("ab") as file:
            file.write(b"y" * (3 * LIMIT))
        trim(path, LIMIT)
        assert path.stat().st_blocks * 512 <= LIMIT + 8192
    assert everything(path).count(b"bytes cut") == 1


def test_reading_goes_on_where_it_ended(path):
    path.write_bytes(b"one\n")
    text, offset = read(path, 0)
    assert (text, read(path, offset)) == (b"one\n", (b"", 4))
    with path.open("ab") as file:
        file.write(b"two\n")
    assert read(path, offset) == (b"two\n", 8)
    assert read(path, 0, size=3) == (b"one", 3)


@pytest.mark.parametrize("make", [os.mkfifo, lambda _: None], ids=["fifo", "nothing"])
def test_no_file_no_output_and_nobody_hangs(path, make):
    make(path)
    trim(path, LIMIT)
    assert read(path, 0) == (b"", 0)
