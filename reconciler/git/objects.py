"""Reads of raw git objects with a limit on their size, from packs, loose files and alternates. Called by repository.

The size is known before anything is unpacked, so that a blob made of a gigabyte of zeros costs nothing. Replace refs
and grafts are not followed: they are local to one clone, and any machine must read the same history.
"""

# Paths stay text here: a Path object costs as much as the read of a small object.
# ruff: noqa: PTH112, PTH113, PTH123, PTH208
import mmap
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from dulwich.object_format import ObjectFormat
from dulwich.pack import Pack, PackFileDisappeared, apply_delta

from reconciler.model.errors import ReconcilerError, SourceUnavailableError

COMMIT, TREE, BLOB, TAG = 1, 2, 3, 4
_KINDS = {b"commit": COMMIT, b"tree": TREE, b"blob": BLOB, b"tag": TAG}
NAMES = {number: name.decode() for name, number in _KINDS.items()}
_DELTAS = _DELTA_BY_OFFSET, _DELTA_BY_NAME = 6, 7
_SIZES = 32
"""Bytes at the start of a delta that hold the sizes of its base and of what it makes."""
_DELTA_CACHE = 16 << 20
_ALTERNATES_DEPTH = 5


class TooLargeError(ReconcilerError):
    """An object is larger than the reader allows; `size` is in bytes."""

    reason = "TooLarge"

    def __init__(self, message: str, size: int) -> None:
        super().__init__(message)
        self.size = size


