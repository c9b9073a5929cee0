"""What read_flow says of entrypoints and of the code behind them, situation by situation."""

import inspect
import json
import re
import sys
import textwrap
import time
import typing
from pathlib import Path

import pytest

from reconciler.core.signature import EntrypointProblem, FlowFacts, read_flow

HELLO = "def hello(name: str = 'world', n: int = 3): ...\n"


def look(files, entrypoint="flow.py:f", *, root=""):
    blobs = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
    return read_flow(entrypoint, blobs.get, root=root)


def facts(code, entrypoint="flow.py:f", **more):
    found = look({"flow.py": textwrap.dedent(code), **more}, entrypoint)
    assert isinstance(found, FlowFacts), str(found)
    return found


def properties(code, **more):
    """The properties without title and position, which every one of them has."""
    found = facts(code, **more).parameters["properties"]
    return {name: {k: v for k, v in p.items() if k not in {"title", "position"}} for name, p in found.items()}


def annotated(annotation, preamble="", **more):
    return properties(f"{preamble}\ndef f(a: {annotation}): ...", **more)["a"]


# --- entrypoints


@pytest.mark.parametrize(
    ("entrypoint", "root", "path"),
    [
        ("flows/etl.py:hello", "", "flows/etl.py"),
        ("./flows//etl.py:hello", "", "flows/etl.py"),
        ("etl.py:hello", "flows", "flows/etl.py"),
        ("etl.py:hello", "./flows/", "flows/etl.py"),
        ("flows.etl.hello", "", "flows/etl.py"),
        ("etl.hello", "flows", "flows/etl.py"),
        ("etl.hello", "src/..hidden", "src/..hidden/etl.py"),
        ("pkg.hello", "", "pkg/__init__.py"),
        ("pkg.mod.hello", "", "src/pkg/mod.py"),
    ],
)
def test_an_entrypoint_is_found_below_the_root(entrypoint, root, path):
    assert look({path: HELLO}, entrypoint, root=root).defines == path


@pytest.mark.parametrize(
    ("entrypoint", "says"),
    [
        ("", "empty"),
        ("  ", "empty"),
        ("flow.py", "flow.py:function"),
        ("flows/flow", "names no function"),
        ("/flow.py:f", "absolute"),
        ("../flow.py:f", r"`\.\.`"),
        ("a/../flow.py:f", r"`\.\.`"),
        ("a\\flow.py:f", "backslash"),
        ("flow.py\0:f", "control character"),
        ("flow\n.py:f", "control character"),
        ("nb.ipynb:f", "notebook.*export"),
        ("nb.ipynb", "notebook"),
        ("flow:f", "write flow.py:function"),
        ("pkg.flow:f", "write pkg/flow.py:function"),
        (":f", r"\.py file"),
        ("flow.py:", "name of a function"),
        ("flow.py:1f", "name of a function"),
        ("flow.py:class", "name of a function"),
        ("flow.py:A.f", "within a class"),
        ("f", "neither a file nor a module"),
        ("a..f", "neither a file nor a module"),
        ("missing.py:f", "no regular file 'missing.py'"),
        ("flow.missing.f", "no module 'flow.missing'"),
        ("flow.py:hell", "did you mean 'hello'"),
        ("x" * 600 + ".py:f", "longer than 500"),
    ],
)
def test_an_entrypoint_that_cannot_be_right_is_refused(entrypoint, says):
    problem = look({"flow.py": HELLO}, entrypoint)
    assert isinstance(problem, EntrypointProblem)
    assert re.search(says, str(problem)), str(problem)


@pytest.mark.parametrize("root", ["/srv/app", "../other", "a/../b", "a\\b", "a\0b"])
def test_a_root_outside_the_repository_is_refused(root):
    assert "not a folder of this repository" in look({"flow.py": HELLO}, root=root).message


def test_a_missing_file_names_the_path_that_was_looked_at():
    problem = look({}, "etl.py:f", root="flows")
    assert "'flows/etl.py'" in problem.message
    assert "'flows'" in problem.hint


def test_a_module_of_an_installed_package_is_a_note():
    found = look({}, "company.flows.daily_load")
    assert (found.name, found.name_known, found.parameters) == ("daily-load", False, None)
    assert "not in this repository" in found.notes[0]


