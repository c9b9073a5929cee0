"""Plain YAML composed in C, by libyaml's own composer, where that is safe and says all. Called by core/document.

That composer recurses, knows no limits and forgets tags, so it is given small files only that cannot nest deeply and
use nothing out of the ordinary. Whatever is met all the same (a key twice, a fault) is for the reading by events.
"""

import re
from typing import Any, Final

import yaml
from yaml.cyaml import CParser  # type: ignore[attr-defined]
from yaml.nodes import MappingNode, ScalarNode, SequenceNode

from reconciler.core._document_marks import Path, Position
from reconciler.core._document_scalars import NUMERIC, WORDS, Ambiguous, ScalarError, number
from reconciler.model.plan import Json

_WORDS: Final = (b"!", b"&", b"<<", b" " * 40)
"""Tags, anchors, merges, and blocks that are indented as far as none is."""
_UNUSUAL: Final = tuple(map(re.compile, (rb"\\[0xuU]", rb"-\s+[-:]\s", rb":\s+:\s", rb"\?\s")))
"""A NUL spelled out, and each way in which several blocks begin on one line. Searched one by one: each has a literal
start, for which the search is ten times faster than for alternatives.
"""
_BRACKETS: Final = 64
_NODES_PER_BYTE: Final = 2
"""More than there can be: `?,` in a list is a mapping, a key and a value."""


class Plain:
    """One file as data, with the position of each value."""

    def __init__(self, root: Any, depth: int, digits: int) -> None:
        self._root = root
        self._depth = depth
        self._digits = digits
        self._children: dict[int, dict[Any, Any]] = {}
        self.ambiguous = False
        self.data: Json = None if root is None else self._value(root, 0)

    @property
    def lines(self) -> tuple[int, ...]:
        """The line of each item of the top-level list `deployments`."""
        listed = self._below(self._root).get("deployments")
        return tuple(item.start_mark.line + 1 for item in listed.value) if type(listed) is SequenceNode else ()

    def locate(self, path: Path) -> Position:
        """Line and column of a value, or of its nearest parent when it is absent."""
        node = self._root
        for part in path:
            inner = self._below(node).get(part)
            if inner is None:
                break
            node = inner
        return (1, 1) if node is None else (node.start_mark.line + 1, node.start_mark.column + 1)

    def _below(self, node: Any) -> dict[Any, Any]:
        """The nodes directly within a node, by key or index."""
        found = self._children.get(id(node))
        if found is None:
            pairs = ((key.value, item) for key, item in node.value) if type(node) is MappingNode else ()
            items = enumerate(node.value) if type(node) is SequenceNode else pairs
            found = self._children[id(node)] = dict(items)
        return found

    def _value(self, node: Any, depth: int) -> Json:
        kind = type(node)
        if kind is ScalarNode:
            return node.value if node.style else self._scalar(node.value)
        if depth >= self._depth:
            raise _UnusualError
        if kind is MappingNode:
            return self._mapping(node.value, depth + 1)
        return [self._value(item, depth + 1) for item in node.value]

    def _mapping(self, pairs: list[tuple[Any, Any]], depth: int) -> dict[str, Json]:
        result: dict[str, Json] = {}
        for key, item in pairs:
            if type(key) is not ScalarNode:
                raise _UnusualError
            name = key.value
            if not key.style and (name in WORDS or name[0] in NUMERIC):
                self._key(name)
            result[name] = self._value(item, depth)
        if len(result) != len(pairs):
            raise _UnusualError
        return result

    def _key(self, name: str) -> None:
        if not isinstance(WORDS[name] if name in WORDS else number(name, self._digits), str):
            raise _UnusualError

    def _scalar(self, text: str) -> Json:
        if text in WORDS:
            value = WORDS[text]
        elif text[0] in NUMERIC:
            value = number(text, self._digits)
        else:
            return text
        if type(value) is Ambiguous:
            self.ambiguous = True
        return value


class _UnusualError(Exception):
    """Something that the reading by events is to judge."""


class _Composer(CParser):
    # Called for every node; nothing is resolved here, and this takes anything and answers nothing without a frame.
    resolve = descend_resolver = ascend_resolver = staticmethod("".format)


def plain(raw: bytes, *, nodes: int, depth: int, digits: int) -> Plain | None:
    """The file, where it is plain and without any fault; None where it is to be read by events."""
    if len(raw) * _NODES_PER_BYTE >= nodes or raw.count(b"[") + raw.count(b"{") > _BRACKETS:
        return None
    if any(word in raw for word in _WORDS) or any(unusual.search(raw) for unusual in _UNUSUAL):
        return None
    try:
        return Plain(_Composer(raw).get_single_node(), depth, digits)
    except (_UnusualError, ScalarError, yaml.YAMLError):
        return None
