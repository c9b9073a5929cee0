"""A working copy of one commit, written from the object database and verified byte by byte. Called by steps, daemon.

No index, no filters, no hooks. Each tree and each file is hashed as it is written and must have the id that the commit
gives it, so the ids form one proof from the commit down to the bytes on disk.
"""

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconciler.git.names import link_refusal, refusal
from reconciler.git.objects import BLOB, COMMIT, NAMES, TREE, TooLargeError
from reconciler.git.repository import Repository
from reconciler.git.tree import DEPTH_LIMIT, DIRECTORY, ENTRY_LIMIT, EXECUTABLE, GITLINK, SYMLINK, entries
from reconciler.model.errors import InvalidRequestError, NotFoundError, StepError

BYTES_LIMIT = 4 << 30
_BLOB_LIMIT = 1 << 30
_LINK_LIMIT = 4096
_LFS = b"version https://git-lfs.github.com/spec/"
_LFS_LIMIT = 1024
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

Selection = dict[bytes, Any]
"""Names to lay out, each with the selection below it; an empty one means everything below."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What was laid out; `save` writes it for the engine, which checks a copy against it before a run takes it."""

    commit: str
    tree: str
    """The tree id of the whole commit."""
    directories: tuple[str, ...]
    """The scope; empty for everything."""
    files: list[tuple[str, int, int, int, int]] = field(default_factory=list)
    """path, st_mode, size, ctime_ns (which nobody can set back, as mtime can be), inode of each file."""
    links: list[tuple[str, str]] = field(default_factory=list)
    """path and target of each symlink."""
    lfs_pointers: list[str] = field(default_factory=list)
    """Files that hold a pointer instead of their content, which lies on an LFS server."""
    submodules: list[str] = field(default_factory=list)
    """Empty folders where the commit names another repository."""

    def save(self, path: Path) -> None:
        """Write as JSON, whole or not at all."""
        value = {
            "commit": self.commit,
            "tree": self.tree,
            "directories": self.directories,
            "files": self.files,
            "links": self.links,
            "lfs": self.lfs_pointers,
            "submodules": self.submodules,
        }
        temporary = path.with_name(f".tmp-{secrets.token_hex(8)}")
        temporary.write_text(json.dumps(value, separators=(",", ":")), "ascii")
        temporary.rename(path)


def lay_out(repo: Repository, commit: str, target: Path, directories: tuple[str, ...] = ()) -> Manifest:
    """Write the tree of a commit, or only the named folders and files of it, into a folder that does not exist yet.

    Raises StepError for a tree that may not be written (a name like `.git`, a link out of the tree, too large),
    NotFoundError for a directory the commit does not have, SourceUnavailableError for missing objects.
    """
    wanted = scope(directories)
    tree = repo.commit(commit).tree
    copy = Copy(repo, Manifest(commit, tree, wanted))
    copy.verified(COMMIT, commit)
    try:
        target.mkdir(mode=0o700)
        folder = os.open(target, _FOLDER)
        try:
            copy.tree(folder, "", tree, selection(wanted))
        finally:
            os.close(folder)
    except ValueError as error:
        raise StepError(f"commit {commit[:12]} has a malformed tree: {error}") from error
    except OSError as error:
        raise StepError(f"the working copy of {commit[:12]} cannot be written: {error.strerror or error}") from error
    for path in wanted:
        if path not in copy.found:
            raise NotFoundError(f"{path!r} is not in commit {commit[:12]}", hint="see `directories` of git_clone")
    return copy.manifest


