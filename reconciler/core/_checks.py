"""Whether a parameter schema from a repository may be used by the daemon at all. Called by core/parameters."""

from collections.abc import Iterator, Mapping

from reconciler.core._patterns import UnsafePatternError, Ways, pattern
from reconciler.model.plan import Json

MAX_SCHEMA_BYTES = 262_144
"""Of a schema as JSON."""
MAX_DEPTH = 64
MAX_NODES = 10_000
_LARGEST = 1e300
"""Of a bound: larger ones overflow when they are divided by."""

_ONE = (
    *("additionalProperties", "contains", "contentSchema", "else", "if", "items", "not", "propertyNames", "then"),
    *("unevaluatedItems", "unevaluatedProperties"),
)
"""Keywords whose value is a schema."""
_LIST = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_NAMED = frozenset({"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"})
_REFUSED = frozenset({"$anchor", "$dynamicAnchor", "$dynamicRef", "$id", "$recursiveRef", "$schema", "$vocabulary"})
"""Keywords that change where a schema's references lead, or by which rules it is read."""
_NUMBERS = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})
_COUNTS = frozenset(
    {f"{bound}{what}" for bound in ("min", "max") for what in ("Length", "Items", "Properties", "Contains")}
)
_TYPES = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})


class RefusedSchemaError(ValueError):
    """The schema may not be used; the text says why, and where in it."""


def check(schema: Json) -> None:
    """Refuse what could reach out, run for long or grow: raises RefusedSchemaError.

    Only references within the schema (`#/...`), patterns with a price (core/_patterns), and bounded depth and size.
    """
    seen: set[int] = set()
    queue: list[tuple[Json, str, int]] = [(schema, "", 0)]
    while queue:
        part, where, depth = queue.pop()
        if isinstance(part, bool) or id(part) in seen:
            continue
        if not isinstance(part, Mapping):
            raise RefusedSchemaError(f"{where or 'the schema'} is no schema: a mapping is expected")
        seen.add(id(part))
        if depth > MAX_DEPTH or len(seen) > MAX_NODES:
            raise RefusedSchemaError(f"the schema is over {MAX_DEPTH} levels deep or {MAX_NODES} parts large")
        for keyword, value in part.items():
            _keyword(keyword, value, f"{where}/{keyword}", top=part is schema)
        if "$ref" in part:
            queue.append((_followed(schema, part, f"{where}/$ref"), f"{where}/$ref", depth + 1))
        queue += [(inner, f"{where}/{name}", depth + 1) for name, inner in _inner(part, where)]


def _keyword(keyword: str, value: Json, where: str, *, top: bool) -> None:
    """Refuse one keyword that is not allowed, or whose value is not of its kind."""
    if keyword in _REFUSED and not (top and keyword == "$schema"):
        raise RefusedSchemaError(f"{where} is not allowed here")
    if keyword == "pattern":
        _pattern(value, where)
    elif keyword == "patternProperties" and isinstance(value, Mapping):
        for text in value:
            if _pattern(text, where).degree > 1:
                raise RefusedSchemaError(f"{where}: {text[:40]!r} has too many ways to match a name")
    elif not _fits(keyword, value):
        raise RefusedSchemaError(f"{where}: {str(value)[:40]!r} is not a value that this keyword takes")


def _fits(keyword: str, value: Json) -> bool:
    if keyword in _NUMBERS:
        return _is_number(value) and (keyword != "multipleOf" or value > 0)
    if keyword in _COUNTS:
        return _is_number(value) and value >= 0
    match keyword:
        case "type":
            kinds = value if isinstance(value, list) else [value]
            return all(isinstance(kind, str) and kind in _TYPES for kind in kinds)
        case "enum":
            return isinstance(value, list)
        case "required":
            return _is_texts(value)
        case "dependentRequired":
            return isinstance(value, Mapping) and all(_is_texts(names) for names in value.values())
        case "uniqueItems":
            return isinstance(value, bool)
    return True


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LARGEST


def _is_texts(value: Json) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _pattern(text: Json, where: str) -> Ways:
    if not isinstance(text, str):
        raise RefusedSchemaError(f"{where} is not text")
    try:
        return pattern(text).ways
    except UnsafePatternError as error:
        raise RefusedSchemaError(f"{where}: the pattern {text[:40]!r} is refused: {error}") from None


def _inner(part: Mapping[str, Json], where: str) -> Iterator[tuple[str, Json]]:
    """The schemas directly within a schema."""
    for keyword, value in part.items():
        if keyword in _ONE:
            yield keyword, value
        elif keyword in _LIST:
            if not isinstance(value, list | tuple):
                raise RefusedSchemaError(f"{where}/{keyword}: a list is expected")
            yield from ((f"{keyword}/{at}", inner) for at, inner in enumerate(value))
        elif keyword in _NAMED:
            if not isinstance(value, Mapping):
                raise RefusedSchemaError(f"{where}/{keyword}: a mapping is expected")
            yield from ((f"{keyword}/{name}", inner) for name, inner in value.items())


def _followed(schema: Json, part: Json, where: str) -> Json:
    """What the reference of a part points to; refuses one that comes back to itself and looks at no value."""
    target = found = _target(schema, part["$ref"], where)
    passed = {id(part)}
    while isinstance(found, Mapping) and "$ref" in found:
        if id(found) in passed or len(passed) > MAX_DEPTH:
            raise RefusedSchemaError(f"{where}: {str(part['$ref'])[:60]!r} leads on without end")
        passed.add(id(found))
        found = _target(schema, found["$ref"], where)
    return target


def _target(schema: Json, reference: Json, where: str) -> Json:
    """What a reference points to; only within the schema itself."""
    if not isinstance(reference, str) or (reference != "#" and not reference.startswith("#/")):
        raise RefusedSchemaError(f"{where}: only references within the schema (#/…) are followed")
    found: Json = schema
    for step in reference[1:].split("/")[1:]:
        step = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, Mapping) and step in found:
            found = found[step]
        elif isinstance(found, list) and step.isdecimal() and int(step) < len(found):
            found = found[int(step)]
        else:
            raise RefusedSchemaError(f"{where}: {reference[:60]!r} leads nowhere")
    return found
