"""Files that appear whole, whatever others put in their way."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.engine import whole

IN_THE_WAY: dict[str, Callable[[Path], None]] = {
    "nothing": lambda _: None,
    "a file": lambda path: path.write_bytes(b"x" * 100) and None,
    "a pipe nobody reads": os.mkfifo,
    "a link to elsewhere": lambda path: path.symlink_to("other"),
    "a broken link": lambda path: path.symlink_to("nowhere"),
}


@pytest.mark.parametrize("what", IN_THE_WAY)
@pytest.mark.parametrize("where", ["exit", f".exit.{os.getpid()}"], ids=["its place", "its draft's place"])
def test_it_holds_just_this_and_nothing_else_changed(what: str, where: str, tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"mine")
    IN_THE_WAY[what](tmp_path / where)
    whole.put(tmp_path, "exit", b"told")
    assert (tmp_path / "exit").read_bytes() == b"told"
    assert not (tmp_path / "exit").is_symlink()
    assert (tmp_path / "exit").stat().st_mode & 0o777 == 0o600
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"other": b"mine", "exit": b"told"}


@pytest.mark.parametrize("where", ["exit", f".exit.{os.getpid()}"], ids=["its own", "its draft's"])
def test_a_folder_in_the_way_is_an_error_at_once(where: str, tmp_path: Path) -> None:
    (tmp_path / where / "full").mkdir(parents=True)
    with pytest.raises(OSError, match=r"directory|permitted"):
        whole.put(tmp_path, "exit", b"told")
    assert [p.name for p in tmp_path.iterdir()] == [where]
