"""Whatever a repository holds, reading it gives facts or a problem: never an exception, never a warning."""

import json
import sys
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import TypeAdapter

from reconciler.core.parameters import check_schema, problems
from reconciler.core.signature import EntrypointProblem, FlowFacts, read_flow

QUICK = settings(max_examples=150, deadline=None)

WORDS = [
    *(
        "def f(a: int = 1): ...",
        "async def f(*, b): ...",
        "class f: ...",
        "f = g",
        "g = f",
        "from x import f",
        "import x",
    ),
    *(
        "from . import f",
        "from .x import *",
        "@flow",
        "@flow(name='a')",
        "f = flow(f)",
        "f.with_options(name=f)",
        "    ",
    ),
    *(
        "\n",
        "\n",
        "\n",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ":",
        "a: 'f | g'",
        "int",
        "list[",
        "Optional[f]",
        "|",
        "'",
        '"""',
    ),
    *(
        "\\d",
        "\ud800",
        "\0",
        "\r",
        "\f",
        "9" * 50,
        "if a:",
        "try:",
        "except:",
        "type X = X",
        "é",
        "f'{a!r}'",
        "...",
        "=",
    ),
    *(
        ",",
        "->",
        "lambda:",
        "from enum import Enum",
        "class f(Enum):",
        "    A = f",
        "from typing import *",
        "X = list['X']",
    ),
]
code = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=200).map(lambda text: text.encode(errors="surrogatepass")),
    st.lists(st.sampled_from(WORDS), max_size=30).map(lambda words: "".join(words).encode(errors="surrogatepass")),
    st.lists(st.sampled_from(WORDS), max_size=30).map(lambda words: "\n".join(words).encode(errors="surrogatepass")),
)
entrypoints = st.one_of(st.just("m.py:f"), st.just("m.f"), st.just("m.py:g"), st.text(max_size=20))


def check(found):
    assert isinstance(found, FlowFacts | EntrypointProblem)
    if isinstance(found, FlowFacts):
        assert FlowFacts.load(json.loads(json.dumps(found.json(), ensure_ascii=False).encode())) == found
        assert found.parameters is None or check_schema(found.parameters) is None


@QUICK
@given(entrypoints, code, code)
def test_any_bytes_give_facts_or_a_problem(entrypoint, main, other):
    files = {"m.py": main, "x.py": other}
    check(read_flow(entrypoint, files.get))


ANNOTATIONS = st.recursive(
    st.sampled_from(["int", "str", "None", "'f'", "C", "E", "X", "Any", "Missing", "...", "1", "'a b'", "M.x", "()"]),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(" | ".join),
        st.tuples(
            st.sampled_from(
                ["list", "dict", "Optional", "Union", "Literal", "tuple", "Annotated", "C", "Final", "set"]
            ),
            st.lists(inner, min_size=1, max_size=3).map(", ".join),
        ).map(lambda pair: f"{pair[0]}[{pair[1]}]"),
    ),
    max_leaves=8,
)
DEFAULTS = st.sampled_from(["", " = 1", " = None", " = 'x'", " = C()", " = E.A", " = [{'a': ()}]", " = Field(1, gt=0)"])
HEAD = """
from typing import *
from enum import Enum
from dataclasses import dataclass
from pydantic import Field
class E(Enum):
    A = 1
@dataclass
class C:
    c: 'C | X'
X = list['X']
"""


@QUICK
@given(st.lists(st.tuples(ANNOTATIONS, DEFAULTS), max_size=4))
def test_any_annotation_gives_a_schema_that_may_be_used(parameters):
    listed = ", ".join(f"p{at}: {annotation}{default}" for at, (annotation, default) in enumerate(parameters))
    found = read_flow("m.py:f", {"m.py": f"{HEAD}\ndef f(*, {listed}): ...".encode()}.get) if parameters else None
    if found is not None:
        check(found)
        assert isinstance(found, FlowFacts)
        assert list(found.parameters["properties"]) == [f"p{at}" for at in range(len(parameters))]


