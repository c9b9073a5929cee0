"""Makes of a JSON value what an annotation says, with the standard library. Called by parameters.py.

Pydantic decides about its own models, and about every annotation not known here, if the flow's code imported it;
otherwise an unknown annotation takes the value as it is.
"""

import collections.abc
import dataclasses
import sys
import types
import typing
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from enum import Enum
from pathlib import Path, PurePath
from typing import Any

from reconciler.engine import hidden

_SHOWN = 80


class Misfit(Exception):  # noqa: N818 - it is not an error until a parameter's name is put to it
    """A value that is not what an annotation says; `where` is its place inside the parameter, such as `[2].name`."""

    def __init__(self, message: str, where: str = "") -> None:
        super().__init__(message)
        self.where = where


def convert(value: Any, kind: Any) -> Any:
    """The value as `kind`. Raises Misfit."""
    if kind is Any or kind is object or isinstance(kind, typing.TypeVar):
        return value
    if kind is None or kind is types.NoneType:
        return _same(value, types.NoneType)
    origin = typing.get_origin(kind)
    if origin is typing.Annotated:
        return _annotated(value, kind)
    if isinstance(kind, typing.NewType):
        return convert(value, kind.__supertype__)
    if origin is typing.Literal:
        return _literal(value, kind)
    if origin in {typing.Union, types.UnionType}:
        return _union(value, typing.get_args(kind))
    if (origin or kind) in _CONTAINERS:
        return _CONTAINERS[origin or kind](value, typing.get_args(kind))
    return _plain(value, kind)


def _plain(value: Any, kind: Any) -> Any:
    if kind in _SCALARS:
        return _scalar(value, *_SCALARS[kind])
    if known := _named(kind):
        return _scalar(value, *known)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _enum(value, kind)
    if typing.is_typeddict(kind):
        return _typed_dict(value, kind)
    if isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return _named_tuple(value, kind)
    if dataclasses.is_dataclass(kind) and not hasattr(kind, "__pydantic_validator__"):
        return _dataclass(value, kind)
    return _by_pydantic(value, kind)


def _annotated(value: Any, kind: Any) -> Any:
    """Constraints beside a type are pydantic's business; without it, the type alone counts."""
    return _by_pydantic(value, kind) if "pydantic" in sys.modules else convert(value, typing.get_args(kind)[0])


def _by_pydantic(value: Any, kind: Any) -> Any:
    pydantic = sys.modules.get("pydantic")
    if pydantic is None:
        return value
    try:
        adapter = pydantic.TypeAdapter(kind)
    except Exception:  # noqa: BLE001 - no schema for this annotation: nobody can say more
        return value
    try:
        return adapter.validate_python(value)
    except ValueError as error:
        first = error.errors()[0]  # type: ignore[attr-defined]  # pydantic's own ValidationError
        raise Misfit(first["msg"], "".join(_place(part) for part in first["loc"])) from None


def _place(part: Any) -> str:
    return f"[{part}]" if isinstance(part, int) else f".{part}"


def _misfit(value: Any, expected: str) -> Misfit:
    shown = hidden.text(repr(value))
    return Misfit(f"{shown if len(shown) <= _SHOWN else shown[:_SHOWN] + '...'} is not {expected}")


