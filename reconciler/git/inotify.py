"""The kernel's word that something in a few folders changed. Called by watch.

Straight to inotify because it waits without waking: a file event reaches Python in well under a millisecond and an idle
watcher costs nothing, where a library that steps (one that polls its own queue) needs 1.5 % of a core for 7 ms.
"""

import ctypes
import os
import struct
from collections.abc import Iterable

_CLOSE_WRITE, _MOVED_TO, _CREATE, _DELETE, _DELETE_SELF, _MOVE_SELF = 0x8, 0x80, 0x100, 0x200, 0x400, 0x800
_MASK = _CLOSE_WRITE | _MOVED_TO | _CREATE | _DELETE | _DELETE_SELF | _MOVE_SELF | 0x01000000  # folders only
_IS_FOLDER, _OVERFLOW = 0x40000000, 0x4000
_EVENT = struct.Struct("iIII")
_BUFFER = 64 << 10


class Inotify:
    """Folders under watch. Where the kernel gives none (no inotify, limits reached) it is silent: `fd` is -1."""

    def __init__(self) -> None:
        self._folders: dict[int, str] = {}
        try:
            self._libc = ctypes.CDLL(None, use_errno=True)
            self.fd: int = self._libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        except (OSError, AttributeError):
            self.fd = -1

    def watch(self, folders: Iterable[str]) -> None:
        """Watch those of the folders that exist; asking again takes up folders made anew under an old name."""
        if self.fd < 0:
            return
        for folder in folders:
            number = self._libc.inotify_add_watch(self.fd, os.fsencode(folder), _MASK)
            if number >= 0:
                self._folders[number] = folder

    def read(self) -> list[tuple[str, str]]:
        """Folder and name of what changed, without waiting; an empty name is the folder itself or an overflow.

        Lock files are left out, and so is the creation of a file: its closing or renaming follows.
        """
        try:
            data = os.read(self.fd, _BUFFER)
        except BlockingIOError:
            return []
        found, at = [], 0
        while at < len(data):
            number, mask, _cookie, length = _EVENT.unpack_from(data, at)
            at += _EVENT.size + length
            name = os.fsdecode(data[at - length : at].rstrip(b"\0"))
            made = mask & _CREATE and not mask & _IS_FOLDER
            if mask & _OVERFLOW:
                found.append(("", ""))
            elif number in self._folders and not made and not name.endswith(".lock"):
                found.append((self._folders[number], name))
        return found

    def close(self) -> None:
        """Stop watching."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
