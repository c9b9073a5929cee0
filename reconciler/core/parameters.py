"""Parameters against their schema. The only door to jsonschema; called on plan, on request and by validate."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from functools import lru_cache
from itertools import islice
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend
from referencing import Registry

from reconciler.core._checks import MAX_SCHEMA_BYTES, RefusedSchemaError, check
from reconciler.core._messages import Fault, extras, faults
from reconciler.core._patterns import MAX_WAYS, pattern
from reconciler.core._plain import fits
from reconciler.core.arguments import MAX_BYTES
from reconciler.model.plan import Json

MAX_PROBLEMS = 20
MAX_STEPS = 50_000
"""Keywords evaluated in one validation, and one more for each byte of the parameters: about a second, at most some."""
_STEPS_PER_ERROR = 3
_WAYS_PER_STEP = 200
_PAIRS_PER_STEP = 500
_TOLD = 5
"""Errors kept of one alternative."""
_OF_PARTS = frozenset({"additionalProperties", "patternProperties", "propertyNames", "maxProperties"})
"""What the mapping as a whole is held to when only a part of it is known yet."""

_Keyword = Callable[[Any, Any, Any, Any], Iterator[ValidationError] | None]


class _SpentError(Exception):
    """The steps of one validation are used up."""


_left: ContextVar[list[int]] = ContextVar("_left")


def _spend(steps: int) -> None:
    left = _left.get()
    left[0] -= steps
    if left[0] < 0:
        raise _SpentError


def _counted(keyword: _Keyword) -> _Keyword:
    def counted(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        _spend(1)
        for error in keyword(validator, value, instance, schema) or ():
            _spend(_STEPS_PER_ERROR)
            yield error

    return counted


def _pattern(_validator: Any, value: str, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str):
        found = pattern(value)
        ways = found.ways.of(len(instance))
        if ways > MAX_WAYS:
            yield ValidationError("too long", validator="tooLong")
            return
        _spend(int(ways / _WAYS_PER_STEP))
        if not found.compiled.search(instance):
            yield ValidationError("does not match")


def _unevaluated(keyword: _Keyword) -> _Keyword:
    """What it costs is not seen from outside: each entry is sought in a list, and tried on each such keyword below."""

    def counted(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        if isinstance(instance, (dict, list)):
            below = json.dumps(schema).count('"unevaluated')
            _spend(len(instance) ** 2 // _PAIRS_PER_STEP + len(instance) * below // 2)
        yield from keyword(validator, value, instance, schema) or ()

    return counted


def _unique(_validator: Any, value: Any, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if value and isinstance(instance, list):  # comparing each item with each would be quadratic
        _spend(len(instance))
        if len({json.dumps(item, sort_keys=True) for item in instance}) < len(instance):
            yield ValidationError("has an item twice")


def _properties(validator: Any, declared: Any, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        for name, part in declared.items():
            if name in instance:
                yield from _inside(validator, part, instance, name)


def _additional(validator: Any, allowed: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    names = extras(instance, schema)
    if allowed is not False:
        for name in names:
            yield from _inside(validator, allowed, instance, name)
    elif next(names, None) is not None:
        yield ValidationError("unknown names")


def _inside(validator: Any, part: Any, instance: Any, name: str) -> Iterator[ValidationError]:
    """The errors of one entry; jsonschema's own forget the name where the schema is `false`."""
    if part is False:
        yield ValidationError("nothing", validator="nothing", instance=instance[name], schema={}, path=(name,))
    else:
        yield from validator.descend(instance[name], part, path=name, schema_path=name)


