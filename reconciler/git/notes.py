"""Git notes: a block of text on each of some commits, beside what people note there. Called by daemon/notes.

Notes are a branch of their own: a tree of one file per commit, named by its id, in folders once there are many. Other
writers are met by compare-and-swap: what they wrote meanwhile is read, and our blocks are laid over that.
"""

import os
import tempfile
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from dulwich.object_store import DiskObjectStore
from dulwich.objects import ShaFile

from reconciler.git.objects import BLOB, COMMIT, TREE, TooLargeError
from reconciler.git.repository import Repository
from reconciler.git.tree import DIRECTORY, FILE, entries
from reconciler.model.errors import ConflictError, SourceUnavailableError

REF = "refs/notes/reconciler"
TITLE = "reconciler:"
"""The first line of our block; the lines behind it are indented. Only these are ever replaced."""
TRIES = 8
MOST_BYTES = 1 << 20
"""Of a note; a longer one is left as it is."""
_CROWD = 256
"""Names in one folder from which on new ones go to a folder below; git reads any mixture."""
_FEW = 64
_WHO = b"reconciler <reconciler@localhost>"


def write(opened: Callable[[], Repository], blocks: Mapping[str, str], at: int, pause: Callable[[], None]) -> int:
    """Put a block of lines on each commit by id; how many notes changed. `at`: seconds since 1970.

    Commits that are not in this repository are left out. Raises SourceUnavailableError where notes cannot be written,
    ConflictError when others move the ref at every try; `pause` is called between two tries.
    """
    for attempt in range(TRIES):
        if attempt:
            pause()
        with opened() as repo:
            changed = _once(repo, blocks, at)
        if changed is not None:
            return changed
    raise ConflictError(f"{REF} is held or moved by others all the time", hint="is there a lock left behind beside it?")


def _once(repo: Repository, blocks: Mapping[str, str], at: int) -> int | None:
    """One try; None when the ref was moved meanwhile."""
    if repo.reftable:
        raise SourceUnavailableError("notes are not written to a repository with reftable: it cannot be done safely")
    before = repo.refs.read(REF)
    ours = {name: block for name, block in blocks.items() if _is_commit(repo, name)}
    try:
        edit = _Edit(repo)
        old = repo.commit(before).tree if before else None
        tree = edit.folder(old, {name.encode(): block for name, block in ours.items()})
        if not edit.changed or tree is None:
            return 0
        commit = edit.put(COMMIT, _commit(tree.hex(), before, at))
        _store(repo, edit.made)
    except (OSError, ValueError) as error:
        raise SourceUnavailableError(f"notes cannot be written: {error}") from error
    return edit.changed if repo.refs.swap(REF, before, commit.hex()) else None


def _store(repo: Repository, made: list[ShaFile]) -> None:
    """Write objects, durably: a few as files, many as one pack."""
    folder = repo.common_dir / "objects"
    if len(made) > _FEW:
        with closing(DiskObjectStore(str(folder), fsync_object_files=True, object_format=repo.format)) as store:
            store.add_objects([(each, None) for each in made])
        return
    for each in made:
        name = each.get_id(repo.format).decode()
        _loose(folder / name[:2] / name[2:], each.as_legacy_object())


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


def _is_commit(repo: Repository, name: str) -> bool:
    try:
        repo.links(name)
    except (SourceUnavailableError, TooLargeError):
        return False
    return True


def _commit(tree: str, parent: str | None, at: int) -> bytes:
    parents = f"parent {parent}\n" if parent else ""
    who = _WHO.decode()
    head = f"tree {tree}\n{parents}author {who} {at} +0000\ncommitter {who} {at} +0000\n"
    return f"{head}\nResults of runs\n".encode()


@dataclass(slots=True)
class _Edit:
    """One change of the tree of notes."""

    repo: Repository
    made: list[ShaFile] = field(default_factory=list)
    """New objects, which nothing names before all of them are written."""
    changed: int = 0

    def folder(self, tree: str | None, blocks: Mapping[bytes, str]) -> bytes | None:
        """The id of a folder with blocks laid over its notes, which are named by what is left of a commit's id."""
        found: dict[bytes, tuple[int, bytes]] = {}
        if tree is not None:
            listed = entries(self.repo.tree_bytes(tree), self.repo.format.oid_length)
            found = {name: (mode, sha) for name, mode, sha in listed}
        below: dict[bytes, dict[bytes, str]] = {}
        for rest, block in blocks.items():
            mode, sha = found.get(rest, (0, b""))
            inner = found.get(rest[:2], (0, b""))[0] == DIRECTORY
            if mode != FILE and len(rest) > 2 and (inner or len(found) >= _CROWD):  # noqa: PLR2004 - two digits a folder
                below.setdefault(rest[:2], {})[rest[2:]] = block
            elif (note := self.note(sha.hex() if mode == FILE else None, block)) is not None:
                found[rest] = (FILE, note)
        for name, inside in below.items():
            mode, sha = found.get(name, (0, b""))
            made = self.folder(sha.hex() if mode == DIRECTORY else None, inside)
            if made is not None:
                found[name] = (DIRECTORY, made)
        return self.put(TREE, _raw(found)) if self.changed else None

    def note(self, blob: str | None, block: str) -> bytes | None:
        """The id of a note with the block in its place; None where nothing changes."""
        try:
            before = self.repo.blob(blob, MOST_BYTES) if blob else b""
        except TooLargeError:
            return None
        after = laid(before, block)
        if after == before:
            return None
        self.changed += 1
        return self.put(BLOB, after)

    def put(self, kind: int, raw: bytes) -> bytes:
        """Make an object; its id."""
        made = ShaFile.from_raw_string(kind, raw, object_format=self.repo.format)
        self.made.append(made)
        return bytes.fromhex(made.get_id(self.repo.format).decode())


def laid(note: bytes, block: str) -> bytes:
    """A note with our block in the place of what it was, else at its end; all else in it stays."""
    lines = note.splitlines(keepends=True)
    title = TITLE.encode()
    ours = [title + b"\n", *(b"  " + line.encode() + b"\n" for line in block.splitlines())]
    start = next((at for at, line in enumerate(lines) if line.rstrip() == title), None)
    if start is None:
        apart = [b"" if not note or note.endswith(b"\n") else b"\n", b"\n" if note.strip() else b""]
        return b"".join([*lines, *apart, *ours])
    end = start + 1
    while end < len(lines) and lines[end].startswith(b"  "):
        end += 1
    return b"".join([*lines[:start], *ours, *lines[end:]])


def _raw(found: Mapping[bytes, tuple[int, bytes]]) -> bytes:
    order = sorted(found.items(), key=lambda item: item[0] + (b"/" if item[1][0] == DIRECTORY else b""))
    return b"".join(b"%o %s\0%s" % (mode, name, sha) for name, (mode, sha) in order)
