"""JSON values as what annotations say."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, NewType, NotRequired, TypedDict, TypeVar
from uuid import UUID

import pytest

from reconciler.engine.convert import Misfit, convert


class Color(Enum):
    RED = "red"


class Level(IntEnum):
    LOW = 1


@dataclass
class Table:
    name: str
    since: date = date(2020, 1, 1)
    keys: list[int] = field(default_factory=list)


class Box(TypedDict):
    size: int
    note: NotRequired[str]


class Unknown:
    pass


UID = UUID(int=5)
Name = NewType("Name", str)


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (1, int, 1),
        (1.0, int, 1),
        (1, float, 1.0),
        (True, bool, True),
        ("a", str, "a"),
        (None, None, None),
        ({"a": [1]}, Any, {"a": [1]}),
        ("2026-01-02T03:04:05Z", datetime, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02", date, date(2026, 1, 2)),
        ("03:04", time, time(3, 4)),
        (90, timedelta, timedelta(seconds=90)),
        (0.5, timedelta, timedelta(seconds=0.5)),
        ("PT1H30M", timedelta, timedelta(minutes=90)),
        ("-P1DT2S", timedelta, -timedelta(days=1, seconds=2)),
        ("P2W", timedelta, timedelta(weeks=2)),
        (str(UID), UUID, UID),
        ("1.10", Decimal, Decimal("1.10")),
        (0.1, Decimal, Decimal("0.1")),
        ("a/b", Path, Path("a/b")),
        ("x", bytes, b"x"),
        ("red", Color, Color.RED),
        ("RED", Color, Color.RED),
        (1, Level, Level.LOW),
        ([1, 2], list[float], [1.0, 2.0]),
        ([1], list, [1]),
        (["2026-01-02"], Sequence[date], [date(2026, 1, 2)]),
        ([1, "a"], tuple[int, str], (1, "a")),
        ([1, 2], tuple[int, ...], (1, 2)),
        ([1, 1], set[int], {1}),
        (["a"], frozenset[str], frozenset({"a"})),
        ({"1": "a"}, dict[int, str], {1: "a"}),
        ({"a": "2026-01-02"}, Mapping[str, date], {"a": date(2026, 1, 2)}),
        (None, int | None, None),
        ("5", int | str, "5"),
        ("2026-01-02", date | None, date(2026, 1, 2)),
        ("a", Literal["a", 1], "a"),
        ("n", Name, "n"),
        (3, Annotated[int, "positive"], 3),
        (3, TypeVar("T"), 3),
        ({"name": "t", "since": "2026-01-02"}, Table, Table("t", date(2026, 1, 2))),
        ({"size": 1}, Box, {"size": 1}),
        ({"size": 1, "note": "x"}, Box, {"size": 1, "note": "x"}),
    ],
)
def test_a_value_becomes_what_its_annotation_says(value, kind, expected):
    made = convert(value, kind)
    assert (made, type(made)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        ("1", int, "'1' is not an integer"),
        (True, int, "True is not an integer"),
        (1.5, int, "1.5 is not an integer"),
        (float("inf"), int, "is not an integer"),
        ("x", float, "is not a number"),
        (1, str, "is not text"),
        (0, bool, "is not true or false"),
        ("tomorrow", datetime, "is not a date and time"),
        ("PT", timedelta, "is not a duration"),
        ("P1Y", timedelta, "is not a duration"),
        ("x", UUID, "is not a UUID"),
        ("x", Decimal, "is not a decimal number"),
        ("blue", Color, "is not one of 'red'"),
        ("c", Literal["a", "b"], "is not one of 'a', 'b'"),
        (True, Literal[1], "is not one of 1"),
        ({}, list[int], "is not list"),
        ([1], tuple[int, int], "is not a list of 2"),
        ([[1]], set[list[int]], "can be told apart"),
        ([1], Table, "is not an object with the fields of Table"),
        ({"name": "t", "x": 1}, Table, "Table has no field 'x'"),
        ({}, Table, "the field 'name' of Table is missing"),
        ({}, Box, "the field 'size' of Box is missing"),
        ("x", int | None, "'x' is not an integer; 'x' is not null"),
        ({"a": 1}, dict[int, int], "'a' is not an integer"),
        ("y" * 500, int, "..."),
    ],
)
def test_a_value_that_does_not_fit_is_told(value, kind, message):
    with pytest.raises(Misfit) as caught:
        convert(value, kind)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 200


def test_the_place_inside_a_value_is_named():
    with pytest.raises(Misfit) as caught:
        convert([{"name": "a", "keys": [1, "x"]}], list[Table])
    assert caught.value.where == "[0].keys[1]"


class Point(NamedTuple):
    x: int
    at: date = date(2026, 1, 1)


@dataclass
class Seeded:
    n: int
    seed: InitVar[date]
    kind: ClassVar[str] = "seeded"

    def __post_init__(self, seed):
        self.year = seed.year


@pytest.mark.parametrize(
    "value", [[1, "2026-02-03"], {"x": 1, "at": "2026-02-03"}, {"x": 1.0, "at": "2026-02-03T00:00:00"}]
)
def test_a_named_tuple_is_made_of_a_list_or_an_object(value):
    made = convert(value, Point)
    assert (type(made), made) == (Point, (1, date(2026, 2, 3)))
    assert convert([4], Point) == (4, date(2026, 1, 1))


@pytest.mark.parametrize("value", [[], [1, "2026-01-01", 3], {"at": "2026-01-01"}, {"x": 1, "z": 1}, "ab", [1, "soon"]])
def test_what_makes_no_named_tuple_is_told(value):
    with pytest.raises(Misfit):
        convert(value, Point)


def test_what_a_dataclass_takes_to_be_made_is_converted_too():
    assert convert({"n": 1, "seed": "2026-02-03"}, Seeded).year == 2026
    with pytest.raises(Misfit, match="'seed' of Seeded is missing"):
        convert({"n": 1}, Seeded)
    with pytest.raises(Misfit, match="no field 'kind'"):
        convert({"n": 1, "seed": "2026-02-03", "kind": "x"}, Seeded)


def test_a_literal_of_a_member_takes_its_value():
    assert convert("red", Literal[Color.RED, 1]) is Color.RED
    with pytest.raises(Misfit):
        convert("blue", Literal[Color.RED, 1])


def test_a_date_is_no_moment_within_a_day():
    assert convert("2026-02-03T00:00:00", date) == date(2026, 2, 3)
    with pytest.raises(Misfit):
        convert("2026-02-03T10:00:00", date)


def test_an_unknown_annotation_takes_the_value_as_it_is(monkeypatch):
    monkeypatch.delitem(sys.modules, "pydantic", raising=False)
    assert convert({"a": 1}, Unknown) == {"a": 1}
    assert convert(-1, Annotated[int, "anything"]) == -1


def test_pydantic_decides_where_the_flow_imported_it():
    import pydantic  # noqa: PLC0415 - as the flow's code does

    class Model(pydantic.BaseModel):
        n: list[int]

    assert convert({"n": ["1"]}, Model).n == [1]
    with pytest.raises(Misfit) as caught:
        convert([{"n": ["x"]}], list[Model])
    assert caught.value.where == "[0].n[0]"
    assert convert(5, Annotated[int, pydantic.Field(gt=3)]) == 5
    with pytest.raises(Misfit, match="greater than 3"):
        convert(1, Annotated[int, pydantic.Field(gt=3)])
    assert convert(5, Unknown) == 5
