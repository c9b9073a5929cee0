"""Trees by their raw bytes: what differs between two, one entry, all entries. Called by history, checkout, daemon.

Two versions of a directory mostly share all but one entry. So the common prefix is skipped by comparing slices, the
walk starts again at the entry that holds the first differing byte, and only what lies between is parsed.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.git.repository import Repository
from reconciler.model.errors import SourceUnavailableError

DIRECTORY, SYMLINK, GITLINK = 0o040000, 0o120000, 0o160000
FILE, EXECUTABLE = 0o100644, 0o100755
ENTRY_LIMIT = 200_000
DEPTH_LIMIT = 100

_MODE = re.compile(rb"[0-7]{1,7} ")
_WINDOW = 4096
_HEAD_OF_WINDOW = 256
_FIRST_STRIDE = 64


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in a tree."""

    path: str
    """From the top of the tree, `/` between names."""
    mode: int
    """One of DIRECTORY, FILE, EXECUTABLE, SYMLINK, GITLINK, as git reads odd ones."""
    id: str


Raw = tuple[int, bytes]
"""Mode and binary id of one name."""
Change = tuple[bytes, Raw | None, Raw | None]
"""A name in one directory, before and after."""


def diff(repo: Repository, before: str | None, after: str | None) -> Iterator[tuple[str, Entry | None, Entry | None]]:
    """Files, symlinks and submodules that differ between two trees by id (None is the empty tree), in tree order.

    A file that became a directory is one removal and then additions. Raises SourceUnavailableError past 100 levels.
    """
    if before != after:
        yield from _diff(repo, b"", before, after)


def lookup(repo: Repository, tree: str, path: str) -> Entry | None:
    """The entry at a path (no leading slash), or None. The top itself (`""` or `.`) is a directory."""
    if path in ("", "."):
        return Entry("", DIRECTORY, tree)
    found: Raw | None = (DIRECTORY, bytes.fromhex(tree))
    for name in _encode(path).split(b"/"):
        if found is None or found[0] != DIRECTORY:
            return None
        found = find(repo.tree_bytes(found[1].hex()), name, repo.format.oid_length)
    return Entry(path, found[0], found[1].hex()) if found else None


def walk(repo: Repository, tree: str, under: str = "") -> Iterator[Entry]:
    """Every file, symlink and submodule of a tree below a folder (or the one file of that path), in tree order.

    Raises SourceUnavailableError past 200,000 entries or 100 levels: a tree of ten objects can name a billion files.
    """
    top = lookup(repo, tree, under)
    if top is None:
        return
    if top.mode != DIRECTORY:
        yield top
        return
    count = 0
    stack = [iter(_listing(repo, _encode(top.path), top.id))]
    while stack:
        for path, (mode, name) in stack[-1]:
            count += 1
            if count > ENTRY_LIMIT:
                raise SourceUnavailableError(f"tree {tree[:12]} has more than {ENTRY_LIMIT:,} entries")
            if mode == DIRECTORY:
                _check_depth(path)
                stack.append(iter(_listing(repo, path, name.hex())))
                break
            yield Entry(_decode(path), mode, name.hex())
        else:
            stack.pop()


def changes(before: bytes, after: bytes, id_length: int) -> Iterator[Change]:
    """Names whose mode or id differs between two raw trees, in tree order. Raises ValueError for malformed trees."""
    at, bt = 0, 0
    while at < len(before) or bt < len(after):
        at, bt = _skip_equal(before, after, (at, bt), id_length)
        left = entry_at(before, at, id_length) if at < len(before) else None
        right = entry_at(after, bt, id_length) if bt < len(after) else None
        if left and right:
            if left[:3] == right[:3]:
                at, bt = left[3], right[3]
                continue
            if left[0] == right[0] and (left[1] == DIRECTORY) == (right[1] == DIRECTORY):
                at, bt = left[3], right[3]
                yield left[0], left[1:3], right[1:3]
                continue
        if right is None or (left is not None and _order(left) < _order(right)):
            if left is None:
                return
            at = left[3]
            yield left[0], left[1:3], None
        else:
            bt = right[3]
            yield right[0], None, right[1:3]


def find(raw: bytes, name: bytes, id_length: int) -> Raw | None:
    """Mode and id of one name in a raw tree."""
    needle = b" " + name + b"\0"
    at = 0
    while (hit := raw.find(needle, at)) >= 0:
        # The same bytes may lie in an id or in a longer name: take the entry that really begins here.
        start = _entry_start(raw, hit, 0, id_length)
        mode, entry, sha, _end = _fields(raw, start, id_length)
        if entry == name:
            return mode, sha
        at = hit + 1
    return None


def entries(raw: bytes, id_length: int) -> Iterator[tuple[bytes, int, bytes]]:
    """Every name of a raw tree with its mode and binary id. Raises ValueError for a malformed one."""
    at = 0
    while at < len(raw):
        mode, name, sha, at = _fields(raw, at, id_length)
        yield name, mode, sha


def entry_at(raw: bytes, at: int, id_length: int) -> tuple[bytes, int, bytes, int]:
    """Name, mode, id and end of the entry that begins at an offset."""
    mode, name, sha, end = _fields(raw, at, id_length)
    return name, mode, sha, end


