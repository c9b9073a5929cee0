"""The bytes of a file before YAML reads them, and what to say when YAML cannot. Called by core/document."""

from typing import Final

from reconciler.core._document_marks import Position

QUOTE: Final = 'an unquoted template is a mapping in YAML: quote it, "{{ ... }}"'
_BOM = b"\xef\xbb\xbf"
_NEVER_PLAIN = ("@", "`", "%")
"""What no unquoted text starts with."""


class UnreadableError(Exception):
    """The file cannot be read any further; `str()` is the message."""

    def __init__(self, message: str, position: Position) -> None:
        super().__init__(message)
        self.position = position


def checked(data: bytes, size: int) -> bytes:
    """The bytes without a byte order mark, once they are known to be UTF-8 text of at most `size` bytes.

    Raises UnreadableError.
    """
    if len(data) > size:
        raise UnreadableError(f"the file has {len(data):,} bytes; {size:,} are allowed", (1, 1))
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise UnreadableError("the file is UTF-16: save it as UTF-8", (1, 1))
    data = data.removeprefix(_BOM)
    nul = data.find(b"\0")
    if nul >= 0:
        raise UnreadableError("a NUL byte: the file is not UTF-8 text", position(data, nul))
    try:
        data.decode()
    except UnicodeDecodeError as error:
        raise UnreadableError("not UTF-8 text", position(data, error.start)) from None
    return data


def position(data: bytes, offset: int) -> Position:
    """Line and column, from 1, of a byte."""
    head = data[:offset]
    return head.count(b"\n") + 1, len(head[head.rfind(b"\n") + 1 :].decode(errors="replace")) + 1


def syntax(raw: bytes, said: str, where: Position) -> tuple[str, Position]:
    """Our message for what the parser could not read and where; `where` counts from 0, `said` never quotes the file."""
    row, column = where
    lines = raw.decode().splitlines()
    conflict = next((n for n, line in enumerate(lines, 1) if line.startswith("<<<<<<< ")), None)
    if conflict:
        return "a merge conflict that is not resolved", (conflict, 1)
    line = lines[row] if row < len(lines) else ""
    char = line[column : column + 1]
    if char == "\t" or "\t" in line[: len(line) - len(line.lstrip())]:
        message = "a tab: YAML is indented with spaces"
    elif "{{" in line:
        message = f"not YAML: {said}; {QUOTE}"
    else:
        message = f"not YAML: {said}{': quote the text' if char in _NEVER_PLAIN and char else ''}"
    return message, (row + 1, column + 1)