class Objects:
    """The object database of one repository. Not for two threads at a time: open one per thread."""

    def __init__(self, folder: Path, fmt: ObjectFormat) -> None:
        self._format = fmt
        self._folders = [str(found) for found in _with_alternates(folder, _ALTERNATES_DEPTH)]
        self._packs: dict[str, _Packed] = {}
        self._scanned = False

    def read(self, name: str, limit: int) -> tuple[int, bytes]:
        """Kind and content of an object of at most `limit` bytes.

        Raises SourceUnavailableError when it is missing or damaged, TooLargeError past the limit.
        """
        try:
            found = self._find(bytes.fromhex(name), limit)
        except ReconcilerError:
            raise
        except Exception as error:
            # What a damaged pack or zlib stream makes the library raise is not to be foreseen, and means one thing.
            raise SourceUnavailableError(
                f"object {name} cannot be read: {type(error).__name__}", hint="see `git fsck`"
            ) from error
        if found is None:
            raise SourceUnavailableError(
                f"object {name} is missing from the repository",
                hint="a partial clone or a damaged one? `git fsck` and a full `git fetch` tell and mend",
            )
        return found

    def has(self, name: str) -> bool:
        """Whether the object is here."""
        sha = bytes.fromhex(name)
        for _attempt in range(2):
            try:
                if self._in_packs(sha) or any(os.path.isfile(path) for path in self._loose_paths(name)):
                    return True
            except (FileNotFoundError, PackFileDisappeared):
                self.close()
            self._scan()
        return False

    def starting(self, prefix: str) -> set[str]:
        """The names of all objects that begin with a hex prefix of at least two digits."""
        self._scan()
        whole = bytes.fromhex(prefix[: len(prefix) // 2 * 2])
        names = {sha.hex() for packed in self._packs.values() for sha in packed.pack.index.iter_prefix(whole)}
        for folder in self._folders:
            fan = f"{folder}/{prefix[:2]}"
            if os.path.isdir(fan):
                names.update(prefix[:2] + rest for rest in os.listdir(fan))
        return {name for name in names if name.startswith(prefix) and len(name) == self._format.hex_length}

    def close(self) -> None:
        """Let go of every file."""
        for packed in self._packs.values():
            packed.close()
        self._packs.clear()
        self._scanned = False

    def _find(self, sha: bytes, limit: int) -> tuple[int, bytes] | None:
        for _attempt in range(2):
            try:
                if (found := self._in_packs(sha)) is not None:
                    packed, offset = found
                    return packed.read(offset, limit)
            except (FileNotFoundError, PackFileDisappeared):
                # `git gc` replaced the packs: everything is in the new ones.
                self.close()
            for path in self._loose_paths(sha.hex()):
                if (loose := _read_loose(path, limit)) is not None:
                    return loose
            self._scan()
        return None

    def _in_packs(self, sha: bytes) -> "tuple[_Packed, int] | None":
        if not self._scanned:
            self._scan()
        for path, packed in self._packs.items():
            offset = packed.offset(sha)
            if offset is not None:
                if len(self._packs) > 1 and next(iter(self._packs)) != path:
                    # The next object asked for most likely lies beside this one.
                    self._packs = {path: self._packs.pop(path), **self._packs}
                return packed, offset
        return None

    def _loose_paths(self, name: str) -> Iterator[str]:
        return (f"{folder}/{name[:2]}/{name[2:]}" for folder in self._folders)

    def _scan(self) -> None:
        """Take up packs that are new, drop those that are gone."""
        self._scanned = True
        present: set[str] = set()
        for folder in self._folders:
            try:
                names = set(os.listdir(f"{folder}/pack"))
            except OSError:
                continue
            present.update(f"{folder}/pack/{n[:-5]}" for n in names if n.endswith(".pack") and f"{n[:-5]}.idx" in names)
        for path in set(self._packs) - present:
            self._packs.pop(path).close()
        for path in present - set(self._packs):
            self._packs[path] = _Packed(path, self._format)


class _Packed:
    """One pack, opened when first asked."""

    def __init__(self, path: str, fmt: ObjectFormat) -> None:
        self.pack = Pack(path, object_format=fmt)
        self._path = path + ".pack"
        self._bytes: mmap.mmap | None = None
        self._id_length = fmt.oid_length
        self._bases: dict[int, tuple[int, bytes]] = {}
        """What deltas build on and make, by offset; the oldest first."""
        self._held = 0

    def offset(self, sha: bytes) -> int | None:
        try:
            return self.pack.index.object_offset(sha)  # type: ignore[arg-type]
        except KeyError:
            return None

    def read(self, offset: int, limit: int) -> tuple[int, bytes]:
        if self._bytes is None:
            with open(self._path, "rb") as file:
                self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        contents = self._bytes
        kind, size, at = _entry_header(contents, offset)
        if kind not in _DELTAS:
            _refuse_past(limit, size)
            return kind, _inflated(contents, at, size)
        if (known := self._bases.get(offset)) is not None:
            _refuse_past(limit, len(known[1]))
            return known
        return self._read_delta(contents, offset, limit)

    def _read_delta(self, contents: mmap.mmap, offset: int, limit: int) -> tuple[int, bytes]:
        """An object that is written as what differs from another, which may be written so too."""
        deltas: dict[int, bytes] = {}
        at = offset
        while (base := self._bases.get(at)) is None:
            kind, size, start = _entry_header(contents, at)
            if kind not in _DELTAS:
                base = self._keep(at, (kind, _inflated(contents, start, size)))
                break
            before, start = self._base_of(contents, kind, at, start)
            deltas[at] = _inflated(contents, start, size, None if deltas else limit)
            if before in deltas:
                raise ValueError("a delta builds on itself")
            at = before
        kind, data = base
        for at, delta in reversed(deltas.items()):
            data = b"".join(apply_delta(data, delta))
            self._keep(at, (kind, data))
        return kind, data

    def _base_of(self, contents: mmap.mmap, kind: int, at: int, start: int) -> tuple[int, int]:
        """Where the base of a delta lies, and where its data begins."""
        if kind == _DELTA_BY_NAME:
            end = start + self._id_length
            base = self.offset(contents[start:end])
            if base is None:
                raise ValueError("the base of a delta is not in its pack")
            return base, end
        back, byte = contents[start] & 0x7F, contents[start]
        while byte & 0x80 and back < at:
            start += 1
            byte = contents[start]
            back = (back + 1 << 7) | (byte & 0x7F)
        if not 0 < back < at:
            raise ValueError("a delta builds on what is not before it")
        return at - back, start + 1

    def _keep(self, offset: int, made: tuple[int, bytes]) -> tuple[int, bytes]:
        self._bases[offset] = made
        self._held += len(made[1])
        while self._held > _DELTA_CACHE:
            self._held -= len(self._bases.pop(next(iter(self._bases)))[1])
        return made

    def close(self) -> None:
        self.pack.close()
        if self._bytes is not None:
            self._bytes.close()
            self._bytes = None


def _entry_header(contents: mmap.mmap, at: int) -> tuple[int, int, int]:
    """Kind, size and the offset behind the header of a pack entry."""
    byte = contents[at]
    kind, size, shift = byte >> 4 & 7, byte & 15, 4
    while byte & 0x80:
        at += 1
        byte = contents[at]
        size |= (byte & 0x7F) << shift
        shift += 7
    return kind, size, at + 1


def _inflated(contents: mmap.mmap, at: int, size: int, limit: int | None = None) -> bytes:
    """The data of a pack entry, as long as its header says; of a delta, what it makes may have at most `limit` bytes.

    Raises TooLargeError, before anything is unpacked; ValueError for another size.
    """
    # Deflate never grows data by more than a few bytes in a thousand.
    packed = contents[at : at + size + size // 64 + 128]
    unpacker = zlib.decompressobj()
    data = b""
    if limit is not None:
        data = unpacker.decompress(packed, _SIZES)
        _base, after = _varint(data, 0)
        _refuse_past(limit, _varint(data, after)[0])
        packed = unpacker.unconsumed_tail
    if len(data) < size or limit is None:
        data += unpacker.decompress(packed, size - len(data) + 1)
    if len(data) != size:
        raise ValueError("a packed object is not as long as its header says")
    return data


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value, at


def _read_loose(path: str, limit: int) -> tuple[int, bytes] | None:
    try:
        with open(path, "rb") as file:
            return _unpack_loose(file, limit)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _unpack_loose(file: BinaryIO, limit: int) -> tuple[int, bytes]:
    unpacker = zlib.decompressobj()
    data = unpacker.decompress(file.read(4096), 64)
    header, nul, _ = data.partition(b"\0")
    word, _, digits = header.partition(b" ")
    if not nul or word not in _KINDS or not digits.isdigit():
        raise ValueError("a loose object has no header")
    size = int(digits)
    _refuse_past(limit, size)
    want = size + len(header) + 1
    rest = unpacker.unconsumed_tail + file.read(want + want // 64 + 128)
    data += unpacker.decompress(rest, want - len(data) + 1)
    if len(data) != want:
        raise ValueError("a loose object is not as long as its header says")
    return _KINDS[word], data[len(header) + 1 :]


def _refuse_past(limit: int, size: int) -> None:
    if size > limit:
        raise TooLargeError(f"{size:,} bytes, more than the limit of {limit:,}", size)


def _with_alternates(folder: Path, depth: int) -> Iterator[Path]:
    """The object folder and, behind it, the ones it borrows from."""
    yield folder
    try:
        lines = (folder / "info" / "alternates").read_bytes().splitlines()
    except OSError:
        return
    for line in lines:
        if line and not line.startswith(b"#") and depth:
            yield from _with_alternates(folder / os.fsdecode(line), depth - 1)
