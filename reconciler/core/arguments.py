"""The parameters of a run put together and read from the command line. Called by the daemon and by `run -p`."""

import json
from collections.abc import Iterable, Mapping

from reconciler.core import references
from reconciler.model.errors import InvalidRequestError
from reconciler.model.plan import Json

MAX_BYTES = 524_288
"""Of a run's parameters as JSON."""

_WORDS = {
    "boolean": "true or false",
    "integer": "a whole number such as 3",
    "number": "a number such as 2.5",
    "null": "null",
    "array": "a list such as [1, 2]",
    "object": 'a mapping such as {"a": 1}',
}


_BRANCHES = 20
"""Alternatives of one parameter that are looked at."""


def merge(*layers: Mapping[str, Json]) -> dict[str, Json]:
    """The spec's defaults, the schedule's and the request's parameters: a later layer replaces a name as a whole."""
    return {name: value for layer in layers for name, value in layer.items()}


def parse_variable(text: str) -> tuple[str, Json]:
    """The name and value of a job variable given as `name=value`: JSON where it parses, else text.

    Raises InvalidRequestError, which does not repeat the value: it may be a secret.
    """
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise InvalidRequestError(
            "a job variable is not of the form name=value", hint="write --job-variable name=value"
        )
    try:
        return name.strip(), json.loads(value, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return name.strip(), value


def options_of(options: Iterable[str], spec: Mapping[str, Json] | None) -> dict[str, Json]:
    """The parameters of `name=value` options for a spec. Raises InvalidRequestError."""
    known = spec or {}
    schema, enforced = known.get("parameter_openapi_schema"), known.get("enforce_parameter_schema", True)
    return dict(parse_option(option, schema, enforced=enforced) for option in options)


def parse_option(text: str, schema: Mapping[str, Json] | None, *, enforced: bool = True) -> tuple[str, Json]:
    """The name and value of `name=value`, read by the parameter's schema (None: signature unknown).

    A parameter of type text takes the value literally, one that may also be something else takes JSON of that other
    kind, every other type is JSON; without a known type the value is JSON where it parses and else the text itself.
    What refers to a secret stays text, and so does what does not fit a schema that is not enforced. Raises
    InvalidRequestError, which says what would be right.
    """
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise InvalidRequestError(f"parameter {_shown(text)} is not of the form name=value", hint="write -p name=value")
    name = name.strip()
    kinds = _kinds(schema or {}, _declared(schema or {}, name), 4)
    if kinds == {"string"} or references.wanted([value]):
        return name, value
    try:
        read = json.loads(value, parse_constant=_refuse)
    except (ValueError, RecursionError):
        if not (kinds and enforced) or "string" in kinds:
            return name, value
        raise _misread(name, value, kinds) from None
    return name, value if isinstance(read, str) and "string" in kinds else read


def _declared(schema: Mapping[str, Json], name: str) -> Json:
    properties = schema.get("properties")
    return properties.get(name) if isinstance(properties, Mapping) else None


def _kinds(schema: Mapping[str, Json], part: Json, depth: int) -> set[str]:
    """The JSON types that a part of the schema admits; empty when it does not say."""
    if not isinstance(part, Mapping) or depth == 0:
        return set()
    if isinstance(part.get("$ref"), str):
        return _kinds(schema, _pointed(schema, part["$ref"]), depth - 1)
    for key in ("anyOf", "oneOf"):
        if isinstance(part.get(key), list):
            kinds = [_kinds(schema, branch, depth - 1) for branch in part[key][:_BRANCHES]]
            return set().union(*kinds) if all(kinds) else set()
    if "type" in part:
        kind = part["type"]
        return {k for k in (kind if isinstance(kind, list) else [kind]) if isinstance(k, str)}
    values = part["enum"] if isinstance(part.get("enum"), list) else [part["const"]] if "const" in part else []
    return {_kind(value) for value in values}


def _pointed(schema: Mapping[str, Json], reference: str) -> Json:
    found: Json = schema
    for step in reference.removeprefix("#").split("/")[1:]:
        found = found.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
    return found


def _kind(value: Json) -> str:
    """The name that JSON Schema has for the type of a value."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list() | tuple():
            return "array"
    return "object"


def _misread(name: str, value: str, kinds: set[str]) -> InvalidRequestError:
    expected = " or ".join(sorted(kinds))
    hints = [_WORDS[kind] for kind in sorted(kinds) if kind in _WORDS]
    return InvalidRequestError(
        f"parameter {name!r}: expected {expected}, got {_shown(value)}",
        hint=f"write {', or '.join(hints)}",
    )


def _refuse(word: str) -> Json:
    raise ValueError(f"{word} is no JSON")


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:40] + "…")  # noqa: PLR2004 - what fits a line beside the message
