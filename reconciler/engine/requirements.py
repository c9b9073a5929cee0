"""What a requirements file asks for, as a digest of everything its meaning hangs on. Called by engine/environments.

The text of the file, of the files it includes, and the bytes of what it names by path: a package that lies in the
repository is another one when its code changes. What lies on an index or a server is named, not read.
"""

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from reconciler.model.errors import StepError

FILES = 32
"""Requirements files that one may include."""
_FILE_BYTES = 1 << 20
_PATH_FILES, _PATH_BYTES = 20_000, 1 << 30
_SKIPPED = {".git", "__pycache__", ".hg", ".svn"}
_ARCHIVES = (".whl", ".zip", ".tar.gz", ".tgz", ".tar.bz2", ".tbz", ".tar.xz", ".txz", ".tar")
_INCLUDE = re.compile(r"(?:-r|-c|--requirement|--constraint)(?:\s*=\s*|\s+|(?<=-[rc]))(.+)")
_EDITABLE = re.compile(r"(?:-e|--editable)(?:\s*=\s*|\s+)(.+)")
_LINKS = re.compile(r"(?:-f|--find-links)(?:\s*=\s*|\s+)(.+)")
_COMMENT = re.compile(r"(?:^|\s+)#.*$")
_REMOTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?!\\)")


@dataclass(frozen=True, slots=True)
class Requirements:
    """One requirements file, the folder from which it is installed, and its digest."""

    directory: Path
    file: Path
    digest: str

    def json(self) -> dict[str, str]:
        """As it is handed over."""
        return {"directory": str(self.directory), "file": str(self.file), "digest": self.digest}

    @classmethod
    def load(cls, data: dict[str, Any]) -> "Requirements":
        """The inverse of `json`."""
        return cls(Path(data["directory"]), Path(data["file"]), data["digest"])


def read(directory: Path, name: str) -> Requirements:
    """The requirements file `name` of a folder. Raises StepError when it cannot be read or may not be installed."""
    reading = _Reading(directory)
    reading.file(directory / name, name)
    return Requirements(directory, directory / name, reading.sum.hexdigest())


@dataclass(slots=True)
class _Reading:
    """One requirements file and all that it includes."""

    directory: Path
    sum: Any = field(default_factory=hashlib.sha256)
    seen: set[Path] = field(default_factory=set)
    files: int = 0
    size: int = 0

    def add(self, kind: str, data: bytes) -> None:
        self.sum.update(f"{kind} {len(data)}\0".encode())
        self.sum.update(data)

    def file(self, path: Path, shown: str) -> None:
        """Add a requirements file and what it names."""
        place = Path(os.path.abspath(path))  # noqa: PTH100 - `..` goes, links stay
        if place in self.seen:
            return
        self.seen.add(place)
        if len(self.seen) > FILES:
            raise StepError(f"{shown}: more than {FILES} requirements files include each other")
        data = _bytes(path, shown)
        self.add("file", data)
        for line in _lines(data.decode("utf-8", "surrogateescape")):
            self.line(line, path.parent, shown)

    def line(self, line: str, folder: Path, shown: str) -> None:
        """Add what one line names on this machine."""
        if found := _INCLUDE.fullmatch(line):
            if not _REMOTE.match(found[1]):
                self.file(folder / found[1], found[1])
        elif found := _EDITABLE.fullmatch(line):
            if not _REMOTE.match(found[1]):
                raise StepError(
                    f"{shown}: '-e {found[1][:100]}' would point into this run's folder, which goes with the run",
                    hint="leave the '-e' away: a package by its path is installed anew when its code changes",
                )
        elif found := _LINKS.fullmatch(line):
            if not _REMOTE.match(found[1]) and not found[1].startswith("/"):
                place = folder / found[1]
                self.path(place if place.exists() else self.directory / found[1], shown)
        elif (place_named := _path(line)) is not None:
            self.path(self.directory / place_named, shown)

    def path(self, path: Path, shown: str) -> None:
        """Add the names and bytes of a file, or of every file below a folder; nothing where there is neither."""
        for name, file in _below(path):
            self.files += 1
            self.size += file.stat().st_size
            if self.files > _PATH_FILES or self.size > _PATH_BYTES:
                raise StepError(
                    f"{shown}: {path.name!r} is too large to be told from another version of it",
                    hint="name a smaller folder, or a wheel",
                )
            self.add(f"path {name}", file.read_bytes())


def _bytes(path: Path, shown: str) -> bytes:
    try:
        if not path.is_file():
            raise StepError(f"there is no requirements file {shown!r} in {path.parent.name or '/'}")
        with path.open("rb") as file:
            data = file.read(_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        raise StepError(f"the requirements file {shown!r} cannot be read: {error}") from None
    if len(data) > _FILE_BYTES:
        raise StepError(f"the requirements file {shown!r} is larger than 1 MiB")
    return data


def _lines(text: str) -> Iterator[str]:
    """Logical lines as pip reads them: continued by a backslash, without comments."""
    for line in re.sub(r"\\\r?\n", " ", text).splitlines():
        if plain := _COMMENT.sub("", line).strip():
            yield plain


def _path(line: str) -> str | None:
    """The path on this machine that a requirement names: `./pkg[extra]`, `pkg.whl`, `name @ file:///x`."""
    named = re.split(r"\s+;|\s+--", line)[0].strip()
    named = named.partition(" @ ")[2].strip() or named
    if named.startswith("file:"):
        return unquote(urlsplit(named).path)
    plain = re.sub(r"\[[^\]]*\]$", "", named)
    if plain.startswith("-") or _REMOTE.match(plain):
        return None
    return plain if "/" in plain or plain.startswith(".") or plain.lower().endswith(_ARCHIVES) else None


def _below(path: Path) -> Iterator[tuple[str, Path]]:
    if path.is_file():
        yield path.name, path
        return
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(set(folders) - _SKIPPED)
        for name in sorted(names):
            file = Path(folder, name)
            if file.is_file():
                yield str(file.relative_to(path)), file
