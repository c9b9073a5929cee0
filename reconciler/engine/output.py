"""The output of a run: one file that keeps its head and tail. Called by the template (trim) and readers (read).

Runs write to it directly (O_APPEND), from Python, C and subprocesses alike, so nobody stands in between to stop them.
Past the limit the middle is punched out: its disk space is given back, offsets stay what they were.
"""

import errno
import os
import stat
from pathlib import Path

from reconciler.engine.linux import punch_hole

OUTPUT = "output"
_BLOCK = 4096
_SECTOR = 512


def trim(path: Path, limit: int) -> None:
    """Keep the first quarter of `limit` bytes and the last three; cheap when there is nothing to do."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return
    try:
        found = os.fstat(fd)
        if stat.S_ISREG(found.st_mode) and found.st_blocks * _SECTOR > limit:
            _punch(fd, found.st_size, limit)
    finally:
        os.close(fd)


def _punch(fd: int, size: int, limit: int) -> None:
    head = _up(limit // 4)
    end = (size - limit * 3 // 4) // _BLOCK * _BLOCK
    if end <= head:
        return
    try:
        punch_hole(fd, head, end - head)
    except OSError as error:
        if error.errno not in {errno.EOPNOTSUPP, errno.ENOSYS}:
            return
        os.ftruncate(fd, head)  # a file system without holes loses the tail: the disk must not fill


def _up(offset: int) -> int:
    return -(-offset // _BLOCK) * _BLOCK


def read(path: Path, offset: int = 0, size: int = 1 << 20) -> tuple[bytes, int]:
    """At most `size` bytes of output from an offset, and the offset to go on from.

    What was punched out is one line that says how much. Nothing to read (yet) is `(b"", offset)`; no output at all,
    or something else in its place, too. Raises OSError when it may not be read.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return b"", offset
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or offset >= found.st_size:
            return b"", offset
        data = _seek(fd, offset, os.SEEK_DATA, found.st_size)
        if data > offset:
            return b"\n[... %d bytes cut ...]\n" % (data - offset), data
        end = _seek(fd, offset, os.SEEK_HOLE, found.st_size)
        chunk = os.pread(fd, min(size, end - offset), offset)
        return chunk, offset + len(chunk)
    finally:
        os.close(fd)


def _seek(fd: int, offset: int, whence: int, size: int) -> int:
    try:
        return os.lseek(fd, offset, whence)
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        return size  # the hole, or the data, goes to the end
