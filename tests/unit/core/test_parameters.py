"""Parameters against schemas: what is told, and what a hostile schema or value costs."""

import time

import pytest

from reconciler.core.parameters import MAX_BYTES, MAX_PROBLEMS, check_schema, problems

MODEL = {
    "type": "object",
    "properties": {"a": {"type": "integer"}, "b": {"items": {"type": "integer"}}},
    "required": ["a"],
}
SCHEMA = {
    "type": "object",
    "properties": {
        "n": {"type": "integer", "minimum": 1},
        "s": {"type": "string", "maxLength": 3, "pattern": "^a"},
        "maybe": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "mode": {"enum": ["a", "b"]},
        "one": {"const": 1},
        "m": {"$ref": "#/$defs/Model"},
        "some": {"anyOf": [{"$ref": "#/$defs/Model"}, {"type": "array", "items": {"$ref": "#/$defs/Model"}}]},
        "both": {"anyOf": [{"$ref": "#/$defs/Model"}, {"type": "object", "required": ["z"]}]},
        "only": {"oneOf": [{"minimum": 0}, {"maximum": 9}]},
        "once": {"uniqueItems": True},
        "closed": {"type": "object", "properties": {"key": {}}, "additionalProperties": False},
        "secret": {"type": "integer", "format": "password"},
        "never": False,
    },
    "required": ["n"],
    "additionalProperties": False,
    "$defs": {"Model": MODEL},
}


