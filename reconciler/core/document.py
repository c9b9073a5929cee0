"""The only door to YAML: bytes of a hostile file to plain JSON data, or located faults. Called by core/parse.

Small and plain files are composed in C (core/_document_nodes). All others are read as libyaml's *events* and composed
here, within bounds: without marks first; only a file with something to tell is read again with marks.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import yaml
from yaml.cyaml import CParser  # type: ignore[attr-defined]
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)

from reconciler.core._document_bytes import QUOTE, UnreadableError, checked, position, syntax
from reconciler.core._document_marks import Marks, Path, Position, clip
from reconciler.core._document_nodes import Plain, plain
from reconciler.core._document_scalars import NUMERIC, WORDS, Ambiguous, ScalarError, number
from reconciler.model.plan import Json

__all__ = ["DEFAULT", "Ambiguous", "Document", "Fault", "Limits", "Marks", "load"]

_ABSENT = object()


@dataclass(frozen=True, slots=True)
class Limits:
    """What one file may cost."""

    size: int = 1 << 20
    """Bytes."""
    nodes: int = 50_000
    """Scalars, lists and mappings, aliases expanded."""
    depth: int = 64
    digits: int = 4_300
    """Of an integer."""


DEFAULT = Limits()


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is wrong with the YAML itself; line and column count from 1."""

    path: Path
    line: int
    column: int
    message: str


@dataclass(frozen=True)
class Document:
    """One YAML file as data. With faults, `data` is what could be read; when `broken`, nothing could."""

    file: str
    raw: bytes
    data: Json
    limits: Limits = DEFAULT
    faults: tuple[Fault, ...] = ()
    broken: bool = False
    ambiguous: bool = False
    """Whether any value is `Ambiguous` text."""
    lines: tuple[int, ...] = ()
    """The line of each item of the top-level list `deployments`."""
    plain: Plain | None = None
    """The file as composed in C, where it was."""

    @cached_property
    def marks(self) -> Marks:
        """Positions of everything; reads the file again."""
        marks = Marks()
        if not self.broken:
            _Composer(self.raw, self.limits, marks).document()
        return marks

    def locate(self, path: Path) -> Position:
        """Line and column of a value, or of its nearest parent when it is absent."""
        return self.plain.locate(path) if self.plain else self.marks.locate(path)


NOTHING = Document("", b"", None)


class _AgainError(Exception):
    """A fault was met while composing without marks: read again with them."""


def load(data: bytes, file: str, *, limits: Limits = DEFAULT) -> Document:
    """Read one file. Never raises for what is in it: faults are in the answer.

    The data holds None, bool, int, float, str (`Ambiguous` where YAML 1.1 reads something else), list and dict.
    """
    try:
        raw = checked(data, limits.size)
        found = plain(raw, nodes=limits.nodes, depth=limits.depth, digits=limits.digits)
        if found:
            return Document(file, raw, found.data, limits, ambiguous=found.ambiguous, lines=found.lines, plain=found)
        composer = _Composer(raw, limits, None)
        try:
            value = composer.document()
        except _AgainError:
            composer = _Composer(raw, limits, Marks())
            value = composer.document()
    except UnreadableError as error:
        return _broken(file, data, str(error), error.position)
    except yaml.reader.ReaderError as error:
        return _broken(file, data, f"{error.reason}", position(raw, int(error.position)))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = (mark.line, mark.column) if mark else (0, 0)
        return _broken(file, data, *syntax(raw, f"{error.problem} {error.context or ''}".strip(), where))
    faults, lines = tuple(composer.faults), tuple(composer.lines)
    return Document(file, raw, value, limits, faults=faults, ambiguous=composer.ambiguous, lines=lines)


def _broken(file: str, raw: bytes, message: str, position: Position) -> Document:
    return Document(file, raw, None, faults=(Fault((), *position, message),), broken=True)


