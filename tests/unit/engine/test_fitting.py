"""What only the run knows, against the schema of the spec: the daemon's validator is the oracle."""

import pytest

from reconciler.core import parameters as daemon
from reconciler.engine import fitting
from reconciler.engine.parameters import ParameterError

PARTS = {
    "type": {"type": "integer"},
    "types": {"type": ["string", "null"]},
    "enum": {"enum": ["a", 1, None]},
    "const": {"const": True},
    "bounds": {"minimum": 1, "exclusiveMaximum": 4},
    "other bounds": {"exclusiveMinimum": 1, "maximum": 4},
    "length": {"type": "string", "minLength": 2, "maxLength": 3},
    "pattern": {"pattern": "^a+$"},
    "items": {"type": "array", "items": {"type": "number"}, "minItems": 1, "maxItems": 2},
    "mapping": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
    "closed": {"properties": {"n": {"type": "integer"}}, "additionalProperties": False},
    "rest": {"additionalProperties": {"$ref": "#/$defs/text"}},
    "any": {"anyOf": [{"type": "integer"}, {"$ref": "#/$defs/text"}]},
    "all": {"allOf": [{"type": "string"}, {"maxLength": 2}]},
    "nothing": False,
    "anything": True,
    "unknown": {"format": "email", "if": {"type": "string"}},
}
VALUES = ("", "a", "aa", "aaaa", "b", 0, 1, 2, 3, 4, 1.0, 1.5, True, False, None, [], [1], [1, "x"], [1, 2, 3],
          {}, {"n": 1}, {"n": "x"}, {"m": "x"}, {"n": 1, "m": 2})  # fmt: skip


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_it_says_what_the_daemon_says(part):
    schema = {"type": "object", "properties": {"p": part}, "$defs": {"text": {"type": "string"}}}
    for value in VALUES:
        refused = bool(daemon.problems(schema, {"p": value}, partial=False))
        if refused:
            with pytest.raises(ParameterError, match=r"^parameter 'p'"):
                fitting.check(schema, {"p": value})
        else:
            fitting.check(schema, {"p": value})


def test_the_place_is_named_and_the_value_is_not():
    part = {"items": {"properties": {"n": {"maximum": 3}}}}
    with pytest.raises(ParameterError) as caught:
        fitting.check({"properties": {"p": part}}, {"p": [{}, {"n": 4711}]})
    assert str(caught.value) == "parameter 'p'[1].n: expected at most 3"


@pytest.mark.parametrize(
    "schema", [None, {}, {"properties": {"p": {"$ref": "#/$defs/p"}}, "$defs": {"p": {"$ref": "#/$defs/p"}}}]
)
def test_nothing_to_hold_it_to(schema):
    fitting.check(schema, {"p": 1, "q": 2})
