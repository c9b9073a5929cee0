"""Spec against spec."""

import pytest

from reconciler.core.diff import diff

CASES = {
    "nothing": ({"a": 1}, {"a": 1}, []),
    "a value": ({"a": 1}, {"a": 2}, [("a", 1, 2)]),
    "a kind: true is not 1": ({"a": 1}, {"a": True}, [("a", 1, True)]),
    "a kind within": ({"tags": [1]}, {"tags": [True]}, [("tags", [1], [True])]),
    "new and gone": ({"a": 1}, {"b": 2}, [("a", 1, None), ("b", None, 2)]),
    "inside": ({"p": {"x": 1, "y": 2}}, {"p": {"x": 1, "y": 3}}, [("p.y", 2, 3)]),
    "a mapping in place of nothing": ({"p": None}, {"p": {"x": 1}}, [("p", None, {"x": 1})]),
    "lists are whole": ({"tags": ["a"]}, {"tags": ["a", "b"]}, [("tags", ["a"], ["a", "b"])]),
    "a schema is whole": (
        {"parameter_openapi_schema": {"a": 1}},
        {"parameter_openapi_schema": {"a": 2}},
        [("parameter_openapi_schema", {"a": 1}, {"a": 2})],
    ),
    "moved schedules are none": (
        {"schedules": [{"id": "a"}, {"id": "b"}]},
        {"schedules": [{"id": "b"}, {"id": "a"}]},
        [],
    ),
    "schedules go by identity": (
        {"schedules": [{"id": "a", "interval": 60}, {"id": "b"}]},
        {"schedules": [{"id": "c"}, {"id": "a", "interval": 90}]},
        [
            ("schedules[a]", {"id": "a", "interval": 60}, {"id": "a", "interval": 90}),
            ("schedules[b]", {"id": "b"}, None),
            ("schedules[c]", None, {"id": "c"}),
        ],
    ),
}


@pytest.mark.parametrize(("before", "after", "expected"), CASES.values(), ids=CASES)
def test_fields_that_differ(before, after, expected):
    assert [(d.field, d.before, d.after) for d in diff(before, after)] == expected


@pytest.mark.parametrize(("before", "after", "expected"), CASES.values(), ids=CASES)
def test_the_other_way_round(before, after, expected):
    assert {(d.field, str(d.before)) for d in diff(after, before)} == {(f, str(a)) for f, _, a in expected}
