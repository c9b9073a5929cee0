"""What is wrong with a parameter, in words that name it. Called by core/parameters with the errors of its validator."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from reconciler.model.plan import Json

Fault = tuple[tuple[str | int, ...], str]
"""Where in the parameters, and what is wrong."""

_SHOWN = 40
_LISTED = 10
_LONGEST = 400
_BOUNDS = {
    "minimum": "at least",
    "maximum": "at most",
    "exclusiveMinimum": "more than",
    "exclusiveMaximum": "less than",
    "multipleOf": "a multiple of",
}
_LEAST = {"min": "at least", "max": "at most"}
_COUNTED = {"Length": "character", "Items": "item", "Properties": "entry"}
_PLURAL = {"character": "characters", "item": "items", "entry": "entries"}


class Error(Protocol):
    """An error of a JSON Schema validator, as jsonschema makes them."""

    validator: Any
    validator_value: Any
    instance: Any
    schema: Any
    context: Any

    @property
    def absolute_path(self) -> Sequence[str | int]:
        """Where in the whole value."""

    @property
    def relative_path(self) -> Sequence[str | int]:
        """Where in the value that the parent error is about."""

    @property
    def relative_schema_path(self) -> Sequence[str | int]:
        """Where in the parent's schema."""


def faults(error: Error) -> Iterator[Fault]:
    """The faults one error stands for: an unknown parameter each, the one alternative that was meant."""
    path = tuple(error.absolute_path)
    match error.validator:
        case "required":
            yield from _missing(path, error)
        case "additionalProperties":
            yield from _unknown(path, error)
        case "anyOf" | "oneOf":
            yield from _union(path, error)
        case _:
            yield fault(path, _sentence(error))


def fault(path: tuple[str | int, ...], message: str) -> Fault:
    """A fault at a path, its message opened with the parameter's name."""
    text = f"parameter {_label(path)!r}: {message}" if path else message
    return path, text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


def _label(path: tuple[str | int, ...]) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)[1:]
    return text if len(text) <= _LONGEST // 4 else text[: _LONGEST // 4] + "…"


def _missing(path: tuple[str | int, ...], error: Error) -> Iterator[Fault]:
    for name in error.validator_value:
        if name not in error.instance:
            yield fault(path, f"{name!r} is required") if path else ((name,), f"parameter {name!r} is required")


def _unknown(path: tuple[str | int, ...], error: Error) -> Iterator[Fault]:
    known = error.schema.get("properties", {})
    for name in extras(error.instance, error.schema):
        near = difflib.get_close_matches(name[: _LISTED * _LISTED], known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; known: {_listed(list(known))}" if known else ""
        what = "key" if path else "parameter"
        message = f"unknown {what} {name[:_SHOWN]!r}{hint}"
        yield fault(path, message) if path else ((name,), message)


def extras(instance: Mapping[str, Json], schema: Mapping[str, Json]) -> Iterator[str]:
    """The names that neither `properties` nor `patternProperties` of the schema declares, in their order."""
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    return (name for name in instance if name not in known and not any(re.search(text, name) for text in patterns))


def _union(path: tuple[str | int, ...], error: Error) -> Iterator[Fault]:
    """The faults of the one alternative whose type fits; else what types would."""
    branches: dict[str | int, list[Error]] = {}
    for inner in error.context or ():
        branches.setdefault(inner.relative_schema_path[0], []).append(inner)
    meant = [errors for errors in branches.values() if not any(_is_mistyped(inner) for inner in errors)]
    if len(meant) == 1:
        for inner in meant[0]:
            yield from faults(inner)
    elif meant:
        texts = [" and ".join(_sentence(inner) for inner in errors[:2]) for errors in meant[:3]]
        yield fault(path, f"fits none of its alternatives: {'; or '.join(texts)}")
    elif branches:
        kinds = [inner.validator_value for errors in branches.values() for inner in errors if _is_mistyped(inner)]
        yield fault(path, f"expected {_types(kinds)}, got {_shown(error)}")
    else:
        yield fault(path, f"fits more than one of its alternatives: {_shown(error)}")


def _is_mistyped(error: Error) -> bool:
    return error.validator == "type" and not error.relative_path


def _types(kinds: Sequence[Json]) -> str:
    flat = [kind for item in kinds for kind in (item if isinstance(item, list) else [item])]
    return " or ".join(dict.fromkeys(flat))


def _one_of(values: Sequence[Json]) -> str:
    return f"one of {_listed(values[0])}"


def _sentence(error: Error) -> str:
    value, word = error.validator_value, str(error.validator)
    if word in _BOUNDS:
        return f"expected {_BOUNDS[word]} {_text(value)}, got {_shown(error)}"
    if word[3:] in _COUNTED and word[:3] in _LEAST:
        unit = _COUNTED[word[3:]]
        return f"expected {_LEAST[word[:3]]} {value} {unit if value == 1 else _PLURAL[unit]}, got {len(error.instance)}"
    match word:
        case "type" | "enum" | "const":
            expected = {"type": _types, "enum": _one_of, "const": _listed}[word]([value])
            return f"expected {expected}, got {_shown(error)}"
        case "pattern":
            return f"{_shown(error)} does not match the pattern {value!r}"
        case "tooLong":
            return f"{_shown(error)} is too long to be matched against the pattern {value!r}"
        case "uniqueItems":
            return "expected every item once"
        case "required":
            return f"{_listed([name for name in value if name not in error.instance])} is required"
        case "additionalProperties":
            return f"unknown key {_listed(list(extras(error.instance, error.schema)))}"
        case "None" | "nothing":
            return f"nothing is accepted here, got {_shown(error)}"
    return f"{_shown(error)} is not what the schema's `{word}` asks for"


def _listed(values: Sequence[Json]) -> str:
    more = f" and {len(values) - _LISTED} more" if len(values) > _LISTED else ""
    return ", ".join(_text(value) for value in values[:_LISTED]) + more


def _shown(error: Error) -> str:
    """The value as a person would call it; a value that is to be kept to itself by its type only."""
    schema = error.schema if isinstance(error.schema, Mapping) else {}
    value = error.instance
    match value:
        case None:
            return "null"
        case bool():
            return f"boolean {_text(value)}"
        case list():
            return f"array of {len(value)}"
        case Mapping():
            return f"object of {len(value)}"
    kind = "string" if isinstance(value, str) else "integer" if isinstance(value, int) else "number"
    return kind if schema.get("writeOnly") is True or schema.get("format") == "password" else f"{kind} {_text(value)}"


def _text(value: Json) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case str():
            return repr(value if len(value) <= _SHOWN else value[:_SHOWN] + "…")
        case int() if value.bit_length() > 4 * _SHOWN:
            return "of many digits"
        case int() | float():
            return str(value)
    return "a list" if isinstance(value, list) else "a mapping"
