"""Whether a value plainly fits a simple schema, without the library. Called by core/parameters before it asks that.

Most parameter schemas are types and defaults, and most values fit: with 10,000 specs to check the library's general
machinery would take most of the time. Anything this does not know is left to the library, which alone says no.
"""

from collections.abc import Mapping

from reconciler.model.plan import Json

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
    "array": (list,),
    "object": (dict,),
}
_SAYS_NOTHING = frozenset({"title", "description", "default", "position", "x-default", "examples"})
_DEPTH = 8


def fits(schema: Json, value: Json, *, partial: bool = False, depth: int = 0) -> bool:
    """True when the value certainly fits; False when it may not. `partial`: what is missing does not count."""
    if not isinstance(schema, Mapping) or depth > _DEPTH:
        return False
    for word, said in schema.items():
        if word in _SAYS_NOTHING or (word == "required" and partial):
            continue
        if not _word_fits(word, said, schema, value, depth):
            return False
    return True


def _word_fits(word: str, said: Json, schema: Mapping[str, Json], value: Json, depth: int) -> bool:
    if word == "type":
        return _is_of(said, value)
    if word == "anyOf" and isinstance(said, list):
        return any(fits(branch, value, depth=depth + 1) for branch in said)
    if word == "items" and isinstance(value, list):
        return all(fits(said, item, depth=depth + 1) for item in value)
    return _object_fits(word, said, schema, value, depth)


def _is_of(said: Json, value: Json) -> bool:
    kinds = _TYPES.get(said) if isinstance(said, str) else None
    return kinds is not None and isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))


def _object_fits(word: str, said: Json, schema: Mapping[str, Json], value: Json, depth: int) -> bool:
    if not isinstance(value, dict):
        return False
    properties = schema.get("properties") or {}
    if word == "properties" and isinstance(said, Mapping):
        return all(fits(said[key], item, depth=depth + 1) for key, item in value.items() if key in said)
    if word == "additionalProperties" and isinstance(said, bool):
        return said or all(key in properties for key in value)
    if word == "required" and isinstance(said, list):
        return all(key in value for key in said)
    return False
