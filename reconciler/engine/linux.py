"""The three things that Python's standard library does not know of Linux. Called by the template and by output.py."""

import ctypes
import os

_libc = ctypes.CDLL(None, use_errno=True)
_KEEP_SIZE_AND_PUNCH_HOLE = 0x03
_PR_SET_CHILD_SUBREAPER = 36


def punch_hole(fd: int, offset: int, length: int) -> None:
    """Give the disk space of a span of a file back; its size stays. Raises OSError where the file system cannot."""
    span = ctypes.c_longlong(offset), ctypes.c_longlong(length)
    if _libc.fallocate(fd, _KEEP_SIZE_AND_PUNCH_HOLE, *span):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def adopt_orphans() -> None:
    """From now on, descendants whose parent ends become children of this process, so that none can escape it."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children() -> list[int]:
    """The pids of this single-threaded process's children, zombies included; empty where the kernel does not tell."""
    pid = os.getpid()
    try:
        fd = os.open(f"/proc/{pid}/task/{pid}/children", os.O_RDONLY)
    except OSError:
        return []
    try:
        found = b""
        while more := os.read(fd, 4096):
            found += more
        return [int(word) for word in found.split()]
    finally:
        os.close(fd)