# --- code that cannot be read


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("x = 1\ndef f(:\n", "flow.py:2:7: syntax error"),
        ("class f: ...", "is a class, not a function"),
        ("f = {'a': 1}", "is a value, not a function"),
        ("f = None", "is a value"),
        (b"\x00def f(): ...", "NUL"),
        (b"version https://git-lfs.github.com/spec/v1\n", "LFS pointer"),
        (b"def f(): '\xff'", "not text in utf-8"),
        (b"# coding: punycode\ndef f(): ...", "encoded as 'punycode'"),
        ("#" * (1 << 20) + "\n", "larger than 1 MiB"),
        ("a;" * 300_000, "too much code"),
        ("-" * 100_000 + "1", "nested too deeply"),
        ("1+" * 50_000 + "1", "nested too deeply"),
        ("(" * 100_000, "syntax error: too many nested parentheses"),
        ("9" * 5_000, "syntax error"),
        ("def f(): '\x1b[2J\n", "syntax error"),
    ],
)
def test_code_that_is_wrong_is_a_problem_with_its_place(code, says):
    problem = look({"flow.py": code})
    assert isinstance(problem, EntrypointProblem)
    assert says in problem.message
    assert problem.path == "flow.py"
    assert str(problem).isprintable()


def test_warnings_of_the_code_stay_with_its_author():
    assert facts("def f(a='\\d'): ...\n1or 2\n").parameters["properties"]["a"]["default"] == "\\d"


def test_a_declared_encoding_is_read():
    found = look({"flow.py": "# -*- coding: latin-1 -*-\ndef f(a='é'): ...".encode("latin-1")})
    assert found.parameters["properties"]["a"]["default"] == "é"


NEWER = [
    ((3, 12), "type X = int\ndef f(): ..."),
    ((3, 12), "def f[T](a: T): ..."),
    ((3, 12), "class A[T]: ...\ndef f(): ..."),
    ((3, 12), "x = f'{d['a']}'\ndef f(): ..."),
    ((3, 12), 'x = f"{chr(10).join(["a\\n"])}"\ndef f(): ...'),
    ((3, 13), "class A[T = int]: ...\ndef f(): ..."),
    ((3, 14), "try: ...\nexcept A, B: ...\ndef f(): ..."),
    ((3, 14), "x = t'{a}'\ndef f(): ..."),
]


@pytest.mark.parametrize(("needs", "code"), NEWER)
def test_syntax_of_a_newer_python_is_a_note_naming_both(needs, code):
    found = facts(code)
    if sys.version_info >= needs:
        assert found.defines == "flow.py"
    else:
        assert (found.name, found.name_known, found.parameters) == ("f", False, None)
        assert f"needs Python {'.'.join(map(str, needs))}" in found.notes[0]
        assert f"runs {'.'.join(map(str, sys.version_info[:2]))}" in found.notes[0]


@pytest.mark.parametrize("code", ["x = f'{a'", "x = f'}'", "x = f'{}'", "type = = 3", "class A[: ..."])
def test_a_plain_mistake_is_not_taken_for_newer_syntax(code):
    problem = look({"flow.py": code + "\ndef f(): ..."})
    if code.startswith("class") and sys.version_info < (3, 12):
        pytest.skip("a type parameter and a mistake in it look the same to an older Python")
    assert isinstance(problem, EntrypointProblem)


# --- what the decorator says


@pytest.mark.parametrize(
    "code",
    [
        "from reconciler import flow\n@flow(name='n', retries=2)\ndef f(a: int): ...",
        "from reconciler import flow as fl\n@fl(name='n', retries=2)\ndef f(a: int): ...",
        "import reconciler as r\n@r.flow(name='n', retries=2)\ndef f(a: int): ...",
        "import prefect\n@prefect.flow(name='n', retries=2)\ndef f(a: int): ...",
        "from prefect.flows import flow\n@flow(name='n', retries=2)\ndef f(a: int): ...",
        "from prefect import *\n@flow(name='n', retries=2)\ndef f(a: int): ...",
        "from reconciler import flow\ndef g(a: int): ...\nf = flow(g, name='n', retries=2)",
        "from reconciler import flow\ndef f(a: int): ...\nf = flow(f, name='n', retries=2)",
        "from reconciler import flow\ndef g(a: int): ...\nf = flow(name='n', retries=2)(g)",
        "from reconciler import flow\n@flow(name='m', retries=2)\ndef g(a: int): ...\nf = g.with_options(name='n')",
        "from reconciler import flow\n@flow(name='n', retries=2)\ndef g(a: int): ...\nf = g",
        "try:\n  from prefect import flow\nexcept E:\n  flow = None\n@flow(name='n', retries=2)\ndef f(a: int): ...",
    ],
)
def test_a_flow_is_recognised_however_it_is_made(code):
    found = facts(code)
    assert (found.name, found.name_known, found.retries, found.notes) == ("n", True, 2, ())
    assert found.parameters["required"] == ["a"]


