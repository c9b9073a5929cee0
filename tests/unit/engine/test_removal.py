"""Removing what a run left, however it is made."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.engine.removal import remove


def _deep(path: Path) -> None:
    path.mkdir()
    here = os.open(path, os.O_RDONLY)
    for _ in range(1200):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)


def _closed(path: Path) -> None:
    (path / "a" / "b").mkdir(parents=True)
    (path / "a" / "b" / "file").touch()
    (path / "a" / "b").chmod(0)
    (path / "a").chmod(0o500)


def _folder(path: Path) -> None:
    path.mkdir()
    (path / "link").symlink_to(path.parent / "kept")
    (path / "file").touch()
    os.mkfifo(path / "pipe")


LEFT: dict[str, Callable[[Path], None]] = {
    "nothing": lambda _: None,
    "a file": Path.touch,
    "a pipe": os.mkfifo,
    "a link to a folder": lambda path: path.symlink_to("kept"),
    "a folder": _folder,
    "1,200 folders in each other": _deep,
    "folders without rights": _closed,
}


@pytest.mark.parametrize("what", LEFT)
def test_it_goes_and_what_it_points_to_stays(what: str, tmp_path: Path) -> None:
    (tmp_path / "kept" / "inner").mkdir(parents=True)
    LEFT[what](tmp_path / "gone")
    remove(tmp_path / "gone")
    assert [p.name for p in tmp_path.rglob("*")] == ["kept", "inner"]