def _any_of(validator: Any, branches: Any, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if not any(validator.evolve(schema=branch).is_valid(instance) for branch in branches):
        yield _none_of(validator, branches, instance)


def _one_of(validator: Any, branches: Any, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    valid = sum(validator.evolve(schema=branch).is_valid(instance) for branch in branches)
    if valid != 1:
        yield ValidationError("fits several") if valid else _none_of(validator, branches, instance)


def _none_of(validator: Any, branches: Any, instance: Any) -> ValidationError:
    """The first errors of each alternative: a long list that fits none of them would hold its errors many times."""
    told = (islice(validator.descend(instance, part, schema_path=at), _TOLD) for at, part in enumerate(branches))
    return ValidationError("fits none", context=[error for errors in told for error in errors])


_OWN: dict[str, _Keyword] = {
    "additionalProperties": _additional,
    "anyOf": _any_of,
    "oneOf": _one_of,
    "pattern": _pattern,
    "properties": _properties,
    "uniqueItems": _unique,
    **{w: _unevaluated(Draft202012Validator.VALIDATORS[w]) for w in ("unevaluatedItems", "unevaluatedProperties")},
}
_KEYWORDS: dict[str, _Keyword] = {**Draft202012Validator.VALIDATORS, **_OWN}
_Bounded = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator, {word: _counted(keyword) for word, keyword in _KEYWORDS.items()}
)


def check_schema(schema: Json) -> str | None:
    """Why a parameter schema given in a spec is refused, or None when it may be used (JSON Schema 2020-12)."""
    try:
        _compiled(json.dumps(schema, allow_nan=False))
    except RefusedSchemaError as error:
        return str(error)
    except (TypeError, ValueError, RecursionError):
        return "the schema is not JSON, or nested too deeply"
    return None


def problems(schema: Mapping[str, Json], values: Mapping[str, Json], *, partial: bool) -> list[Fault]:
    """What is wrong with the values: paths into them, each with a message that names the parameter.

    `partial`: these are a spec's defaults, to which a schedule or a request may add: what is missing is no problem.
    A schema or values that cannot be used at all are one problem with an empty path. At most MAX_PROBLEMS are told.
    """
    if partial and not values:
        return []
    try:
        text = json.dumps(dict(values), allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return [((), "the parameters are not JSON, or nested too deeply")]
    if len(text) > MAX_BYTES and len(json.dumps(dict(values), ensure_ascii=False).encode(errors="replace")) > MAX_BYTES:
        return [((), f"the parameters are larger than {MAX_BYTES:,} bytes as JSON")]
    try:
        validator = _validator(schema)
    except RefusedSchemaError as error:
        return [((), f"the parameter schema is refused: {error}")]
    except (TypeError, ValueError, RecursionError):
        return [((), "the parameter schema is not JSON, or nested too deeply")]
    if fits(schema, values, partial=partial):
        return []
    token = _left.set([MAX_STEPS + len(text)])
    try:
        return _faults(validator, json.loads(text), partial=partial)
    finally:
        _left.reset(token)


def _faults(validator: Any, values: Json, *, partial: bool) -> list[Fault]:
    found: dict[Fault, None] = {}
    try:
        for error in validator.iter_errors(values):
            if not partial or error.absolute_path or error.validator in _OF_PARTS:
                found |= dict.fromkeys(islice(faults(error), MAX_PROBLEMS))
            if len(found) >= MAX_PROBLEMS:
                break
    except _SpentError:
        found[(), "the schema takes too long to check these parameters"] = None
    except (RecursionError, ArithmeticError):
        found[(), "the schema and these parameters are nested too deeply, or their numbers are too large"] = None
    return list(found)[:MAX_PROBLEMS]


_MOST_KEPT = 256
_kept: dict[int, tuple[Mapping[str, Json], Any]] = {}
"""Schemas by identity with their validators: many deployments have the schema of one flow, which nothing changes."""


def _validator(schema: Mapping[str, Json]) -> Any:
    """The validator of a schema. Raises RefusedSchemaError."""
    held = _kept.get(id(schema))
    if held is not None and held[0] is schema:
        return held[1]
    made = _compiled(json.dumps(dict(schema), allow_nan=False))
    if len(_kept) >= _MOST_KEPT:
        _kept.clear()
    _kept[id(schema)] = schema, made
    return made


@lru_cache(maxsize=_MOST_KEPT)
def _compiled(text: str) -> Any:
    """The validator of a schema's JSON. Raises RefusedSchemaError."""
    if len(text) > MAX_SCHEMA_BYTES:
        raise RefusedSchemaError(f"it is larger than {MAX_SCHEMA_BYTES:,} bytes as JSON")
    schema = json.loads(text)
    if not isinstance(schema, dict) or schema.get("type", "object") != "object":
        raise RefusedSchemaError("it must be a mapping of type object: it describes all parameters by name")
    check(schema)
    schema.pop("$schema", None)
    return _Bounded(schema, registry=Registry())
