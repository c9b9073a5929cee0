"""Removes what a run left behind, whatever it made of it. Called by daemon (copies, retention) and engine/copies.

Python's own rmtree goes down by recursion, with a descriptor for each level, and stops at a folder without rights: a
thousand folders in each other, or one that may not be entered, would stay for ever.
"""

import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path

_OWNER = 0o700


def remove(path: Path) -> None:
    """A file, link or folder goes, or as much of it as may go; links are not followed. Nothing is raised."""
    if path.is_symlink() or not path.is_dir():
        with suppress(OSError):
            path.unlink()
        return
    with suppress(RecursionError):
        shutil.rmtree(path, ignore_errors=True)
    if path.is_dir():
        _flatten(str(path))


def _flatten(top: str) -> None:
    """Each folder is moved up to the top before it is looked into, so nothing ever lies deep."""
    folders = [top]
    while folders:
        folder = folders.pop()
        for entry in _entries(folder):
            with suppress(OSError):
                if not entry.is_dir(follow_symlinks=False):
                    os.unlink(entry.path)  # noqa: PTH108 - texts: there may be very many
                    continue
                os.chmod(entry.path, _OWNER)  # noqa: PTH101 - same
                aside = f"{top}/.{secrets.token_hex(8)}"
                os.rename(entry.path, aside)  # noqa: PTH104 - same
                folders.append(aside)
        if folder != top:
            with suppress(OSError):
                os.rmdir(folder)  # noqa: PTH106 - same
    with suppress(OSError):
        os.rmdir(top)  # noqa: PTH106 - same


def _entries(folder: str) -> list["os.DirEntry[str]"]:
    with suppress(OSError):
        os.chmod(folder, _OWNER)  # noqa: PTH101 - same
        with os.scandir(folder) as entries:
            return list(entries)
    return []
