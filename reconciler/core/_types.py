"""The types that annotations name and the JSON Schema of each, and how schemas combine. Called by core/_annotations."""

from collections.abc import Sequence
from enum import StrEnum

from reconciler.model.plan import Json

Schema = dict[str, Json]


def _text(form: str) -> dict[str, Json]:
    return {"type": "string", "format": form}


SIMPLE: dict[str, dict[str, Json]] = {
    "builtins.str": {"type": "string"},
    "builtins.int": {"type": "integer"},
    "builtins.float": {"type": "number"},
    "builtins.bool": {"type": "boolean"},
    "builtins.bytes": _text("binary"),
    "builtins.None": {"type": "null"},
    "builtins.object": {},
    "typing.Any": {},
    "typing.AnyStr": {"type": "string"},
    "typing.LiteralString": {"type": "string"},
    "typing.Text": {"type": "string"},
    "datetime.datetime": _text("date-time"),
    "datetime.date": _text("date"),
    "datetime.time": _text("time"),
    "datetime.timedelta": _text("duration"),
    "uuid.UUID": _text("uuid"),
    "pathlib.Path": _text("path"),
    "pathlib.PurePath": _text("path"),
    "pathlib.PosixPath": _text("path"),
    "pathlib.PurePosixPath": _text("path"),
    "decimal.Decimal": {"anyOf": [{"type": "number"}, {"type": "string"}]},
    "ipaddress.IPv4Address": _text("ipv4"),
    "ipaddress.IPv6Address": _text("ipv6"),
    "re.Pattern": _text("regex"),
    "pydantic.EmailStr": _text("email"),
    "pydantic.AnyUrl": _text("uri"),
    "pydantic.HttpUrl": _text("uri"),
    "pydantic.AnyHttpUrl": _text("uri"),
    "pydantic.FilePath": _text("file-path"),
    "pydantic.DirectoryPath": _text("directory-path"),
    "pydantic.SecretStr": {"type": "string", "format": "password", "writeOnly": True},
    "pydantic.SecretBytes": {"type": "string", "format": "password", "writeOnly": True},
    "pydantic.StrictStr": {"type": "string"},
    "pydantic.StrictInt": {"type": "integer"},
    "pydantic.StrictFloat": {"type": "number"},
    "pydantic.StrictBool": {"type": "boolean"},
    "pydantic.AwareDatetime": _text("date-time"),
    "pydantic.NaiveDatetime": _text("date-time"),
    "pydantic.FutureDate": _text("date"),
    "pydantic.PastDate": _text("date"),
    "pydantic.PositiveInt": {"type": "integer", "exclusiveMinimum": 0},
    "pydantic.NonNegativeInt": {"type": "integer", "minimum": 0},
    "pydantic.NegativeInt": {"type": "integer", "exclusiveMaximum": 0},
    "pydantic.NonPositiveInt": {"type": "integer", "maximum": 0},
    "pydantic.PositiveFloat": {"type": "number", "exclusiveMinimum": 0},
    "pydantic.NonNegativeFloat": {"type": "number", "minimum": 0},
    "pydantic.NegativeFloat": {"type": "number", "exclusiveMaximum": 0},
    "pydantic.NonPositiveFloat": {"type": "number", "maximum": 0},
}
"""Types without arguments, by their dotted origin."""


class Form(StrEnum):
    """What a type makes of its arguments."""

    ARRAY = "array"
    SET = "set"
    OBJECT = "object"
    TUPLE = "tuple"
    UNION = "union"
    OPTIONAL = "optional"
    LITERAL = "literal"
    ANNOTATED = "annotated"
    INNER = "inner"


GENERIC = {
    "list": Form.ARRAY,
    "List": Form.ARRAY,
    "Sequence": Form.ARRAY,
    "MutableSequence": Form.ARRAY,
    "Iterable": Form.ARRAY,
    "Collection": Form.ARRAY,
    "deque": Form.ARRAY,
    "Deque": Form.ARRAY,
    "set": Form.SET,
    "frozenset": Form.SET,
    "Set": Form.SET,
    "FrozenSet": Form.SET,
    "AbstractSet": Form.SET,
    "MutableSet": Form.SET,
    "dict": Form.OBJECT,
    "Dict": Form.OBJECT,
    "Mapping": Form.OBJECT,
    "MutableMapping": Form.OBJECT,
    "defaultdict": Form.OBJECT,
    "DefaultDict": Form.OBJECT,
    "OrderedDict": Form.OBJECT,
    "Counter": Form.OBJECT,
    "tuple": Form.TUPLE,
    "Tuple": Form.TUPLE,
    "Union": Form.UNION,
    "Optional": Form.OPTIONAL,
    "Literal": Form.LITERAL,
    "Annotated": Form.ANNOTATED,
    "Required": Form.INNER,
    "NotRequired": Form.INNER,
    "ReadOnly": Form.INNER,
    "Final": Form.INNER,
    "ClassVar": Form.INNER,
    "InitVar": Form.INNER,
}
"""Types that take arguments, by the last word of their origin in one of HOMES."""

HOMES = frozenset({"builtins", "typing", "collections", "collections.abc", "dataclasses"})


def known(name: str) -> Schema | None:
    """The schema of a type from outside that is named without arguments; None when it is not known."""
    name = canonical(name)
    if name in SIMPLE:
        return dict(SIMPLE[name])
    home, _, word = name.rpartition(".")
    match GENERIC.get(word) if home in HOMES else None:
        case Form.ARRAY | Form.TUPLE:
            return {"type": "array", "items": {}}
        case Form.SET:
            return {"type": "array", "items": {}, "uniqueItems": True}
        case Form.OBJECT:
            return {"type": "object", "additionalProperties": True}
    return None


def canonical(name: str) -> str:
    """The origin without the detour over typing_extensions."""
    return f"typing.{name.removeprefix('typing_extensions.')}" if name.startswith("typing_extensions.") else name


def any_of(schemas: Sequence[Schema]) -> Schema:
    """One of these; alternatives of alternatives are one list, and one that accepts anything is all there is to say."""
    flat: list[Schema] = []
    for schema in schemas:
        if not schema:
            return {}
        for branch in schema["anyOf"] if schema.keys() == {"anyOf"} else [schema]:
            if branch not in flat:
                flat.append(branch)
    return flat[0] if len(flat) == 1 else {"anyOf": flat}


def enumerated(found: Sequence[Json]) -> Schema:
    """One of these values."""
    if not found:
        return {}
    kinds = {type(value) for value in found}
    schema: Schema = {"const": found[0]} if len(found) == 1 else {"enum": list(found)}
    names = {str: "string", bool: "boolean", int: "integer", float: "number"}
    only = kinds.pop() if len(kinds) == 1 else None
    return {**schema, "type": names[only]} if only in names else schema
