"""Git notes: a block of text on each of some commits, beside what people note there. Called by daemon/notes.

Notes are a branch of their own: a tree of one file per commit, named by its id, in folders once there are many. Other
writers are met by compare-and-swap: what they wrote meanwhile is read, and our blocks are laid over that.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from reconciler.git.objects import BLOB, TooLargeError
from reconciler.git.repository import Repository
from reconciler.git.tree import DIRECTORY, FILE, entries
from reconciler.git.writing import Person, Writing, entry
from reconciler.model.errors import ConflictError, SourceUnavailableError

REF = "refs/notes/reconciler"
TITLE = "reconciler:"
"""The first line of our block; the lines behind it are indented. Only these are ever replaced."""
TRIES = 8
MOST_BYTES = 1 << 20
"""Of a note; a longer one is left as it is."""
_CROWD = 256
"""Names in one folder from which on new ones go to a folder below; git reads any mixture."""
WHO = Person("reconciler", "reconciler@localhost")


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
    if repo.refs.symbolic(REF):
        raise SourceUnavailableError(f"{REF} leads to another ref, which is not ours to write", hint="remove it")
    before = repo.refs.read(REF)
    ours = {name: block for name, block in blocks.items() if _is_commit(repo, name)}
    edit = _Edit(repo, Writing(repo))
    try:
        old = repo.commit(before).tree if before else None
        tree = edit.folder(old, {name.encode(): block for name, block in ours.items()})
    except ValueError as error:
        raise SourceUnavailableError(f"the notes that are there cannot be read: {error}") from error
    if not edit.changed or tree is None:
        return 0
    commit = edit.writing.commit(tree, before, WHO, f"{at} +0000", "Results of runs")
    edit.writing.finish()
    return edit.changed if repo.refs.swap(REF, before, commit) else None


def _is_commit(repo: Repository, name: str) -> bool:
    try:
        repo.links(name)
    except (SourceUnavailableError, TooLargeError):
        return False
    return True


@dataclass(slots=True)
class _Edit:
    """One change of the tree of notes."""

    repo: Repository
    writing: Writing
    changed: int = 0

    def folder(self, tree: str | None, blocks: Mapping[bytes, str]) -> str | None:
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
                found[rest] = (FILE, bytes.fromhex(note))
        for name, inside in below.items():
            mode, sha = found.get(name, (0, b""))
            made = self.folder(sha.hex() if mode == DIRECTORY else None, inside)
            if made is not None:
                found[name] = (DIRECTORY, bytes.fromhex(made))
        if not self.changed:
            return None
        return self.writing.tree({name: (mode, entry(name, mode, sha)) for name, (mode, sha) in found.items()})

    def note(self, blob: str | None, block: str) -> str | None:
        """The id of a note with the block in its place; None where nothing changes."""
        try:
            before = self.repo.blob(blob, MOST_BYTES) if blob else b""
        except TooLargeError:
            return None
        after = laid(before, block)
        if after == before:
            return None
        self.changed += 1
        return self.writing.put(BLOB, after)


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
