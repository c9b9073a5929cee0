"""Who runs an attempt, whether it lives, and how it ended. Called by the run, the template and the pools.

`started` is won by exactly one process (a hard link is made or it is not, and it appears with its content). Who wants
to be sure that an attempt never starts takes the marker itself: `bury`. Alive means that pid, start time and boot id
match; the record lock on the marker, which the kernel drops with the process, is the second witness. In the run's own
process nobody else opens the marker: closing any descriptor of a file drops a process's locks on it.
"""

import fcntl
import json
import os
import struct
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from reconciler.engine import whole

STARTED, EXIT = "started", "exit"
_FLOCK = struct.Struct("hhqqi4x")
_SMALL = 4096
_START_TIME = 19
"""Index of field 22 of /proc/PID/stat, counted behind the command's closing bracket."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A process that cannot be confused with another: its pid, kernel start time (ticks) and the boot's id.

    `keeper` is the pid of the template that forked it and will record its end.
    """

    pid: int
    started: int
    boot: str
    keeper: int = 0


NOBODY = Identity(0, 0, "")
"""Holds the marker of an attempt that shall never start."""


@cache
def boot_id() -> str:
    """The id of this boot of the machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_bytes().decode().strip()


def myself() -> Identity:
    """The process that asks."""
    state = _stat(os.getpid())
    return Identity(os.getpid(), state.started if state else 0, boot_id(), os.getppid())


def alive(who: Identity) -> bool:
    """Whether this very process lives, or has ended and its keeper is about to record how."""
    found = _stat(who.pid) if who.pid > 0 else None
    if found is None or found.started != who.started or who.boot != boot_id():
        return False
    return found.parent == who.keeper if found.dead else True


def running(who: Identity) -> bool:
    """Whether that very process runs: a zombie, whose keeper may have recorded its end by now, does not."""
    found = _stat(who.pid) if who.pid > 0 and who.boot == boot_id() else None
    return found is not None and not found.dead and found.started == who.started


class _Stat(NamedTuple):
    dead: bool
    parent: int
    started: int


def _stat(pid: int) -> _Stat | None:
    try:
        fields = content(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    except OSError:
        return None
    return _Stat(fields[0] in {b"Z", b"X"}, int(fields[1]), int(fields[_START_TIME]))


def content(path: str | Path, size: int = _SMALL) -> bytes:
    """The first bytes of a regular file, or one of the kernel's. Raises OSError.

    Nothing more than is needed: Python's own `open` touches, and so copies, many pages of a fresh fork.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        found = os.read(fd, size)
        while len(found) < size and (more := os.read(fd, size - len(found))):
            found += more
        return found
    finally:
        os.close(fd)


def claim(run_dir: Path, who: Identity) -> bool:
    """Win the attempt for a process; False when it is taken. Raises OSError when the directory cannot be written.

    A process that wins for itself holds the lock on the marker, from before it appears, for as long as it lives.
    """
    draft = f"{run_dir}/.started.{os.getpid()}"
    fd = whole.fresh(draft)
    won = False
    try:
        os.write(fd, json.dumps({name: getattr(who, name) for name in who.__slots__}).encode())
        if who is not NOBODY:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.link(draft, f"{run_dir}/{STARTED}")  # as above
        won = True
    except FileExistsError:
        return False
    finally:
        os.unlink(draft)  # noqa: PTH108 - as above
        if won and who is not NOBODY:
            os.set_inheritable(fd, True)  # noqa: FBT003 - its one argument: the lock outlives our own exec
        else:
            os.close(fd)
    return True


def claim_call(run_dir: Path) -> bool:
    """Win an attempt that is a call in this process, which goes on afterwards: no lock, and no descriptor kept."""
    draft = run_dir / f".started.{os.getpid()}.{threading.get_ident()}"
    who = myself()
    draft.write_text(json.dumps({name: getattr(who, name) for name in who.__slots__}), "utf-8")
    try:
        os.link(draft, run_dir / STARTED)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True


def bury(run_dir: Path) -> bool:
    """Make sure that the attempt never starts; False when it already has."""
    return claim(run_dir, NOBODY)


def owner(run_dir: Path) -> Identity | None:
    """Who won the attempt; None while nobody has, NOBODY when nobody ever will or the marker is not what we write."""
    found = _small_json(f"{run_dir}/{STARTED}")
    if found is None:
        return None
    match found:
        case {"pid": int(pid), "started": int(started), "boot": str(boot), "keeper": int(keeper)} if pid > 0:
            return Identity(pid, started, boot, keeper)
    return NOBODY


def locked(run_dir: Path) -> bool:
    """Whether another process holds the attempt's lock."""
    try:
        fd = os.open(run_dir / STARTED, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        answer = fcntl.fcntl(fd, fcntl.F_GETLK, _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
    except OSError:
        return False
    finally:
        os.close(fd)
    return bool(_FLOCK.unpack(answer)[0] != fcntl.F_UNLCK)


def write_exit(run_dir: Path, *, code: int | None = None, signal: int | None = None) -> None:
    """Record how the run's process ended, all at once or not at all."""
    whole.put(run_dir, EXIT, json.dumps({"code": code, "signal": signal}).encode())


def read_exit(run_dir: Path) -> dict[str, int | None] | None:
    """`{"code": 0 to 255 or None, "signal": number or None}`; None when no end was recorded."""
    match _small_json(f"{run_dir}/{EXIT}"):
        case {"code": int() | None as code, "signal": int() | None as signal} if _status(code) and _status(signal):
            return {"code": code, "signal": signal}
    return None


def _status(number: int | None) -> bool:
    """Whether a process can have ended with it; a run may have written anything there."""
    return number is None or (not isinstance(number, bool) and 0 <= number <= 255)  # noqa: PLR2004 - one byte


def _small_json(path: str) -> Any:
    """The JSON of a small regular file: None when there is no file, {} when it holds anything else."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError:
        return {}
    try:
        return json.loads(os.read(fd, _SMALL))
    except (OSError, ValueError, RecursionError):
        return {}
    finally:
        os.close(fd)