def test_every_literal_argument_is_read():
    found = facts('''
        from reconciler import flow
        @flow(name="nightly load", description="D", version="v1", retries=3, retry_delay_seconds=[1, 2.5],
              retry_jitter_factor=0.5, timeout_seconds=60, log_prints=True, flow_run_name="run-{n}")
        async def f(n: int):
            """Not this."""
        ''')
    assert found.json() == {
        "name": "nightly load",
        "name_known": True,
        "description": "D",
        "version": "v1",
        "retries": 3,
        "retry_delay_seconds": [1, 2.5],
        "retry_jitter_factor": 0.5,
        "timeout_seconds": 60,
        "log_prints": True,
        "flow_run_name": "run-{n}",
        "is_async": True,
        "parameters": found.parameters,
        "defines": "flow.py",
        "line": 5,
        "notes": [],
    }
    assert FlowFacts.load(json.loads(json.dumps(found.json()))) == found


@pytest.mark.parametrize(
    ("delay", "seconds"),
    [
        ("exponential_backoff(backoff_factor=10)", [10, 20, 40]),
        ("exponential_backoff(0.5)", [0.5, 1.0, 2.0]),
        ("reconciler.exponential_backoff(1)", [1, 2, 4]),
        ("prefect.tasks.exponential_backoff(backoff_factor=1e300)", [366 * 86_400.0] * 3),
        ("exponential_backoff(backoff_factor=FACTOR)", None),
        ("exponential_backoff(-1)", None),
        ("mine(1)", None),
    ],
)
def test_an_exponential_backoff_is_a_list(delay, seconds):
    found = facts(f"""
        import prefect.tasks, reconciler
        from reconciler import exponential_backoff, flow
        @flow(retry_delay_seconds={delay}, retries=3)
        def f(): ...
        """)
    assert found.retry_delay_seconds == seconds
    assert [f"`{delay}` counts as 0 for runs whose process is lost" in note for note in found.notes] == (
        [] if seconds else [True]
    )


@pytest.mark.parametrize(
    ("argument", "name"),
    [
        ("name=NAME", "name"),
        ("retries=SETTINGS.n", "retries"),
        ("retry_jitter_factor=-0.5", "retry_jitter_factor"),
        ("name=''", "name"),
        ("version=1.0", "version"),
        ("retries=True", "retries"),
        ("retries=-1", "retries"),
        ("retries=2.5", "retries"),
        ("timeout_seconds='60'", "timeout_seconds"),
        ("retry_delay_seconds=[1, 'x']", "retry_delay_seconds"),
        ("log_prints=1", "log_prints"),
        ("flow_run_name=make", "flow_run_name"),
        ("version='\\ud800'", "version"),
    ],
)
def test_an_argument_that_cannot_be_read_is_a_note_and_absent(argument, name):
    found = facts(f"from reconciler import flow\n@flow({argument})\ndef my_flow(): ...", "flow.py:my_flow")
    assert f"@flow({name}=…)" in found.notes[0]
    assert found.name == "my-flow"
    assert found.name_known is (name != "name")
    assert name == "name" or getattr(found, name) is None


def test_without_a_name_the_function_names_the_flow_and_its_docstring_describes_it():
    found = facts('def load_all():\n    """Load.\n\n    More.\n      Even.\n    """\n', "flow.py:load_all")
    assert (found.name, found.description, found.line) == ("load-all", "Load.\n\nMore.\n  Even.", 1)


def test_starred_arguments_are_noted():
    assert "`**OPTIONS`" in facts("from reconciler import flow\n@flow(**OPTIONS)\ndef f(): ...").notes[0]