def _fields(raw: bytes, at: int, id_length: int) -> tuple[int, bytes, bytes, int]:
    space = raw.index(b" ", at, at + 9)
    nul = raw.index(b"\0", space)
    end = nul + 1 + id_length
    if end > len(raw):
        raise ValueError("a tree that ends inside an entry")
    return _canonical(int(raw[at:space], 8)), raw[space + 1 : nul], raw[nul + 1 : end], end


def _canonical(mode: int) -> int:
    kind = mode & 0o170000
    if kind == 0o100000:  # noqa: PLR2004 - S_IFREG
        return EXECUTABLE if mode & 0o100 else FILE
    return kind if kind in (DIRECTORY, SYMLINK) else GITLINK


def _order(entry: tuple[bytes, int, bytes, int]) -> bytes:
    return entry[0] + b"/" if entry[1] == DIRECTORY else entry[0]


def _skip_equal(before: bytes, after: bytes, start: tuple[int, int], id_length: int) -> tuple[int, int]:
    """The next two entries that may differ, from two entry starts."""
    at, bt = start
    equal = _common(before, after, at, bt)
    if equal == 0:
        return start
    if at + equal == len(before) or bt + equal == len(after):
        # One side is used up: its end is an entry's end, so the other side stands at an entry too.
        return at + equal, bt + equal
    here = _entry_start(before, at + equal, at, id_length)
    return here, bt + here - at


def _common(before: bytes, after: bytes, at: int, bt: int) -> int:
    """How many bytes two buffers share from two offsets."""
    length = min(len(before) - at, len(after) - bt)
    done, stride = 0, _FIRST_STRIDE
    while done < length:
        step = min(stride, length - done)
        if before[at + done : at + done + step] != after[bt + done : bt + done + step]:
            break
        done, stride = done + step, stride * 4
    else:
        return length
    low, high = done, done + step
    while high - low > 1:
        middle = (low + high) // 2
        if before[at + low : at + middle] == after[bt + low : bt + middle]:
            low = middle
        else:
            high = middle
    return low


def _entry_start(raw: bytes, at: int, known: int, id_length: int) -> int:
    """The start of the entry that holds byte `at`, from an entry start at or before it.

    Far from `known`, entries are picked up again inside a window: every place that could be an entry's start is
    followed to `at`. The true start is among them, so if all agree after at least one step (a place itself may be a
    digit early) the answer is certain; else parse from `known`.
    """
    low = at - _WINDOW
    if low > known:
        head = raw[low : low + _HEAD_OF_WINDOW + 8]
        places = {low + m.start() for m in _MODE.finditer(head)}
        places |= {low + m.start() + 1 + id_length for m in re.finditer(rb"\0", head[:_HEAD_OF_WINDOW])}
        reached = {end for place in places if (end := _follow(raw, place, at, id_length)) is not None}
        if len(reached) == 1 and not reached & places:
            return reached.pop()
    start = known
    while (end := raw.index(b"\0", start) + 1 + id_length) <= at:
        start = end
    return start


def _follow(raw: bytes, start: int, at: int, id_length: int) -> int | None:
    """From a supposed entry start, the one that holds `at`; None when the chain breaks."""
    while _MODE.match(raw, start):
        nul = raw.find(b"\0", start)
        if nul < 0:
            return None
        end = nul + 1 + id_length
        if end > at:
            return start
        start = end
    return None


def _diff(
    repo: Repository, folder: bytes, before: str | None, after: str | None
) -> Iterator[tuple[str, Entry | None, Entry | None]]:
    _check_depth(folder)
    for name, old, new in _changes(repo, before, after):
        path = folder + name
        left = _leaf(path, old)
        right = _leaf(path, new)
        if left or right:
            yield _decode(path), left, right
        else:
            yield from _diff(repo, path + b"/", old and old[1].hex(), new and new[1].hex())


def _changes(repo: Repository, before: str | None, after: str | None) -> Iterator[Change]:
    old = repo.tree_bytes(before) if before else b""
    new = repo.tree_bytes(after) if after else b""
    try:
        yield from changes(old, new, repo.format.oid_length)
    except ValueError as error:
        raise SourceUnavailableError(f"tree {after or before} is malformed") from error


def _leaf(path: bytes, raw: Raw | None) -> Entry | None:
    return Entry(_decode(path), raw[0], raw[1].hex()) if raw and raw[0] != DIRECTORY else None


def _listing(repo: Repository, folder: bytes, tree: str) -> Iterator[tuple[bytes, Raw]]:
    prefix = folder + b"/" if folder else b""
    try:
        for name, mode, sha in entries(repo.tree_bytes(tree), repo.format.oid_length):
            yield prefix + name, (mode, sha)
    except ValueError as error:
        raise SourceUnavailableError(f"tree {tree} is malformed") from error


def _check_depth(path: bytes) -> None:
    if path.count(b"/") > DEPTH_LIMIT:
        raise SourceUnavailableError(f"a tree of more than {DEPTH_LIMIT} levels")


def _encode(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def _decode(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")
