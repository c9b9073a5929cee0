"""One commit as a value, from its raw bytes. Called by repository; read by history, checkout and provenance."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

_PERSON = re.compile(rb"(?P<name>.*?) ?<(?P<email>[^<>]*)> (?P<at>-?\d{1,12})(?: [+-]\d{1,7})?$")
_NO_ENCODING = re.compile("(?i)puny|escape")
"""Codecs of Python that no history was written in: one needs the square of the time, the others invent characters."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit. Texts are decoded leniently: a history holds whatever people once typed."""

    id: str
    tree: str
    parents: tuple[str, ...]
    author: str
    author_email: str
    authored_at: datetime
    committed_at: datetime
    message: str

    @property
    def subject(self) -> str:
        """The first paragraph's first line."""
        return self.message.lstrip("\n").partition("\n")[0].rstrip()


def parse_links(raw: bytes) -> tuple[str, tuple[str, ...]]:
    """Tree and parents, read as git reads them: the first line and the `parent` lines right behind it.

    Raises ValueError for anything else.
    """
    if raw[:5] != b"tree ":
        raise ValueError("a commit that does not begin with its tree")
    end = raw.index(b"\n")
    tree, parents = raw[5:end].decode("ascii"), []
    while raw.startswith(b"parent ", end + 1):
        start, end = end + 8, raw.index(b"\n", end + 1)
        parents.append(raw[start:end].decode("ascii"))
    return tree, tuple(parents)


def parse(name: str, raw: bytes) -> Commit:
    """The commit of these bytes. Raises ValueError when they are none."""
    tree, parents = parse_links(raw)
    head, _, body = raw.partition(b"\n\n")
    lines = dict.fromkeys((b"author", b"committer", b"encoding"), b"")
    for line in head.split(b"\n"):
        word, _, rest = line.partition(b" ")
        if lines.get(word) == b"":
            lines[word] = rest
    encoding = lines[b"encoding"].decode("ascii", "replace") or "utf-8"
    author, email, authored = _person(lines[b"author"], encoding)
    _name, _email, committed = _person(lines[b"committer"], encoding)
    return Commit(name, tree, parents, author, email, authored, committed, _text(body, encoding))


def _person(line: bytes, encoding: str) -> tuple[str, str, datetime]:
    match = _PERSON.fullmatch(line)
    if match is None:
        return _text(line, encoding), "", _EPOCH
    try:
        at = datetime.fromtimestamp(int(match["at"]), UTC)
    except (ValueError, OverflowError, OSError):
        at = _EPOCH
    return _text(match["name"], encoding), _text(match["email"], encoding), at


def _text(raw: bytes, encoding: str) -> str:
    try:
        return raw.decode("utf-8" if _NO_ENCODING.search(encoding) else encoding, "replace")
    except (LookupError, ValueError):
        return raw.decode("utf-8", "replace")