@pytest.mark.parametrize(
    ("values", "path", "message"),
    [
        ({"n": "abc"}, ("n",), "parameter 'n': expected integer, got string 'abc'"),
        ({"n": True}, ("n",), "parameter 'n': expected integer, got boolean true"),
        ({"n": None}, ("n",), "parameter 'n': expected integer, got null"),
        ({"n": 0}, ("n",), "parameter 'n': expected at least 1, got integer 0"),
        ({"n": 1, "s": "abcd"}, ("s",), "parameter 's': expected at most 3 characters, got 4"),
        ({"n": 1, "s": "b"}, ("s",), "parameter 's': string 'b' does not match the pattern '^a'"),
        ({"n": 1, "maybe": "x"}, ("maybe",), "parameter 'maybe': expected integer or null, got string 'x'"),
        ({"n": 1, "mode": "c"}, ("mode",), "parameter 'mode': expected one of 'a', 'b', got string 'c'"),
        ({"n": 1, "one": 2}, ("one",), "parameter 'one': expected 1, got integer 2"),
        ({"n": 1, "m": {}}, ("m",), "parameter 'm': 'a' is required"),
        ({"n": 1, "m": {"a": 1, "b": [1, "x"]}}, ("m", "b", 1), "parameter 'm.b[1]': expected integer, got string 'x'"),
        ({"n": 1, "some": [{"a": "x"}]}, ("some", 0, "a"), "parameter 'some[0].a': expected integer, got string 'x'"),
        ({"n": 1, "some": 3}, ("some",), "parameter 'some': expected object or array, got integer 3"),
        ({"n": 1, "both": {}}, ("both",),
         "parameter 'both': fits none of its alternatives: 'a' is required; or 'z' is required"),
        ({"n": 1, "only": 5}, ("only",), "parameter 'only': fits more than one of its alternatives: integer 5"),
        ({"n": 1, "once": [{"a": 1}, {"a": 1}]}, ("once",), "parameter 'once': expected every item once"),
        ({"n": 1, "closed": {"kez": 1}}, ("closed",), "parameter 'closed': unknown key 'kez'; did you mean 'key'?"),
        ({"n": 1, "secret": "hunter2"}, ("secret",), "parameter 'secret': expected integer, got string"),
        ({"n": 1, "never": 1}, ("never",), "parameter 'never': nothing is accepted here, got integer 1"),
        ({"n": 1, "nn": 2}, ("nn",), "unknown parameter 'nn'; did you mean 'n'?"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("partial", [False, True])
def test_a_problem_names_the_parameter(values, path, message, partial):
    assert problems(SCHEMA, values, partial=partial) == [(path, message)]


def test_what_is_missing_is_a_problem_only_of_the_whole():
    assert problems(SCHEMA, {}, partial=False) == [(("n",), "parameter 'n' is required")]
    assert problems(SCHEMA, {"mode": "a"}, partial=True) == []
    alternatives = {"type": "object", "anyOf": [{"required": ["a"]}, {"required": ["b"]}]}
    assert problems(alternatives, {"c": 1}, partial=True) == []
    assert problems(alternatives, {"c": 1}, partial=False)


def test_every_unknown_parameter_is_told_and_the_known_are_named():
    found = problems(SCHEMA, {"n": 1, "alpha": 1, "qqq": 2}, partial=False)
    assert [path for path, _ in found] == [("alpha",), ("qqq",)]
    assert "known: 'n', 's'" in found[1][1]


def test_right_values_have_no_problems():
    values = {"n": 1, "s": "ab", "maybe": None, "mode": "b", "one": 1, "m": {"a": 1}, "once": [1, True, "1"]}
    assert problems(SCHEMA, values, partial=False) == []
    assert problems({}, {"anything": ["goes"]}, partial=False) == []


def test_long_values_and_many_problems_are_cut():
    found = problems(
        {"additionalProperties": {"type": "integer"}}, {f"p{i}": "x" * 9_000 for i in range(30)}, partial=False
    )
    assert len(found) == MAX_PROBLEMS
    assert found[0][1] == f"parameter 'p0': expected integer, got string '{'x' * 40}…'"


@pytest.mark.parametrize("values", [{"a": float("nan")}, {"a": {1, 2}}, {"a": 10**5_000}])
def test_values_that_are_not_json_are_told(values):
    ((path, message),) = problems({}, values, partial=False)
    assert path == ()
    assert "not JSON" in message


def test_parameters_are_limited_in_size():
    assert problems({}, {"a": "x" * (MAX_BYTES - 9)}, partial=False) == []
    assert problems({}, {"a": "é" * (MAX_BYTES // 2 - 10)}, partial=False) == []
    assert "larger than 524,288 bytes" in problems({}, {"a": "x" * MAX_BYTES}, partial=False)[0][1]


# --- schemas from a repository


def of(part, **more):
    return {"type": "object", "properties": {"a": part}, **more}


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        (5, "must be a mapping"),
        ({"type": "array"}, "type object"),
        (of({"$ref": "https://example.com/s"}), "/properties/a/$ref: only references within"),
        (of({"$ref": "other.json#/a"}), "only references within"),
        (of({"$ref": "#/$defs/Gone"}), "leads nowhere"),
        (of({"$ref": "#/properties/a"}), "/properties/a/$ref: '#/properties/a' leads on without end"),
        (of({"$ref": "#/x"}, x={"$ref": "#/y"}, y={"$ref": "#/x"}), "leads on without end"),
        (of({"$ref": "#/x0"}, **{f"x{n}": {"$ref": f"#/x{n + 1}"} for n in range(99)}), "without end"),
        (of({"$ref": "#/x"}, x={"pattern": "(a+)+"}), "nested quantifiers"),
        (of({"$id": "https://example.com/"}), "/properties/a/$id is not allowed"),
        (of({"$schema": "http://json-schema.org/draft-07/schema#"}), "not allowed"),
        (of({"$dynamicRef": "#a"}), "not allowed"),
        (of({"type": "text"}), "'text' is not a value"),
        (of({"minimum": "1"}), "'1' is not a value"),
        (of({"multipleOf": 0}), "'0' is not a value"),
        (of({"enum": 3}), "not a value"),
        (of({"required": "a"}), "not a value"),
        (of({"anyOf": {}}), "a list is expected"),
        (of(3), "a mapping is expected"),
        ({"type": "object", "properties": []}, "a mapping is expected"),
        (of({"default": float("nan")}), "not JSON"),
        (of({"description": "x" * 300_000}), "larger than"),
        (of({"patternProperties": {"^a.*b.*$": {}}}), "too many ways"),
    ],
)
def test_a_schema_that_may_not_be_used_is_refused(schema, says):
    assert says in check_schema(schema)
    if isinstance(schema, dict):
        ((path, message),) = problems(schema, {"a": 1}, partial=True)
        assert path == ()
        assert message.startswith("the parameter schema ")


@pytest.mark.parametrize(
    "schema",
    [
        SCHEMA,
        {},
        {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"},
        {"properties": {"$id": {}, "pattern": {"type": "string"}, "$ref": {}, "type": {}}},
        of({"definitions": {"a/b": {}}, "$ref": "#/properties/a/definitions/a~1b"}),
    ],
)
def test_a_schema_within_bounds_may_be_used(schema):
    assert check_schema(schema) is None


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+", "(a|b)*", "(a*)*b", "(a{1,9}){9}", r"(a)\1", "(?=a)", "(?<!a)b", "(?i)a", "a**", "a?" * 60, "(a|b){30}",
     ".*.*.*.*.*.*", "[[a]]", "(", r"\p{L}", "x" * 201, "*", "(?P<n>a)(?P=n)"],
)  # fmt: skip
def test_a_pattern_that_may_run_for_long_is_refused(pattern):
    assert "the pattern" in check_schema(of({"pattern": pattern}))


@pytest.mark.parametrize(
    ("pattern", "right", "wrong"),
    [
        ("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "a-b", "-a"),
        (r"^\d{4}-\d{2}-\d{2}$", "2026-01-01", "2026-1-1"),
        (r"^\S+@\S+\.\S+$", "a@b.c", "a b"),
        ("^(dev|prod)$", "dev", "devprod"),
        ("b{2,}", "abb", "ab"),
        (r"^[]\]a]+$", "]a", "b"),
        ("^(?:ab){3}$", "ababab", "abab"),
        ("a{}", "a{}", "a"),
    ],
)
def test_a_pattern_with_a_price_is_matched(pattern, right, wrong):
    schema = of({"pattern": pattern})
    assert problems(schema, {"a": right}, partial=False) == []
    assert "does not match" in problems(schema, {"a": wrong}, partial=False)[0][1]


DOUBLING = {f"d{i}": {"allOf": [{"$ref": f"#/$defs/d{i + 1}"}] * 2} for i in range(40)} | {"d40": {}}
MANY = {f"a{i}": 1 for i in range(20_000)}
DEEP: dict = {}
for _ in range(60):
    DEEP = {"a": DEEP}
LIST: list = []
for _ in range(900):
    LIST = [LIST]


@pytest.mark.parametrize(
    ("schema", "values", "says"),
    [
        ({"$ref": "#/$defs/d0", "$defs": DOUBLING}, {"a": 1}, "takes too long"),
        ({"unevaluatedProperties": False, "$ref": "#/$defs/d0", "$defs": DOUBLING}, {"a": 1}, "takes too long"),
        ({"allOf": [{"properties": {"a": {"$ref": "#"}}}] * 2}, DEEP, "takes too long"),
        ({"anyOf": [{"properties": {"a": {"$ref": "#"}}, "required": ["x"]}] * 2}, DEEP, ""),
        ({"$ref": "#"}, {"a": 1}, "leads on without end"),
        ({"allOf": [{"$ref": "#"}]}, {"a": 1}, "nested too deeply"),
        (of({"items": {"$ref": "#/properties/a"}}), {"a": LIST}, "nested too deeply"),
        (of({"multipleOf": 0.5}), {"a": 10**4_000}, "too large"),
        ({"allOf": [{"unevaluatedProperties": {}}] * 50, "unevaluatedProperties": False}, MANY, "too long"),
        (of({"unevaluatedItems": False}), {"a": [1] * 100_000}, "too long"),
        (of({"uniqueItems": True}), {"a": [{"a": i} for i in range(20_000)]}, None),
        (of({"anyOf": [{"items": {"type": "string"}}] * 5}), {"a": [1] * 100_000}, "none of its alternatives"),
        (of({"pattern": "^.*a.*b.*c"}), {"a": "a" * 100_000}, "too long to be matched"),
        (of({"items": {"pattern": "^a?" + "a?" * 18 + "$"}}), {"a": ["a" * 18 + "b"] * 5_000}, ""),
    ],
)  # fmt: skip
def test_a_hostile_schema_or_value_ends_soon(schema, values, says):
    started = time.process_time()
    found = problems(schema, values, partial=False)
    assert time.process_time() - started < 5
    assert found == [] if says is None else says in found[0][1]
