"""The daemon that is nearest: its state directory, found from where a script works. Called inside the user's process.

Every call of a flow asks, so this costs some tens of microseconds and imports next to nothing.
"""

import fcntl
import importlib
import os
import struct
from collections.abc import Iterable

STATE_DIR = "RECONCILER_STATE_DIR"
LOCAL = "RECONCILER_LOCAL"
"""In the environment of a run that nothing is recorded of (`reconciler local`, `bisect`): it reaches no daemon."""
_FLOCK = struct.Struct("hhqqi4x")


def state_dir(starts: Iterable[str]) -> str | None:
    """The state directory of a daemon that serves now: RECONCILER_STATE_DIR, else of the repository around a folder.

    `starts` are folders, the first that lies in a served repository counts; None where no daemon serves any.
    """
    given = os.environ.get(STATE_DIR)
    if given:
        return os.path.abspath(given) if _held(given) else None  # noqa: PTH100 - pathlib is slow to import
    seen: set[str] = set()
    for start in starts:
        common = git_dir(start) if start not in seen else None
        seen.add(start)
        root = f"{common}/reconciler"
        if common is not None and _held(root):
            return root
    return None


def git_dir(start: str) -> str | None:
    """The common git directory of the repository around a folder; None outside of one."""
    folder = os.path.realpath(start)
    while True:
        if _is_git_dir(f"{folder}/.git"):
            return f"{folder}/.git"
        if os.path.lexists(f"{folder}/.git") or _is_git_dir(folder):  # a linked work tree, a bare repository
            return _located(folder)
        above = os.path.dirname(folder)  # noqa: PTH120
        if above == folder:
            return None
        folder = above


def _is_git_dir(folder: str) -> bool:
    return os.path.isdir(f"{folder}/objects") and os.path.lexists(f"{folder}/HEAD")  # noqa: PTH112


def _located(folder: str) -> str | None:
    """As git finds it where it is not plain; imported only there."""
    location = importlib.import_module("reconciler.git.location")
    try:
        return str(location.locate(location.Path(folder)).common_dir)
    except Exception:  # noqa: BLE001 - a broken pointer: no repository for us
        return None


def _held(root: str) -> bool:
    """Whether a live daemon holds the lock of a state directory; the kernel lets go of it with the process."""
    try:
        fd = os.open(f"{root}/lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        answer = fcntl.fcntl(fd, fcntl.F_GETLK, _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
    except OSError:
        return False
    finally:
        os.close(fd)
    return bool(_FLOCK.unpack(answer)[0] != fcntl.F_UNLCK)