def _same(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise _misfit(value, "null" if kind is types.NoneType else kind.__name__)
    return value


def _inside(value: Any, kind: Any, place: Any) -> Any:
    try:
        return convert(value, kind)
    except Misfit as error:
        raise Misfit(str(error), _place(place) + error.where) from None


def _boolean(value: Any) -> bool:
    return bool(_same(value, bool))


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != int(value):
        raise ValueError
    return int(value)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError
    return float(value)


def _text(value: Any) -> str:
    return str(_same(value, str))


def _day(value: str) -> date:
    """A date, or a moment at which a day begins."""
    moment = datetime.fromisoformat(value)
    if moment.time() != time():
        raise ValueError(value)
    return moment.date()


def _duration(value: Any) -> timedelta:
    """Seconds, or ISO 8601 days and smaller (`P1DT2H`, `PT90S`)."""
    if not isinstance(value, str):
        return timedelta(seconds=_number(value))
    sign, text = (-1, value[1:]) if value.startswith("-") else (1, value)
    days, t, clock = text.removeprefix("P").partition("T")
    if not text.startswith("P") or not (days or clock) or (t and not clock):
        raise ValueError(value)
    return sign * (_amounts(days, {"W": "weeks", "D": "days"}) + _amounts(clock, _CLOCK))


_CLOCK = {"H": "hours", "M": "minutes", "S": "seconds"}


def _amounts(text: str, units: Mapping[str, str]) -> timedelta:
    total, digits = timedelta(), ""
    for character in text:
        if character in units:
            total += timedelta(**{units[character]: float(digits)})
            digits = ""
        else:
            digits += character
    if digits:
        raise ValueError(text)
    return total


_SCALARS: dict[Any, tuple[Callable[[Any], Any], str]] = {
    bool: (_boolean, "true or false"),
    int: (_integer, "an integer"),
    float: (_number, "a number"),
    str: (_text, "text"),
    datetime: (datetime.fromisoformat, "a date and time (ISO 8601)"),
    date: (_day, "a date (ISO 8601)"),
    time: (time.fromisoformat, "a time of day (ISO 8601)"),
    timedelta: (_duration, "a duration (seconds, or ISO 8601 such as PT90S)"),
    Path: (Path, "a path"),
    PurePath: (PurePath, "a path"),
    bytes: (lambda value: value.encode(), "text"),
}


def _named(kind: Any) -> tuple[Callable[[Any], Any], str] | None:
    """Of types whose modules only some flows load: an annotation that names one has loaded it."""
    match getattr(kind, "__module__", ""), getattr(kind, "__qualname__", ""):
        case "uuid", "UUID":
            return kind, "a UUID"
        case "decimal", "Decimal":
            return (lambda value: kind(str(value))), "a decimal number"
    return None


def _scalar(value: Any, make: Callable[[Any], Any], expected: str) -> Any:
    try:
        return make(value)
    except (ValueError, TypeError, AttributeError, ArithmeticError, Misfit):
        raise _misfit(value, expected) from None


def _enum(value: Any, kind: type[Enum]) -> Enum:
    """By value, as JSON Schema says it, else by name."""
    try:
        return kind(value)
    except ValueError:
        if isinstance(value, str) and value in kind.__members__:
            return kind[value]
        raise _misfit(value, f"one of {', '.join(repr(m.value) for m in kind)}") from None


def _literal(value: Any, kind: Any) -> Any:
    for option in typing.get_args(kind):
        plain = option.value if isinstance(option, Enum) else option
        if type(plain) is type(value) and plain == value:
            return option
    raise _misfit(value, f"one of {', '.join(repr(o) for o in typing.get_args(kind))}")


def _union(value: Any, kinds: tuple[Any, ...]) -> Any:
    """The member whose JSON type it has already, else the first that can be made of it."""
    for kind in kinds:
        if (value is None and kind is types.NoneType) or (isinstance(kind, type) and type(value) is kind):
            return value
    problems = []
    for kind in kinds:
        try:
            return convert(value, kind)
        except Misfit as error:
            problems.append(f"{error.where + ': ' if error.where else ''}{error}")
    raise Misfit("; ".join(dict.fromkeys(problems)))


def _list(value: Any, kinds: tuple[Any, ...]) -> list[Any]:
    kind = kinds[0] if kinds else Any
    return [_inside(item, kind, index) for index, item in enumerate(_same(value, list))]


def _tuple(value: Any, kinds: tuple[Any, ...]) -> tuple[Any, ...]:
    if not kinds or kinds[-1] is Ellipsis:
        return tuple(_list(value, kinds[:1]))
    if len(_same(value, list)) != len(kinds):
        raise _misfit(value, f"a list of {len(kinds)}")
    return tuple(_inside(item, kind, i) for i, (item, kind) in enumerate(zip(value, kinds, strict=True)))


def _hashable(make: Callable[[Any], Any]) -> Callable[[Any, tuple[Any, ...]], Any]:
    def convert_set(value: Any, kinds: tuple[Any, ...]) -> Any:
        try:
            return make(_list(value, kinds))
        except TypeError:
            raise _misfit(value, "a list of values that can be told apart") from None

    return convert_set


def _dict(value: Any, kinds: tuple[Any, ...]) -> dict[Any, Any]:
    key_kind, value_kind = kinds or (Any, Any)
    return {_key(k, key_kind): _inside(v, value_kind, k) for k, v in _same(value, dict).items()}


def _key(key: str, kind: Any) -> Any:
    """JSON's keys are text; `dict[int, ...]` reads numbers from them."""
    if kind in {int, float}:
        try:
            return kind(key)
        except ValueError:
            raise _misfit(key, _SCALARS[kind][1]) from None
    return convert(key, kind)


_CONTAINERS: dict[Any, Callable[[Any, tuple[Any, ...]], Any]] = {
    list: _list,
    tuple: _tuple,
    set: _hashable(set),
    frozenset: _hashable(frozenset),
    dict: _dict,
    collections.abc.Sequence: _list,
    collections.abc.Iterable: _list,
    collections.abc.Collection: _list,
    collections.abc.Set: _hashable(set),
    collections.abc.Mapping: _dict,
    collections.abc.MutableMapping: _dict,
    collections.abc.MutableSequence: _list,
    collections.abc.MutableSet: _hashable(set),
}


def _typed_dict(value: Any, kind: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(kind, include_extras=True)
    fields = {name: _required(hint) for name, hint in hints.items()}
    return _fields(value, fields, kind.__required_keys__, kind.__name__)


def _required(hint: Any) -> Any:
    """What `Required[...]` and `NotRequired[...]` say it is."""
    return typing.get_args(hint)[0] if typing.get_origin(hint) in {typing.Required, typing.NotRequired} else hint


def _named_tuple(value: Any, kind: Any) -> Any:
    """From an object, or from a list in the order of the fields."""
    hints = typing.get_type_hints(kind, include_extras=True)
    known = {name: hints.get(name, Any) for name in kind._fields}
    if isinstance(value, list):
        if len(value) > len(known):
            raise _misfit(value, f"a list of at most {len(known)}")
        value = dict(zip(known, value, strict=False))
    return kind(**_fields(value, known, [name for name in known if name not in kind._field_defaults], kind.__name__))


def _dataclass(value: Any, kind: Any) -> Any:
    hints = typing.get_type_hints(kind, include_extras=True)
    # Not dataclasses.fields: that leaves out what is `InitVar`, which is given all the same.
    made = [f for f in kind.__dataclass_fields__.values() if f.init and not _for_class(hints[f.name])]
    bare = {f.name for f in made if f.default is f.default_factory is dataclasses.MISSING}
    kinds = {f.name: h.type if isinstance(h := hints[f.name], dataclasses.InitVar) else h for f in made}
    return kind(**_fields(value, kinds, bare, kind.__name__))


def _for_class(hint: Any) -> bool:
    return hint is typing.ClassVar or typing.get_origin(hint) is typing.ClassVar


def _fields(value: Any, known: Mapping[str, Any], needed: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _misfit(value, f"an object with the fields of {name}")
    for key in value:
        if key not in known:
            raise Misfit(f"{name} has no field {key!r}")
    for key in needed:
        if key not in value:
            raise Misfit(f"the field {key!r} of {name} is missing")
    return {key: _inside(item, known[key], key) for key, item in value.items()}
