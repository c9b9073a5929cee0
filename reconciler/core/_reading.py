"""The bytes of a code file as a parsed module, whatever they are. Called by core/_modules."""

import ast
import re
import sys
import threading
import warnings
from dataclasses import dataclass
from functools import lru_cache

from reconciler.core._names import Module, bind

MAX_BYTES = 1 << 20
"""Of one code file."""
MAX_TOKENS = 250_000
"""Of one code file: a parsed token takes up to two kilobytes."""
MAX_EXPRESSION = 2_000
_CACHED = 1 << 17
"""Files up to this size stay parsed for the next entrypoint in them."""
_SHOWN = 80


@dataclass(frozen=True, slots=True)
class EntrypointProblem:
    """Why an entrypoint is refused: what and where, and what to do about it."""

    message: str
    hint: str = ""
    path: str | None = None
    """The code file, when the fault lies in one."""
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        """The message and the hint on one line."""
        return f"{self.message}: {self.hint}" if self.hint else self.message


@dataclass(frozen=True, slots=True)
class Newer:
    """A file whose syntax this Python does not know yet; the note names both."""

    note: str


def parse(path: str, data: bytes) -> Module | EntrypointProblem | Newer:
    """Parse the bytes of a file; never raises, never warns."""
    return _parse_again(path, data) if len(data) <= _CACHED else _parse(path, data)


def _parse(path: str, data: bytes) -> Module | EntrypointProblem | Newer:
    text = _decode(path, data)
    if isinstance(text, EntrypointProblem):
        return text
    try:
        tree = _quietly(text)
    except SyntaxError as error:
        return _syntax(path, text, error)
    except (RecursionError, MemoryError):
        return EntrypointProblem(f"{path} is nested too deeply to be read", "split its longest expression", path)
    except (ValueError, OverflowError) as error:
        return EntrypointProblem(f"{path} is not Python: {str(error)[:_SHOWN]}", path=path)
    module = Module(path, text, tree)
    bind(tree.body, module.names, module.stars)
    return module


_parse_again = lru_cache(maxsize=4)(_parse)


def expression(text: str) -> ast.expr | None:
    """Parse one expression, such as an annotation in quotes; None when it is none, or too long."""
    if len(text) > MAX_EXPRESSION:
        return None
    try:
        body = _quietly(text.strip()).body
    except (SyntaxError, RecursionError, MemoryError, ValueError, OverflowError):
        return None
    return body[0].value if len(body) == 1 and isinstance(body[0], ast.Expr) else None


_ENCODINGS = re.compile(r"utf-?8(-sig)?|ascii|us-ascii|latin-?1|iso-?8859-?\d{1,2}|cp\d{3,4}|windows-\d{4}|koi8-[ru]")
_COOKIE = re.compile(rb"[ \t\f]*#.{0,100}?coding[:=][ \t]*([-\w.]{1,40})")
_TOKEN = re.compile(rb"\w+|[^\w\s]")


def _decode(path: str, data: bytes) -> str | EntrypointProblem:
    if len(data) > MAX_BYTES:
        return EntrypointProblem(f"{path} is larger than 1 MiB", "move the flow into a file of its own", path)
    if data.startswith(b"version https://git-lfs"):
        return EntrypointProblem(f"{path} is a Git LFS pointer, not code", "keep code out of LFS", path)
    if b"\0" in data:
        return EntrypointProblem(f"{path} is not Python: it holds NUL bytes", path=path)
    if len(data) > MAX_TOKENS and sum(1 for _ in _TOKEN.finditer(data)) > MAX_TOKENS:
        return EntrypointProblem(f"{path} has too much code to be read", "move the flow into a file of its own", path)
    encoding = _encoding(data)
    if not _ENCODINGS.fullmatch(encoding):
        return EntrypointProblem(f"{path} is encoded as {encoding!r}", "save it as UTF-8", path, 1, 1)
    try:
        text = data.decode("utf-8-sig" if encoding.startswith("utf") else encoding)
    except (UnicodeDecodeError, LookupError):
        return EntrypointProblem(f"{path} is not text in {encoding}", "save it as UTF-8", path)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _encoding(data: bytes) -> str:
    """The encoding that the first two lines name (PEP 263), else UTF-8."""
    for line in data[:1000].split(b"\n")[:2]:
        cookie = _COOKIE.match(line)
        if cookie:
            return cookie[1].decode("ascii", "replace").lower().replace("_", "-")
        if line.strip() and not line.lstrip().startswith(b"#"):
            break
    return "utf-8"


_WARNINGS = threading.Lock()


def _quietly(text: str) -> ast.Module:
    """Parse without the warnings that invalid escapes and the like give: they are the author's, not the daemon's."""
    with _WARNINGS, warnings.catch_warnings():  # warning filters belong to the process, not to the thread
        warnings.simplefilter("ignore")
        return ast.parse(text)


_HEADER = r"\s*(?:async\s+def|def|class|type)\s+\w+\s*"
_LATER = (
    ((3, 13), re.compile(_HEADER + r"\[[^\]]*="), "a default of a type parameter"),
    ((3, 12), re.compile(_HEADER + r"\["), "a type parameter"),
    ((3, 12), re.compile(r"\s*type\s+\w+\s*="), "`type X = …`"),
    ((3, 14), re.compile(r"\s*except\*?\s+[\w.]+\s*,"), "`except A, B`"),
    ((3, 14), re.compile(r".*?\b(?:t|tr|rt)[\"']", re.IGNORECASE), "a template string"),
)
_FSTRING = (3, 12)
_OPENED = re.compile(r"""\b[rR]?[fF][rR]?(["'])[^"']*\{""")
_QUOTES = 4
"""Of one kind on a line, when an f-string holds its own quotes."""
_BROKEN_LINE = re.compile(r"""\b[rR]?[fF][rR]?["'][^"']*\{[^}"']*$""")


def _syntax(path: str, text: str, error: SyntaxError) -> EntrypointProblem | Newer:
    line, column = max(error.lineno or 1, 1), max(error.offset or 1, 1)
    lines = text.split("\n")
    wrong = lines[line - 1][:1000] if line <= len(lines) else ""
    later = _later(wrong, error.msg or "")
    if later:
        needs, what = later
        ours = ".".join(map(str, sys.version_info[:2]))
        return Newer(f"{path}:{line}: {what} needs Python {needs[0]}.{needs[1]} or newer, this daemon runs {ours}")
    message = "".join(c if c.isprintable() else "?" for c in (error.msg or "invalid syntax")[:_SHOWN])
    return EntrypointProblem(f"{path}:{line}:{column}: syntax error: {message}", "", path, line, column)


def _later(line: str, message: str) -> tuple[tuple[int, int], str] | None:
    """The Python that knows this syntax and its name, when it is one newer than ours."""
    for needs, shape, what in _LATER:
        if sys.version_info < needs and shape.match(line):
            return needs, what
    if sys.version_info >= _FSTRING:
        return None
    opened = _OPENED.search(line)
    reused = opened is not None and line.count(opened[1]) >= _QUOTES
    nested = reused and message.startswith(("f-string: unmatched", "f-string: expecting"))
    broken = message.startswith("unterminated string") and _BROKEN_LINE.search(line)
    if nested or broken or message.startswith("f-string expression part cannot include"):
        return _FSTRING, "this f-string"
    return None
