"""Placeholders in data: `{{ name }}` and nothing more. Called by core/parse, and inside a run by the engine.

Standard library only, and no import of ours: a run loads this file by its path. Nothing is ever evaluated.

A name is a path into what a caller's `look_up` knows: `git_clone.directory`, `items[0].id`, `variables.x`, `$HOME`,
`secret.TOKEN`. `{{ name | default("text") }}` gives a literal for a missing one. `{{ ctx.… }}` stays as it is.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

Json = Any

KEEP: Final = object()
"""What `look_up` returns to leave a placeholder as it is, for a later rendering."""
_MISSING = object()

_OPEN = re.compile(r"\{\{|\{%")
_CLOSE: Final = {"{{": "}}", "{%": "%}"}
# Possessive throughout: a hostile text costs one pass.
_PLACEHOLDER = re.compile(
    r"\{\{\s*+(?P<name>\$?\w[\w.\-]*+(?:\[\d{1,6}\][\w.\-]*+)*+)\s*+"
    r"(?:\|\s*+default\(\s*+(?P<literal>'[^'\n]*+'|\"(?:[^\"\\\n]|\\.)*+\"|[^\s'\"(){}|]*+)\s*+\)\s*+)?+\}\}"
)
_PART = re.compile(r"\[(\d{1,6})\]|([^.\[\]]+)")
_WORDS: Final = {"none": None, "null": None, "true": True, "false": False}


class TemplateError(ValueError):
    """Text that is no placeholder; `str()` is the message to show."""


class MissingValueError(LookupError):
    """A placeholder that nothing gives a value for."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        """The message to show."""
        return f"nothing gives a value for {{{{ {self.name} }}}}"


def render(value: Json, look_up: Callable[[str], Json]) -> Json:
    """The value with every placeholder replaced; keys of mappings are left alone.

    A string that is one placeholder becomes the value itself, keeping its type; inside a longer string it becomes text
    (a mapping or list there is an error). `look_up` returns the value of a name, `KEEP`, or raises MissingValueError.
    Raises MissingValueError and TemplateError.
    """
    if isinstance(value, str):
        return _text(value, look_up) if "{{" in value or "{%" in value else value
    if isinstance(value, dict):
        return {key: render(item, look_up) for key, item in value.items()}
    if isinstance(value, list):
        return [render(item, look_up) for item in value]
    return value


def fill(value: Json, look_up: Callable[[str], Json]) -> Json:
    """As `render`, for data in which anything may stand: what is no placeholder stays as it is.

    Raises MissingValueError and, for a mapping or list inside text and a fallback that is no literal, TemplateError.
    """
    if isinstance(value, str):
        return (
            _put(value, _PLACEHOLDER.finditer(value), lambda match: _known(match, look_up)) if "{{" in value else value
        )
    if isinstance(value, dict):
        return {key: fill(item, look_up) for key, item in value.items()}
    if isinstance(value, list):
        return [fill(item, look_up) for item in value]
    return value


def mentioned(value: Json) -> Iterator[tuple[str, bool]]:
    """The name of every placeholder in such data, and whether it has a fallback."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from mentioned(item)
    elif isinstance(value, str) and "{{" in value:
        yield from ((match["name"], match["literal"] is not None) for match in _PLACEHOLDER.finditer(value))


def names(value: Json) -> set[str]:
    """Every name that `render` would look up. Raises TemplateError."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return {name for item in value for name in names(item)}
    if not isinstance(value, str):
        return set()
    return {match["name"] for match in _matches(value) if not _verbatim(match["name"])}


def follow(values: Mapping[str, Json], name: str) -> Json:
    """The value at a path such as `clone.items[0].id`. Raises MissingValueError.

    A name that is a key as a whole wins, so keys that hold dots are found.
    """
    if name in values:
        return values[name]
    found: Json = values
    for index, key in _PART.findall(name):
        try:
            found = found[int(index)] if index and isinstance(found, list) else found[index or key]
        except (KeyError, IndexError, TypeError):
            raise MissingValueError(name) from None
    return found


def _text(text: str, look_up: Callable[[str], Json]) -> Json:
    return _put(text, _matches(text), lambda match: _value(match, look_up))


def _put(text: str, placeholders: Iterator[re.Match[str]], value: Callable[[re.Match[str]], Json]) -> Json:
    pieces: list[str] = []
    end = 0
    for match in placeholders:
        found = value(match)
        if found is not KEEP and match.end() - match.start() == len(text):
            return found
        pieces += (text[end : match.start()], match[0] if found is KEEP else _embedded(found, match["name"]))
        end = match.end()
    return "".join(pieces) + text[end:]


def _matches(text: str) -> Iterator[re.Match[str]]:
    """The placeholders of a text, in order. Raises TemplateError for anything else that opens like one."""
    last = {opening: text.rfind(closing) for opening, closing in _CLOSE.items()}
    position = 0
    while opened := _OPEN.search(text, position):
        start = opened.start()
        match = _PLACEHOLDER.match(text, start)
        if match:
            yield match
        elif last[opened[0]] > start:
            end = text.find(_CLOSE[opened[0]], start) + 2
            raise TemplateError(
                f"only {{{{ name }}}} and {{{{ name | default(value) }}}} are read, not {_shown(text[start:end])}"
            )
        position = match.end() if match else start + 2


def _value(match: re.Match[str], look_up: Callable[[str], Json]) -> Json:
    name, literal = match["name"], match["literal"]
    if _verbatim(name):
        return KEEP
    fallback = _MISSING if literal is None else _literal(literal)
    try:
        return look_up(name)
    except MissingValueError:
        if fallback is _MISSING:
            raise
        return fallback


def _known(match: re.Match[str], look_up: Callable[[str], Json]) -> Json:
    """As `_value`, for what may be no placeholder of ours: the fallback is read only when it is wanted."""
    try:
        return look_up(match["name"])
    except MissingValueError:
        if match["literal"] is None:
            raise
        return _literal(match["literal"])


def _verbatim(name: str) -> bool:
    return name == "ctx" or name.startswith("ctx.")


def _literal(text: str) -> Json:
    """A literal: text in either quotes, a number, true, false or none."""
    if text[:1] == "'":
        return text[1:-1]
    try:
        return _WORDS[text.lower()] if text.lower() in _WORDS else _finite(json.loads(text, parse_constant=_no_number))
    except (ValueError, RecursionError):
        raise TemplateError(f"default({_shown(text)}) is no literal: quote text") from None


def _finite(value: Json) -> Json:
    """A number that JSON can hold: `1e999` is read as none. Raises ValueError."""
    json.dumps(value, allow_nan=False)
    return value


def _no_number(text: str) -> Json:
    raise ValueError(text)


def _embedded(value: Json, name: str) -> str:
    if isinstance(value, (dict, list)):
        raise TemplateError(f"{{{{ {name} }}}} is a mapping or list and cannot stand inside text")
    return str(value)


def _shown(text: str) -> str:
    cut = text if len(text) <= 40 else text[:39] + "…"  # noqa: PLR2004 - what fits a line
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in cut)
