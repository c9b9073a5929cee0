"""Parameters that only the run knows, against the schema of the spec. Called by the run, before the flow is called.

The daemon has checked the schema itself and all that it could read. Keywords that are not here refuse nothing.
"""

import re
from collections.abc import Callable, Mapping, Sized
from typing import Any

from reconciler.engine.parameters import ParameterError

_DEPTH = 32
_KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
    "array": (list,),
    "object": (dict,),
}


class _Misfit(Exception):  # noqa: N818 - a word of its own, which never leaves this module
    """What would fit; the value is not repeated: it may be a secret."""

    def __init__(self, wanted: str, where: str = "") -> None:
        super().__init__(wanted)
        self.where = where


def check(schema: Mapping[str, Any] | None, values: Mapping[str, Any]) -> None:
    """`schema` has the `properties` of the parameters to check. Raises ParameterError naming the first misfit."""
    for name, part in (schema or {}).get("properties", {}).items():
        if name in values:
            try:
                _Fitting(schema or {}).of(part, values[name])
            except _Misfit as misfit:
                raise ParameterError(f"parameter {name!r}{misfit.where}: expected {misfit}") from None


class _Fitting:
    """One schema, whose parts may refer to each other."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._depth = 0

    def of(self, schema: Any, value: Any) -> None:
        """Raises _Misfit."""
        if schema is False:
            raise _Misfit("nothing")
        if not isinstance(schema, Mapping) or self._depth > _DEPTH:
            return
        self._depth += 1
        try:
            for word, said in schema.items():
                if word in _PLAIN and not _PLAIN[word](said, value):
                    raise _Misfit(_WANTED.get(word, "{}").format(_shown(said)))
            self._nested(schema, value)
        finally:
            self._depth -= 1

    def _nested(self, schema: Mapping[str, Any], value: Any) -> None:
        if "$ref" in schema:
            self.of(self._pointed(schema["$ref"]), value)
        for part in schema.get("allOf", ()):
            self.of(part, value)
        for word in ("anyOf", "oneOf"):
            if word in schema and not any(self._fits(part, value) for part in schema[word]):
                raise _Misfit("one of several forms of which it has none")
        if isinstance(value, list):
            for index, item in enumerate(value):
                self._inside(schema.get("items"), item, f"[{index}]")
        if isinstance(value, dict):
            self._mapping(schema, value)

    def _mapping(self, schema: Mapping[str, Any], value: dict[str, Any]) -> None:
        known = schema.get("properties") or {}
        for name in schema.get("required", ()):
            if name not in value:
                raise _Misfit(f"a value for {name!r}")
        others = None if "patternProperties" in schema else schema.get("additionalProperties")
        for name, item in value.items():
            self._inside(known.get(name, others), item, f".{name}")

    def _inside(self, schema: Any, value: Any, where: str) -> None:
        try:
            self.of(schema, value)
        except _Misfit as misfit:
            raise _Misfit(str(misfit), where + misfit.where) from None

    def _fits(self, schema: Any, value: Any) -> bool:
        try:
            self.of(schema, value)
        except _Misfit:
            return False
        return True

    def _pointed(self, reference: str) -> Any:
        found: Any = self._root
        for step in str(reference).removeprefix("#").split("/")[1:]:
            found = found.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
        return found


def _is(said: Any, value: Any) -> bool:
    return any(_is_of(word, value) for word in (said if isinstance(said, list) else [said]))


def _is_of(word: str, value: Any) -> bool:
    kinds = _KINDS.get(word)
    if kinds is None or (word == "integer" and isinstance(value, float) and value.is_integer()):
        return True
    return isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))


def _same(said: Any, value: Any) -> bool:
    """Equality as JSON has it: true is not 1."""
    return said == value and isinstance(said, bool) == isinstance(value, bool)


def _number(holds: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    return lambda said, value: not isinstance(value, (int, float)) or isinstance(value, bool) or holds(said, value)


def _sized(kind: type[Sized], holds: Callable[[Any, int], bool]) -> Callable[[Any, Any], bool]:
    return lambda said, value: not isinstance(value, kind) or holds(said, len(value))


_PLAIN: dict[str, Callable[[Any, Any], bool]] = {
    "type": _is,
    "enum": lambda said, value: any(_same(each, value) for each in said),
    "const": _same,
    "minimum": _number(lambda said, value: value >= said),
    "maximum": _number(lambda said, value: value <= said),
    "exclusiveMinimum": _number(lambda said, value: value > said),
    "exclusiveMaximum": _number(lambda said, value: value < said),
    "minLength": _sized(str, lambda said, length: length >= said),
    "maxLength": _sized(str, lambda said, length: length <= said),
    "minItems": _sized(list, lambda said, length: length >= said),
    "maxItems": _sized(list, lambda said, length: length <= said),
    "pattern": lambda said, value: not isinstance(value, str) or re.search(said, value) is not None,
}
_WANTED = {
    "enum": "one of {}",
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "more than {}",
    "exclusiveMaximum": "less than {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "pattern": "text that matches {}",
}


def _shown(said: Any) -> str:
    return (", ".join(map(repr, said)) if isinstance(said, list) else str(said))[:200]