def test_another_decorator_may_change_the_parameters():
    found = facts("@app.command(3)\ndef f(a: int): ...")
    assert (found.parameters["required"], found.parameters["additionalProperties"]) == ([], True)
    assert "`@app.command` may change" in found.notes[0]


# --- following names


def chain(length):
    files = {f"m{i}.py": f"from m{i + 1} import f\n" for i in range(length)}
    return {"flow.py": "from m0 import f\n", **files, f"m{length}.py": "def f(a: int): ...\n"}


def test_imports_are_followed_to_depth_3():
    assert look(chain(2)).defines == "m2.py"


def test_beyond_depth_3_the_signature_is_unknown():
    found = look(chain(3))
    assert (found.parameters, found.name_known) == (None, False)
    assert "more than 3 imports away" in found.notes[0]


@pytest.mark.parametrize(
    ("entry", "path"),
    [
        ("from .tasks import f", "pkg/tasks.py"),
        ("from .tasks import g as f", "pkg/tasks.py"),
        ("from ..lib.tasks import f", "lib/tasks.py"),
        ("from . import tasks\nf = tasks.f", "pkg/tasks.py"),
        ("from lib.tasks import f", "lib/tasks.py"),
        ("import lib.tasks\nf = lib.tasks.f", "lib/tasks.py"),
        ("import lib.tasks as t\nf = t.f", "lib/tasks.py"),
        ("from lib import f", "lib/__init__.py"),
        ("from tasks import f", "pkg/tasks.py"),
        ("from installed import f", "src/installed.py"),
        ("from .tasks import *", "pkg/tasks.py"),
    ],
)
def test_imports_inside_the_repository_are_followed(entry, path):
    assert look({"pkg/flow.py": entry, path: "def f(): ...\ndef g(): ..."}, "pkg/flow.py:f").defines == path


@pytest.mark.parametrize(
    "code",
    [
        "from company import f",
        "from company import *",
        "f = make()",
        "f = functools.partial(g, 1)",
        "f = lambda a: a",
        "f, g = 1, 2",
        "for f in (): ...",
        "def __getattr__(name): ...",
        "globals()['f'] = 1",
        "from .f import f",
        "from ... import f",
    ],
)
def test_what_is_not_followed_accepts_any_parameters(code):
    found = facts(code)
    assert (found.parameters, found.name, found.name_known) == (None, "f", False)
    assert found.notes[0].startswith("signature unknown: ")


@pytest.mark.parametrize(
    ("code", "tasks", "says"),
    [
        ("from tasks import f", "def g(): ...", "tasks.py has no 'f'"),
        ("from tasks import f", "def f(:", "tasks.py:1:"),
        ("if __name__ == '__main__':\n  def f(): ...", "", "flow.py has no 'f'"),
    ],
)
def test_a_name_that_cannot_be_there_is_refused(code, tasks, says):
    assert says in look({"flow.py": code, "tasks.py": tasks}).message


def test_names_that_lead_in_a_circle_end():
    look({"flow.py": "from a import f", "a.py": "from flow import f"})
    look({"flow.py": "f = g\ng = f"})
    look({"flow.py": "from a import *", "a.py": "from flow import *"})


def test_each_path_is_asked_for_once_and_no_more_than_needed():
    files = {"flow.py": b"import os, yaml\nfrom .t import T\ndef f(a: T, b: T, c: list[int]): ...", "t.py": b"T = int"}
    asked = []

    def read(path):
        asked.append(path)
        return files.get(path)

    read_flow("flow.py:f", read)
    assert asked == ["flow.py", "t.py"]


# --- parameters


