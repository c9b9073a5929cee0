"""Whether a value plainly fits a simple schema, without the library. Made by core/parameters before it asks that.

Most parameter schemas are types and defaults, and most values fit: with 10,000 specs to check the library's general
machinery would take most of the time. Anything this does not know is left to the library, which alone says no.
"""

from collections.abc import Callable, Mapping
from typing import Final

from reconciler.model.plan import Json

Fits = Callable[[Json], bool]
"""True when a value certainly fits; False when it may not."""

_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
    "array": (list,),
    "object": (dict,),
}
_SAYS_NOTHING: Final = frozenset({"title", "description", "default", "position", "x-default", "examples"})
_DEPTH: Final = 8


def fitting(schema: Json, *, partial: bool = False, depth: int = 0) -> Fits:
    """The test that a schema stands for. `partial`: what is missing does not count."""
    if not isinstance(schema, Mapping) or depth > _DEPTH:
        return _never
    tests = [
        _word(word, said, schema, depth)
        for word, said in schema.items()
        if word not in _SAYS_NOTHING and not (word == "required" and partial)
    ]
    if len(tests) == 1:
        return tests[0]

    def fits(value: Json) -> bool:
        for test in tests:  # noqa: SIM110 - a generator for each value would cost more than the tests
            if not test(value):
                return False
        return True

    return fits


def _never(_value: Json) -> bool:
    return False


def _word(word: str, said: Json, schema: Mapping[str, Json], depth: int) -> Fits:
    if word == "type":
        return _type(said)
    if word == "anyOf" and isinstance(said, list):
        branches = [fitting(branch, depth=depth + 1) for branch in said]
        return lambda value: any(branch(value) for branch in branches)
    if word == "items":
        item = fitting(said, depth=depth + 1)
        return lambda value: isinstance(value, list) and all(map(item, value))
    return _of_object(word, said, schema, depth)


def _type(said: Json) -> Fits:
    kinds = _TYPES.get(said) if isinstance(said, str) else None
    if kinds is None:
        return _never
    if bool in kinds:
        return lambda value: isinstance(value, bool)
    return lambda value: isinstance(value, kinds) and not isinstance(value, bool)


def _of_object(word: str, said: Json, schema: Mapping[str, Json], depth: int) -> Fits:
    if word == "properties" and isinstance(said, Mapping):
        parts = {key: fitting(part, depth=depth + 1) for key, part in said.items()}
        return lambda value: (
            isinstance(value, dict) and all(parts[key](item) for key, item in value.items() if key in parts)
        )
    properties = schema.get("properties") or {}
    if word == "additionalProperties" and isinstance(said, bool) and isinstance(properties, Mapping):
        known = frozenset(properties)
        return lambda value: isinstance(value, dict) and (said or known.issuperset(value))
    if word == "required" and isinstance(said, list):
        return lambda value: isinstance(value, dict) and all(map(value.__contains__, said))
    return _never
