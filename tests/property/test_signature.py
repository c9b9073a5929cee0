"""Whatever a repository holds, reading it gives facts or a problem: never an exception, never a warning."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

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