@pytest.mark.parametrize(
    ("annotation", "schema"),
    [
        ("int", {"type": "integer"}),
        ("float", {"type": "number"}),
        ("bool", {"type": "boolean"}),
        ("'str'", {"type": "string"}),
        ("bytes", {"type": "string", "format": "binary"}),
        ("None", {"type": "null"}),
        ("list", {"type": "array", "items": {}}),
        ("list[int]", {"type": "array", "items": {"type": "integer"}}),
        ("'list[\"int\"]'", {"type": "array", "items": {"type": "integer"}}),
        ("set[str]", {"type": "array", "items": {"type": "string"}, "uniqueItems": True}),
        ("Sequence[str]", {"type": "array", "items": {"type": "string"}}),
        ("t.Iterable[str]", {"type": "array", "items": {"type": "string"}}),
        ("dict", {"type": "object", "additionalProperties": True}),
        ("dict[str, int]", {"type": "object", "additionalProperties": {"type": "integer"}}),
        ("Mapping[str, t.Any]", {"type": "object", "additionalProperties": True}),
        ("tuple[int, ...]", {"type": "array", "items": {"type": "integer"}}),
        (
            "tuple[int, str]",
            {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "minItems": 2, "maxItems": 2},
        ),
        ("t.Optional[int]", {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        ("int | None", {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        ("t.Union[int, str | None]", {"anyOf": [{"type": "integer"}, {"type": "string"}, {"type": "null"}]}),
        ("int | t.Any", {}),
        ("t.Literal['a', 'b']", {"enum": ["a", "b"], "type": "string"}),
        ("t.Literal[1]", {"const": 1, "type": "integer"}),
        ("t.Literal['a', 1, None]", {"enum": ["a", 1, None]}),
        ("dt.datetime", {"type": "string", "format": "date-time"}),
        ("date", {"type": "string", "format": "date"}),
        ("dt.timedelta", {"type": "string", "format": "duration"}),
        ("UUID", {"type": "string", "format": "uuid"}),
        ("Path", {"type": "string", "format": "path"}),
        ("Decimal", {"anyOf": [{"type": "number"}, {"type": "string"}]}),
        ("t.Any", {}),
        ("Ids", {"type": "array", "items": {"type": "integer"}}),
        ("UserId", {"type": "integer"}),
        ("Tree", {"type": "array", "items": {}}),
        ("T", {}),
        ("Annotated[int, Field(gt=0, le=9, description='d')]",
         {"type": "integer", "exclusiveMinimum": 0, "maximum": 9, "description": "d"}),
        ("Annotated[str, Field(min_length=1, pattern='^a')]", {"type": "string", "minLength": 1, "pattern": "^a"}),
        ("Annotated[str, Field(pattern='(a+)+$')]", {"type": "string"}),
        ("Annotated[list[int], Field(max_length=3)]", {"type": "array", "items": {"type": "integer"}, "maxItems": 3}),
        ("Annotated[int, 'how many']", {"type": "integer", "description": "how many"}),
        ("Annotated[int, at.Ge(2)]", {"type": "integer", "minimum": 2}),
    ],
)  # fmt: skip
def test_an_annotation_becomes_a_schema(annotation, schema):
    preamble = """
from __future__ import annotations
import typing as t, datetime as dt, annotated_types as at
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, NewType, Sequence, TypeVar
from uuid import UUID
from pydantic import Field
Ids = list[int]
UserId = NewType("UserId", int)
T = TypeVar("T")
Tree: t.TypeAlias = "list[Tree]"
"""
    found = facts(f"{preamble}\ndef f(a: {annotation}): ...")
    assert annotated(annotation, preamble) == schema
    assert found.notes == ()


@pytest.mark.parametrize(
    "annotation", ["pd.DataFrame", "Missing", "Callable[[int], int]", "f(1)", "'not a type('", "1"]
)
def test_a_type_that_is_not_known_accepts_anything_and_is_noted(annotation):
    found = facts(f"import pandas as pd\nfrom typing import Callable\ndef f(a: {annotation}): ...")
    assert found.parameters["properties"]["a"] == {"title": "a", "position": 0}
    assert found.notes[0].startswith("parameter 'a': the ")


CLASSES = """
import enum
from dataclasses import dataclass, field, KW_ONLY
from typing import *
from pydantic import BaseModel, ConfigDict, Field
class Color(str, enum.Enum):
    RED = "red"
    BLUE = "blue"
    _ignore_ = []
    def hi(self): ...
class Level(enum.IntEnum):
    LOW = enum.auto()
    HIGH = enum.auto()
class Size(enum.StrEnum):
    BIG = enum.auto()
@dataclass
class Base:
    a: int
    made: list = field(default_factory=list)
    kind: ClassVar[int] = 1
@dataclass(frozen=True)
class Node(Base):
    next: Optional["Node"] = None
class Config(TypedDict):
    host: str
    port: NotRequired[int]
class Loose(Config, total=False):
    user: str
class Point(NamedTuple):
    x: int
    y: int = 0
class Model(BaseModel):
    model_config = ConfigDict(extra="forbid")
    n: int = Field(gt=0)
    m: int = Field(default=2, alias="em")
    o: int = Field(..., description="O")
class Plain: ...
class Empty(enum.Enum): ...
"""
INTEGER = {"type": "integer"}


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("Color", {"enum": ["red", "blue"], "type": "string"}),
        ("Level", {"enum": [1, 2], "type": "integer"}),
        ("Size", {"const": "big", "type": "string"}),
        ("Empty", {}),
        ("Node", {"type": "object", "required": ["a"], "properties": {
            "a": INTEGER, "made": {"type": "array", "items": {}},
            "next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}], "default": None}}}),
        ("Loose", {"type": "object", "required": ["host"], "properties": {
            "host": {"type": "string"}, "port": INTEGER, "user": {"type": "string"}}}),
        ("Point", {"type": ["array", "object"], "required": ["x"], "minItems": 1, "maxItems": 2,
                   "properties": {"x": INTEGER, "y": {**INTEGER, "default": 0}},
                   "prefixItems": [INTEGER, {**INTEGER, "default": 0}]}),
        ("Model", {"type": "object", "required": ["n", "o"], "additionalProperties": False, "properties": {
            "n": {**INTEGER, "exclusiveMinimum": 0}, "em": {**INTEGER, "default": 2},
            "o": {**INTEGER, "description": "O"}}}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("home", ["here", "elsewhere"])
def test_a_class_of_the_repository_becomes_a_definition(name, schema, home):
    code = CLASSES if home == "here" else f"from .models import {name}"
    found = facts(f"{code}\ndef f(a: {name}): ...", **{"models.py": CLASSES})
    assert found.parameters["properties"]["a"]["$ref"] == f"#/$defs/{name}"
    assert found.parameters["$defs"][name] == {"title": name, **schema}
    assert found.notes == ()


HARD = """
import enum
from typing import *
from pydantic import AfterValidator, AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator
from pydantic import field_validator, model_validator
import lib
class Named(enum.Enum):
    def _generate_next_value_(name, *_): return name
class ByName(Named):
    A = enum.auto()
class Unpacked(enum.Enum):
    A, B = 1, 2
class Made(enum.Enum):
    for n in "ab": locals()[n] = n
class Missing(enum.Enum):
    A = 1
    @classmethod
    def _missing_(cls, value): return cls.A
class TextAuto(str, enum.Enum):
    A = enum.auto()
class Csv(BaseModel):
    tags: list[str]
    n: int
    @field_validator("tags", mode="before")
    def split(cls, value): return value.split(",")
class Late(BaseModel):
    n: int
    @field_validator("n")
    def even(cls, value): return value
class Shaped(BaseModel):
    n: int
    @model_validator(mode="before")
    def any_shape(cls, value): return {"n": value}
class Custom(BaseModel):
    n: int
    @classmethod
    def __get_pydantic_core_schema__(cls, *_): ...
class Choices(BaseModel, extra="forbid"):
    n: int = Field(validation_alias=AliasChoices("a", "b"))
class Inside(BaseModel):
    a: Annotated[int, Field(default=4)]
    b: Annotated[int, Field(alias="bee")]
class Either(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)
    n: int = Field(alias="en")
class Old(BaseModel):
    n: int
    class Config:
        extra = "forbid"
class OldNames(BaseModel):
    some_name: int
    class Config:
        alias_generator = str.upper
class Mixed(BaseModel, lib.Mixin, extra="forbid"):
    n: int
T = TypeVar("T")
class Box(BaseModel, Generic[T]):
    item: T
class IntBox(Box[int]):
    n: int
"""
N = {"type": "integer"}


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        *((each, {}) for each in ("ByName", "Unpacked", "Made", "Missing", "TextAuto", "Shaped", "Custom")),
        ("Csv", {"type": "object", "properties": {"tags": {}, "n": N}, "required": ["tags", "n"]}),
        ("Late", {"type": "object", "properties": {"n": N}, "required": ["n"]}),
        ("Choices", {"type": "object", "properties": {"n": N}}),
        ("Inside", {"type": "object", "properties": {"a": N, "bee": N}, "required": ["bee"]}),
        ("Either", {"type": "object", "properties": {"n": N, "en": N}, "additionalProperties": False}),
        ("Old", {"type": "object", "properties": {"n": N}, "additionalProperties": False, "required": ["n"]}),
        ("OldNames", {"type": "object"}),
        ("Mixed", {"type": "object"}),
        ("IntBox", {"type": "object", "properties": {"item": {}, "n": N}, "required": ["item", "n"]}),
    ],
)  # fmt: skip
def test_a_class_is_never_held_to_more_than_it_asks_itself(name, schema):
    found = facts(f"{HARD}\ndef f(a: {name}): ...")
    assert found.parameters["$defs"][name] == {"title": name, **schema}


@pytest.mark.parametrize(
    ("annotation", "schema"),
    [
        ("Annotated[list[str], BeforeValidator(str.split), Field(description='D')]", {"description": "D"}),
        ("Annotated[int, PlainValidator(int)]", {}),
        ("Annotated[int, AfterValidator(abs)]", {"type": "integer"}),
        ("Literal[Level.LOW, 'x']", {"enum": [1, "x"]}),
        ("Literal[ByName.A]", {}),
    ],
)
def test_metadata_and_members_are_read_as_far_as_they_go(annotation, schema):
    preamble = HARD + "class Level(enum.IntEnum):\n    LOW = 1\n"
    assert annotated(annotation, preamble) == schema


def test_a_class_without_a_form_in_json_accepts_anything():
    assert "`Plain` is not known" in facts(CLASSES + "def f(a: Plain): ...").notes[0]


@pytest.mark.parametrize(
    ("default", "expected"),
    [
        ("-5", {"default": -5}),
        ("(1, 'a')", {"default": [1, "a"]}),
        ("{'a': [None, True]}", {"default": {"a": [None, True]}}),
        ("now()", {"x-default": "now()"}),
        ("DEFAULT", {"x-default": "DEFAULT"}),
        ("b'x'", {"x-default": "b'x'"}),
        ("1e999", {"x-default": "1e999"}),
        ("{1: 2}", {"x-default": "{1: 2}"}),
        ("'\\ud800'", {"x-default": "'\\ud800'"}),
        ("0x" + "f" * 5000, {"x-default": "0x" + "f" * 78 + "…"}),
        ("'" + "a" * 20_000 + "'", {"x-default": "'" + "a" * 79 + "…"}),
        ("Color.RED", {"default": "red"}),
        ("Field(3, ge=1)", {"default": 3, "minimum": 1}),
    ],
)
def test_a_default_is_a_literal_or_its_text(default, expected):
    found = facts(f"{CLASSES}\ndef f(a={default}): ...").parameters
    assert found["required"] == []
    assert found["properties"]["a"] == {"title": "a", "position": 0, **expected}


def test_a_default_of_none_admits_none():
    assert properties("def f(a: int = None): ...")["a"] == {
        "anyOf": [{"type": "integer"}, {"type": "null"}],
        "default": None,
    }


def test_star_parameters_are_no_parameters_of_a_run():
    found = facts("def f(a, *rest, b, **more): ...")
    assert list(found.parameters["properties"]) == ["a", "b"]
    assert found.parameters["additionalProperties"] is True
    assert "`*rest`" in found.notes[0]


@pytest.mark.parametrize(
    "docstring",
    [
        "Do.\n\nArgs:\n    a (dict[str: int]): the a\n        of it.\n    b: the b.\n\nReturns:\n    c: no\n",
        "Do.\n\n:param a: the a\n    of it.\n:param int b: the b.\n:returns: c: no\n",
        "Do.\n\nParameters\n----------\na : int\n    the a\n    of it.\nb\n    the b.\n\nReturns\n-------\nc\n    no\n",
    ],
)
def test_a_docstring_describes_the_parameters(docstring):
    found = properties(f"def f(a, b, c):\n    {docstring!r}")
    assert found == {"a": {"description": "the a of it."}, "b": {"description": "the b."}, "c": {}}


def test_types_that_double_are_cut_off():
    aliases = "\n".join(f"A{i + 1} = tuple[A{i}, A{i}]" for i in range(40))
    found = facts(f"A0 = int\n{aliases}\ndef f(a: A40): ...")
    assert len(json.dumps(found.parameters)) < 500_000


@pytest.mark.parametrize(
    "code",
    [
        "class C(TypedDict):\n" + "\n".join(f"  field_{i}: int" for i in range(12_000)) + "\ndef f(a: C): ...",
        "def f(" + ", ".join(f"p{i}='{'x' * 16_000}'" for i in range(30)) + "): ...",
        "def f(" + ", ".join(f"p{i}" for i in range(300)) + "): ...",
    ],
)
def test_a_signature_too_large_to_hold_is_unknown(code):
    found = facts("from typing import TypedDict\n" + code)
    assert found.parameters is None
    assert found.notes[-1].endswith("any parameters are accepted")
    assert found.name_known


def test_a_long_line_of_classes_is_read_without_recursion():
    classes = "\n".join(f"@dataclass\nclass C{i}:\n  n: 'C{i + 1}'" for i in range(1_000))
    found = facts(f"from dataclasses import dataclass\n{classes}\ndef f(a: C0): ...")
    assert len(found.parameters["$defs"]) == 200


# --- against Python itself

SAMPLES = """
from __future__ import annotations
def none(): ...
def plain(a, b=1): ...
def kinds(a: int, /, b: str, *, c: float = 1.5, d: bool): ...
def containers(a: list[int], b: dict[str, int] = {}, c: tuple[int, ...] = (), d: set[str] = frozenset()): ...
async def waits(a: int | None = None, *, b: str = "x", **more: int): ...
def stars(*args: int, key: bytes = b""): ...
def many(a: int, b: int = 2, c: int = 3, *, d: int, e: int = 5, f: int): ...
def nothing(a: None = None, b: object = object()): ...
"""
JSON_TYPES = {int: "integer", str: "string", float: "number", bool: "boolean", bytes: "string", type(None): "null"}
JSON_TYPES |= {list: "array", tuple: "array", set: "array", dict: "object"}


def _imported():
    scope: dict = {}
    exec(compile(SAMPLES, "samples", "exec"), scope)  # noqa: S102 - the fixture above, as Python sees it
    return {name: value for name, value in scope.items() if inspect.isfunction(value)}


@pytest.mark.parametrize(("name", "function"), _imported().items())
def test_the_schema_agrees_with_inspect(name, function):
    schema = look({"flow.py": SAMPLES}, f"flow.py:{name}").parameters
    parameters = inspect.signature(function).parameters.values()
    named = [p for p in parameters if p.kind not in {p.VAR_POSITIONAL, p.VAR_KEYWORD}]
    assert list(schema["properties"]) == [p.name for p in named]
    assert [p["position"] for p in schema["properties"].values()] == list(range(len(named)))
    assert schema["required"] == [p.name for p in named if p.default is p.empty]
    assert schema["additionalProperties"] is any(p.kind is p.VAR_KEYWORD for p in parameters)
    hints = typing.get_type_hints(function)
    for parameter in named:
        found = schema["properties"][parameter.name]
        hint = hints.get(parameter.name)
        expected = JSON_TYPES.get(typing.get_origin(hint) or hint)
        assert expected is None or found["type"] == expected
        if isinstance(parameter.default, int | float | str | list | dict | tuple | type(None)):
            assert found["default"] == json.loads(json.dumps(parameter.default))


def test_files_of_the_standard_library_are_read():
    for path in (inspect.getsourcefile(module) for module in (inspect, json, typing, textwrap)):
        data = Path(path).read_bytes()
        found = read_flow("m.py:nothing_like_it", {"m.py": data}.get)
        assert not isinstance(found, EntrypointProblem) or "no such function" in found.message


AUTO = "import enum\nclass E(enum.Enum):\n" + "".join(f"  A{i} = enum.auto()\n" for i in range(9_000))


@pytest.mark.parametrize(
    "code",
    [
        "from flow import *\n" * 500 + "def f(a: Unknown): ...",
        AUTO + "def f(a: E): ...",
        AUTO + "def f(" + ", ".join(f"a{i}: E = E.A{i}" for i in range(250)) + "): ...",
    ],
)
def test_hostile_code_is_read_soon(code):
    started = time.process_time()
    look({"flow.py": code})
    assert time.process_time() - started < 3
