import pytest

from reconciler.core.arguments import merge, options_of, parse_option, parse_variable
from reconciler.model.errors import InvalidRequestError

SCHEMA = {
    "type": "object",
    "properties": {
        "n": {"type": "integer"},
        "x": {"type": "number"},
        "s": {"type": "string"},
        "b": {"type": "boolean"},
        "l": {"type": "array"},
        "maybe": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "either": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
        "two": {"type": ["string", "integer"]},
        "mode": {"enum": ["a", "b"]},
        "one": {"const": "1"},
        "color": {"$ref": "#/$defs/Color"},
        "any": {},
        "loop": {"$ref": "#/properties/loop"},
        "gone": {"$ref": "#/$defs/Gone"},
        "partly": {"anyOf": [{"type": "string"}, {}]},
    },
    "$defs": {"Color": {"enum": ["red", "1"], "type": "string"}},
}


def test_later_layers_replace_whole_names():
    layers = ({"a": 1, "b": {"x": 1}}, {"b": {"y": 2}}, {"c": 3})
    assert merge(*layers) == {"a": 1, "b": {"y": 2}, "c": 3}
    assert layers[0] == {"a": 1, "b": {"x": 1}}
    assert merge() == {}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("n=3", 3),
        ("n=[1]", [1]),  # of the wrong type, which validation tells
        ("x=1e3", 1000.0),
        ("s=3", "3"),
        ("s=a=b", "a=b"),
        ("s=", ""),
        ('s="q"', '"q"'),
        ("b=true", True),
        ('l=[1, {"a": null}]', [1, {"a": None}]),
        ("maybe=null", None),
        ("maybe=abc", "abc"),
        ('maybe="abc"', '"abc"'),
        ("either=3", 3),
        ("either=3a", "3a"),
        ("two=3", 3),
        ("mode=a", "a"),
        ("one=1", "1"),
        ("color=1", "1"),
        ("any=3", 3),
        ("any=abc", "abc"),
        ("any=NaN", "NaN"),
        ("partly=3", 3),
        ("loop=3", 3),
        ("gone=a", "a"),
        ("other=3", 3),
        ("any=" + "[" * 100_000, "[" * 100_000),
        ("any=" + "9" * 5_000, "9" * 5_000),
    ],
)
def test_a_value_is_read_by_its_type(text, value):
    assert parse_option(text, SCHEMA) == (text.partition("=")[0], value)


def test_without_a_signature_a_value_is_json_or_itself():
    assert parse_option("n=3", None) == ("n", 3)
    assert parse_option(" n =three", None) == ("n", "three")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("n", "not of the form name=value"),
        ("=3", "not of the form name=value"),
        ("n=three", r"parameter 'n': expected integer, got 'three'\n  write a whole number"),
        ("n=NaN", "expected integer"),
        ("b=True", "write true or false"),
        ("l=a,b", r"write a list such as \[1, 2\]"),
        ("n=" + "x" * 5_000, "x…'"),
    ],
)
def test_a_value_that_cannot_be_read_says_what_would_be_right(text, says):
    with pytest.raises(InvalidRequestError, match=says) as raised:
        parse_option(text, SCHEMA)
    assert len(str(raised.value)) < 200


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ('env={"A": "b"}', ("env", {"A": "b"})),
        ("image=python:3.12", ("image", "python:3.12")),
        ("n=3", ("n", 3)),
        ("x=", ("x", "")),
        ("q=NaN", ("q", "NaN")),
    ],
)
def test_a_job_variable_is_json_or_text(text, read):
    assert parse_variable(text) == read


@pytest.mark.parametrize("text", ["s3cret", "=s3cret", " =s3cret"])
def test_a_job_variable_without_a_name_is_not_repeated(text):
    with pytest.raises(InvalidRequestError) as caught:
        parse_variable(text)
    assert "s3cret" not in str(caught.value)


def test_a_schema_that_is_not_enforced_refuses_no_option():
    spec = {"parameter_openapi_schema": {"properties": {"n": {"type": "integer"}, "s": {"type": "string"}}}}
    options = ("n=many", "s=1", "other=[1]")
    loose = options_of(options, {**spec, "enforce_parameter_schema": False})
    assert loose == {"n": "many", "s": "1", "other": [1]}
    assert options_of(("n=2", "s=1"), spec) == {"n": 2, "s": "1"}
    assert options_of(("n=many",), None) == {"n": "many"}
    with pytest.raises(InvalidRequestError, match="expected integer"):
        options_of(options, spec)
