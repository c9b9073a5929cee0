"""Objects made by hand, trees and commits, and their way to the disk. Called by notes and revert."""

import os
import tempfile
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from dulwich.object_store import DiskObjectStore
from dulwich.objects import ShaFile

from reconciler.git.objects import COMMIT, TREE
from reconciler.git.repository import Repository
from reconciler.git.tree import DIRECTORY
from reconciler.model.errors import SourceUnavailableError

_FEW = 64
"""Objects that are written as files; more of them as one pack."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who commits."""

    name: str
    email: str


@dataclass(slots=True)
class Writing:
    """New objects, which nothing names before all of them are written."""

    repo: Repository
    made: list[ShaFile] = field(default_factory=list)

    def put(self, kind: int, raw: bytes) -> str:
        """Make an object; its id."""
        made = ShaFile.from_raw_string(kind, raw, object_format=self.repo.format)
        self.made.append(made)
        return _name(self.repo, made)

    def tree(self, entries: Mapping[bytes, tuple[int, bytes]]) -> str:
        """Make a tree of entries by name: the mode, and `entry`'s bytes; its id."""
        order = sorted(entries.items(), key=lambda item: item[0] + b"/" * (item[1][0] == DIRECTORY))
        return self.put(TREE, b"".join(raw for _, (_, raw) in order))

    def commit(self, top: str, parent: str | None, who: Person, at: str, message: str) -> str:
        """Make a commit of a tree; its id. `at`: seconds since 1970 and an offset, as git writes them."""
        stamp = f"{who.name} <{who.email}> {at}"
        parents = f"parent {parent}\n" if parent else ""
        text = f"tree {top}\n{parents}author {stamp}\ncommitter {stamp}\n\n{message.rstrip()}\n"
        return self.put(COMMIT, text.encode("utf-8", "surrogateescape"))

    def finish(self) -> None:
        """Write them, durably. Raises SourceUnavailableError."""
        folder = self.repo.common_dir / "objects"
        try:
            if len(self.made) > _FEW:
                with closing(
                    DiskObjectStore(str(folder), fsync_object_files=True, object_format=self.repo.format)
                ) as store:
                    store.add_objects([(each, None) for each in self.made])
                return
            for each in self.made:
                name = _name(self.repo, each)
                _loose(folder / name[:2] / name[2:], each.as_legacy_object())
        except (OSError, ValueError) as error:
            raise SourceUnavailableError(
                f"nothing can be written to the repository: {error}", hint="is it writable, and is there room?"
            ) from error


def entry(name: bytes, mode: int, sha: bytes) -> bytes:
    """One entry of a tree as its bytes."""
    return b"%o %s\0%s" % (mode, name, sha)


def _name(repo: Repository, made: ShaFile) -> str:
    return made.get_id(repo.format).decode("ascii")


def _loose(file: Path, data: bytes) -> None:
    """One object as a file. The library's own way leaves a lock behind a killed process, and is then stuck on it."""
    if file.exists():
        os.utime(file)  # or a gc that runs now might take it away
        return
    file.parent.mkdir(exist_ok=True)
    place, draft = tempfile.mkstemp(prefix="tmp_obj_", dir=file.parent)
    try:
        with open(place, "wb") as stream:  # noqa: PTH123 - a descriptor
            stream.write(data)
            stream.flush()
            os.fchmod(place, 0o444)
            os.fsync(place)
        Path(draft).rename(file)
    except OSError:
        Path(draft).unlink(missing_ok=True)
        raise