def prepare(repo: Repository, commit: str, directories: tuple[str, ...], folder: Path) -> Path:
    """A working copy under a name of its own in `folder`, ready to be taken by rename; its path.

    Beside it lies `<name>.json`, the manifest, written last: a copy without one is not finished. Raises as `lay_out`.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = folder / f".tmp-{secrets.token_hex(8)}"
    try:
        manifest = lay_out(repo, commit, temporary, directories)
        ready = folder / f"{copy_name(commit, directories)}-{secrets.token_hex(4)}"
        temporary.rename(ready)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    manifest.save(folder / f"{ready.name}.json")
    return ready


def copy_name(commit: str, directories: tuple[str, ...] = ()) -> str:
    """What the name of every prepared copy of this commit and scope begins with."""
    wanted = "\0".join(scope(directories)).encode("utf-8", "surrogateescape")
    return f"{commit[:12]}-{hashlib.sha256(wanted).hexdigest()[:8]}"


def scope(directories: Iterable[str]) -> tuple[str, ...]:
    """Folders and files from the top as `a/b`, sorted, none inside another; empty when they name everything.

    Raises InvalidRequestError for a path that leaves the repository.
    """
    clean = set()
    for given in directories:
        parts = [part for part in given.split("/") if part not in ("", ".")]
        if given.startswith("/") or ".." in parts or "\0" in given:
            raise InvalidRequestError(f"directory {given!r} is not inside the repository")
        clean.add("/".join(parts))
    if "" in clean:
        return ()
    return tuple(path for path in sorted(clean) if not any(path.startswith(f"{other}/") for other in clean))


def selection(paths: tuple[str, ...]) -> Selection:
    """The paths of a scope by their names."""
    root: Selection = {}
    for path in paths:
        at = root
        for name in path.encode("utf-8", "surrogateescape").split(b"/"):
            at = at.setdefault(name, {})
    return root


@dataclass(frozen=True, slots=True)
class Place:
    """Where one entry goes."""

    folder: int
    """Open descriptor of the folder it goes into."""
    name: bytes
    path: str
    """From the top."""


class Copy:
    """One working copy while it is written; git/parcel keeps one in memory."""

    def __init__(self, repo: Repository, manifest: Manifest) -> None:
        self.manifest = manifest
        self.found: set[str] = set()
        self._repo = repo
        self._hash = repo.format.hash_func
        self.entries = 0
        self.bytes = 0

    def verified(self, kind: int, name: str, limit: int = _BLOB_LIMIT) -> bytes:
        """The content of an object that hashes to its name."""
        found, raw = self._repo.objects.read(name, limit)
        header = f"{NAMES[kind]} {len(raw)}\0".encode()
        hashed = self._hash()
        hashed.update(header)
        hashed.update(raw)
        if found != kind or hashed.hexdigest() != name:
            raise StepError(f"object {name} does not hash to its name: the repository is damaged", hint="`git fsck`")
        return raw

    def tree(self, folder: int, path: str, tree: str, only: Selection, *, depth: int = 0) -> None:
        """Write a tree into an open folder."""
        if depth > DEPTH_LIMIT:
            raise StepError(f"{path[:80]}...: more than {DEPTH_LIMIT} levels of folders")
        prefix = f"{path}/" if path else ""
        for name, mode, sha in entries(self.verified(TREE, tree), self._repo.format.oid_length):
            below = only.get(name) if only else {}
            if below is None:
                continue
            place = Place(folder, name, prefix + name.decode("utf-8", "surrogateescape"))
            self.check(place)
            if mode == DIRECTORY:
                self.folder(place, sha.hex(), below, depth)
            elif not below:
                self._leaf(place, mode, sha.hex())
            if not below:
                self.found.add(place.path)

    def check(self, place: Place) -> None:
        """Count an entry, and refuse a name that may not be written."""
        self.entries += 1
        why = refusal(place.name)
        if self.entries > ENTRY_LIMIT:
            why = f"more than {ENTRY_LIMIT:,} files and folders"
        if why:
            raise StepError(f"{place.path[:200]!r} may not be written to disk: {why}")

    def folder(self, place: Place, tree: str, below: Selection, depth: int) -> None:
        """Write a folder and what is in it."""
        os.mkdir(place.name, dir_fd=place.folder)
        inside = os.open(place.name, _FOLDER, dir_fd=place.folder)
        try:
            self.tree(inside, place.path, tree, below, depth=depth + 1)
        finally:
            os.close(inside)

    def _leaf(self, place: Place, mode: int, name: str) -> None:
        if mode == GITLINK:
            self.submodule(place)
            return
        limit = _LINK_LIMIT if mode == SYMLINK else min(_BLOB_LIMIT, self.room())
        try:
            data = self.verified(BLOB, name, limit)
        except TooLargeError as error:
            raise StepError(f"{place.path!r} is too large for a working copy: {error.message}") from None
        self.bytes += len(data)
        if mode == SYMLINK:
            self._checked_link(place, data)
            return
        self.file(place, data, 0o777 if mode == EXECUTABLE else 0o666)
        if len(data) <= _LFS_LIMIT and data.startswith(_LFS):
            self.manifest.lfs_pointers.append(place.path)

    def room(self) -> int:
        """Bytes that may still be written."""
        return BYTES_LIMIT - self.bytes

    def _checked_link(self, place: Place, target: bytes) -> None:
        why = link_refusal(place.path.rpartition("/")[0], target)
        if why:
            raise StepError(
                f"the symlink {place.path!r} may not be written to disk: {why}",
                hint="remove it, or name the `directories` that the flow needs",
            )
        self.link(place, target.decode("utf-8", "surrogateescape"))

    def submodule(self, place: Place) -> None:
        """An empty folder where the commit names another repository."""
        os.mkdir(place.name, dir_fd=place.folder)
        self.manifest.submodules.append(place.path)

    def link(self, place: Place, target: str) -> None:
        """Write a symlink."""
        os.symlink(target.encode("utf-8", "surrogateescape"), place.name, dir_fd=place.folder)
        self.manifest.links.append((place.path, target))

    def file(self, place: Place, data: bytes, mode: int) -> None:
        """Write a file."""
        file = os.open(place.name, _NEW, mode, dir_fd=place.folder)
        try:
            written = os.write(file, data)
            while written < len(data):
                written += os.write(file, memoryview(data)[written:])
            status = os.fstat(file)
        finally:
            os.close(file)
        self.manifest.files.append((place.path, status.st_mode, status.st_size, status.st_ctime_ns, status.st_ino))