class _Composer:
    """Builds data from events, counting what it costs; with marks it also collects positions and every fault."""

    def __init__(self, raw: bytes, limits: Limits, marks: Marks | None) -> None:
        self.get: Callable[[], Any] = CParser(raw).get_event
        self.limits = limits
        self.left = limits.nodes
        self.marks = marks
        self.path: list[str | int] = []
        self.faults: list[Fault] = []
        self.lines: list[int] = []
        self.ambiguous = False
        self.listing = False
        """Whether the top-level key `deployments` is being read."""
        self.anchors: dict[str, Json] = {}
        self.anchored: dict[str, Path] = {}
        self.open: set[str] = set()

    def document(self) -> Json:
        """The one document of the stream; None for an empty one."""
        self.get()
        if type(self.get()) is StreamEndEvent:
            return None
        value = self.node(self.get(), 0)
        self.get()
        event = self.get()
        if type(event) is DocumentStartEvent:
            raise UnreadableError("a second document (`---`): a spec file holds one", _at(event))
        return value

    def fault(self, event: Any, message: str, *key: str) -> None:
        """Note a fault at an event (of a `key` below the path); without marks, ask for a reading with them."""
        if self.marks is None:
            raise _AgainError
        self.faults.append(Fault((*self.path, *key), *_at(event), message))

    def node(self, event: Any, depth: int) -> Json:
        """The value that starts with an event."""
        self.left -= 1
        if self.left < 0:
            raise UnreadableError(f"over {self.limits.nodes:,} values (aliases expanded)", _at(event))
        if self.marks is not None:
            self.marks.values[tuple(self.path)] = _at(event)
        if type(event) is AliasEvent:
            return self.alias(event, depth)
        if event.tag is not None:
            self.fault(event, "tags (`!...`) are not read: write the plain value")
        return self.value(event, depth) if event.anchor is None else self.anchored_value(event, depth)

    def value(self, event: Any, depth: int) -> Json:
        """A scalar, mapping or list."""
        kind = type(event)
        if kind is ScalarEvent:
            return self.scalar(event)
        if depth >= self.limits.depth:
            raise UnreadableError(f"nested over {self.limits.depth} deep", _at(event))
        return self.mapping(event, depth + 1) if kind is MappingStartEvent else self.sequence(depth + 1)

    def anchored_value(self, event: Any, depth: int) -> Json:
        """A value with an anchor, known to aliases once it is complete."""
        anchor = event.anchor
        self.open.add(anchor)
        self.anchored[anchor] = tuple(self.path)
        if self.marks is not None:
            self.marks.names[tuple(self.path)] = anchor
        self.anchors[anchor] = self.value(event, depth)
        self.open.discard(anchor)
        return self.anchors[anchor]

    def scalar(self, event: Any) -> Json:
        """A scalar's value by the 1.2 core schema."""
        text: str = event.value
        if not event.implicit[0]:
            if "\0" in text:
                self.fault(event, "a NUL character")
            return text
        if text in WORDS:
            value = WORDS[text]
        elif text[0] in NUMERIC:
            try:
                value = number(text, self.limits.digits)
            except ScalarError as error:
                self.fault(event, str(error))
                return None
        else:
            return text
        if type(value) is Ambiguous:
            self.ambiguous = True
        return value

    def sequence(self, depth: int) -> list[Json]:
        """A list, up to and with its end."""
        result: list[Json] = []
        get, node, path = self.get, self.node, self.path
        tracked = self.marks is not None
        lines = self.lines if depth == 2 and self.listing else None  # noqa: PLR2004 - the list under a top-level key
        while True:
            event = get()
            if type(event) is SequenceEndEvent:
                return result
            if lines is not None:
                lines.append(event.start_mark.line + 1)
            if tracked:
                path.append(len(result))
                result.append(node(event, depth))
                path.pop()
            else:
                result.append(node(event, depth))

    def mapping(self, start: Any, depth: int) -> dict[str, Json]:
        """A mapping, up to and with its end."""
        result: dict[str, Json] = {}
        merged: list[tuple[Path, dict[str, Json]]] = []
        get, node, path = self.get, self.node, self.path
        tracked = self.marks is not None
        while True:
            event = get()
            if type(event) is MappingEndEvent:
                break
            key = self.key(event, start, depth)
            if depth == 1:
                self.listing = key == "deployments"
            if tracked:
                path.append("?" if key is None else key)
                if self.marks is not None and key is not None:
                    self.marks.keys.setdefault(tuple(path), _at(event))
            if key == "<<" and event.implicit[0]:
                merged += self.merge(event, depth)
            elif key is None or key in result:
                self.discard(event, key, depth)
            else:
                result[key] = node(get(), depth)
            if tracked:
                path.pop()
        for where, base in merged:
            self.take(result, where, base)
        return result

    def discard(self, event: Any, key: str | None, depth: int) -> None:
        """Read a value that has no place in the data."""
        if key is not None:
            self.fault(event, f"the key `{clip(key)}` is here twice")
        self.path[-1] = "?"
        self.node(self.get(), depth)

    def key(self, event: Any, start: Any, depth: int) -> str | None:
        """The key that an event gives, or None after noting why it is none."""
        if type(event) is not ScalarEvent:
            unquoted = start.flow_style and type(event) is MappingStartEvent and event.flow_style
            self.fault(event, QUOTE if unquoted else "a key must be text")
            self.path.append("?")
            self.node(event, depth)
            self.path.pop()
            return None
        text: str = event.value
        self.left -= 1
        if event.tag is not None:
            self.fault(event, "tags (`!...`) are not read: write the plain value")
        if event.anchor is not None:
            self.anchors[event.anchor] = text
            self.anchored[event.anchor] = tuple(self.path)
        if event.implicit[0] and (text in WORDS or text[0] in NUMERIC):
            try:
                value = WORDS[text] if text in WORDS else number(text, self.limits.digits)
            except ScalarError:
                value = None
            if not isinstance(value, str):
                self.fault(event, f"a key must be text: quote `{clip(text)}`", text)
                return None
        return text

    def merge(self, event: Any, depth: int) -> list[tuple[Path, dict[str, Json]]]:
        """What `<<` brings: the mappings it names, each with its path."""
        value = self.node(self.get(), depth)
        where = tuple(self.path)
        if isinstance(value, dict):
            return [(where, value)]
        if isinstance(value, list) and all(isinstance(item, dict) for item in value):
            return [((*where, i), item) for i, item in enumerate(value)]
        self.fault(event, "`<<` takes a mapping or a list of mappings")
        return []

    def take(self, result: dict[str, Json], where: Path, base: dict[str, Json]) -> None:
        """Add the keys of a merged mapping that are not there yet."""
        for key, value in base.items():
            if key not in result:
                result[key] = value
                if self.marks is not None:
                    self.marks.links[(*self.path, key)] = (*where, key)

    def alias(self, event: Any, depth: int) -> Json:
        """A copy of the anchored value, counted as if it were written here."""
        name = event.anchor
        if name in self.open:
            raise UnreadableError(f"the alias *{clip(name)} is inside its own anchor", _at(event))
        value = self.anchors.get(name, _ABSENT)
        if value is _ABSENT:
            self.fault(event, f"no anchor &{clip(name)} before this alias")
            return None
        if self.marks is not None:
            self.marks.links[tuple(self.path)] = self.anchored[name]
        return self.copy(value, event, depth)

    def copy(self, value: Json, event: Any, depth: int) -> Json:
        """A deep copy, within the bounds on nodes and depth."""
        self.left -= 1
        if self.left < 0:
            raise UnreadableError(f"over {self.limits.nodes:,} values (aliases expanded)", _at(event))
        if not isinstance(value, (dict, list)):
            return value
        if depth >= self.limits.depth:
            raise UnreadableError(f"nested over {self.limits.depth} deep", _at(event))
        if isinstance(value, dict):
            return {key: self.copy(item, event, depth + 1) for key, item in value.items()}
        return [self.copy(item, event, depth + 1) for item in value]


def _at(event: Any) -> Position:
    mark = event.start_mark
    return mark.line + 1, mark.column + 1