NAMES = st.text(max_size=3) | st.sampled_from(["a", "b"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=10,
)
KEYWORDS = st.sampled_from([
    *("type", "properties", "items", "anyOf", "allOf", "oneOf", "not", "if", "required", "enum", "const", "$ref"),
    *("$defs", "pattern", "minimum", "multipleOf", "uniqueItems", "additionalProperties", "patternProperties", "a"),
    *("then", "b", "prefixItems", "contains", "minContains", "dependentRequired", "dependentSchemas"),
    *("unevaluatedProperties", "unevaluatedItems", "propertyNames", "minLength", "format", "$schema", "$id"),
])  # fmt: skip
VALUES = ["object", "integer", ["null", "string"], "#", "#/$defs/a", "^a+", "(a+)+", 1, 0.5, True, ["a"], {}]
SCHEMAS = st.recursive(
    st.sampled_from(VALUES) | JSON,
    lambda inner: st.dictionaries(KEYWORDS, inner, max_size=4) | st.lists(inner, max_size=2),
    max_leaves=15,
)


@QUICK
@given(SCHEMAS, st.dictionaries(st.sampled_from(["a", "b", "aa"]), JSON, max_size=3), st.booleans())
def test_any_schema_and_values_give_problems_or_none(schema, values, partial):
    check_schema(schema)
    if isinstance(schema, dict):
        for path, message in problems(schema, values, partial=partial):
            assert isinstance(path, tuple)
            assert len(message) <= 500


MODELS = """
import datetime as dt
import enum
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar, Generic, Literal, NewType, Optional, TypeAlias, TypeVar, Union
from typing_extensions import NotRequired, Required, TypedDict
from uuid import UUID

from annotated_types import Ge, MaxLen
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, SecretStr

T = TypeVar("T")
Key = NewType("Key", int)
Keys: TypeAlias = "list[Key]"

class Color(enum.Enum):
    RED = "red"
    BLUE = BLEU = "blue"

class Level(enum.IntEnum):
    LOW = enum.auto()
    HIGH = 5

class Word(enum.StrEnum):
    A = enum.auto()

class Options(TypedDict, total=False):
    a: Required[int]
    b: str

class More(Options):
    n: NotRequired[list[int]]

@dataclass
class Base:
    n: int

@dataclass(kw_only=True)
class Data(Base):
    tags: list[str] = field(default_factory=list)
    count: ClassVar[int] = 3

class Model(BaseModel):
    model_config = ConfigDict(extra="forbid")
    a: int = Field(gt=0, le=5)
    b: Annotated[str, Field(max_length=2, pattern="^[a-z]*$")] = "x"

class Child(Model):
    n: Optional["Child"] = None
    tags: dict[str, Data] = {}
    x: int = Field(3, alias="y")

class Box(BaseModel, Generic[T]):
    n: T

class Loose(BaseModel, extra="forbid"):
    a: Annotated[int, Field(default=4)]
    b: Literal[Color.RED, 1, None] = None
"""
TYPES = """int str float bool None dt.datetime dt.date|None dt.timedelta UUID Path SecretStr bytes Color Level
Word Key Keys Options More Data Model Child Loose list[Model] dict[str,Child] Optional[Color] set[int]
tuple[int,str] tuple[int,...] Union[int,list[str]] Literal["a",1,None] Literal[Color.RED] PositiveInt
Annotated[int,Field(gt=0)]|None Annotated[list[int],MaxLen(1)] Annotated[float,Ge(1)] list[Optional["Model"]]
dict[str,int|None] frozenset[str] list[Key]|Color"""
atoms = st.sampled_from([None, True, 0, 1, -1, 5, 6, 1.0, 1.5, "", "a", "x", "red", "blue", "abc", "Z"])
pieces_of_models = st.recursive(
    atoms,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "n", "tags", "x", "y"]), inner, max_size=4)
    ),
    max_leaves=8,
)
oracles = ModuleType("oracles")
sys.modules["oracles"] = oracles
exec(MODELS, vars(oracles))  # noqa: S102 - the oracle runs what is only read otherwise


@pytest.mark.parametrize("kind", TYPES.split())
def test_a_type_takes_and_refuses_what_pydantic_says_of_it(kind):
    adapter = TypeAdapter(eval(kind, vars(oracles)), module="oracles")  # noqa: S307 - the same
    adapter.rebuild(raise_errors=False, _types_namespace=vars(oracles))
    oracle = Draft202012Validator(adapter.json_schema())
    code = f"{MODELS}\n\nfrom reconciler import flow\n\n@flow\ndef f(p: {kind}): ...\n"
    facts = read_flow("f.py:f", {"f.py": code.encode()}.get)

    @settings(deadline=None, max_examples=25, database=None)
    @given(pieces_of_models)
    def agree(value):
        told = problems(facts.parameters, {"p": value}, partial=False)
        assert (not told) == oracle.is_valid(value), (told, facts.parameters)

    assert facts.notes == ()
    agree()
