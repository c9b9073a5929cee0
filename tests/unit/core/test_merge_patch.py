"""JSON merge patches: the cases of RFC 7396, its laws, and which paths a patch decides."""

import copy

import pytest
from hypothesis import given as given_any
from hypothesis import strategies as st

from reconciler.core.merge_patch import given, merge, size

KEYS = st.sampled_from("abc")
PLAIN = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "x"])
WHOLE = st.recursive(
    PLAIN.filter(lambda v: v is not None), lambda v: st.lists(v, max_size=2) | st.dictionaries(KEYS, v)
)
PATCH = st.recursive(PLAIN, lambda v: st.lists(v, max_size=2) | st.dictionaries(KEYS, v))

RFC = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("target", "patch", "result"), RFC)
def test_the_cases_of_the_rfc(target, patch, result):
    assert merge(target, patch) == result


def difference(before, after):
    """A patch from one mapping to another, neither with nulls."""
    if not (isinstance(before, dict) and isinstance(after, dict)):
        return after
    gone = dict.fromkeys(before.keys() - after.keys())
    return gone | {k: difference(before.get(k), v) for k, v in after.items() if k not in before or before[k] != v}


@given_any(WHOLE, PATCH)
def test_twice_is_once_and_neither_is_changed(target, patch):
    kept = copy.deepcopy((target, patch))
    once = merge(target, patch)
    assert merge(once, patch) == once
    assert (target, patch) == kept


@given_any(st.dictionaries(KEYS, WHOLE), st.dictionaries(KEYS, WHOLE))
def test_between_any_two_mappings_there_is_a_patch_and_the_empty_one_changes_nothing(before, after):
    assert merge(before, difference(before, after)) == after
    assert merge(before, {}) == before


def values(data, path=()):
    if isinstance(data, dict):
        for key, value in data.items():
            yield from values(value, (*path, key))
    else:
        yield path, data


@given_any(st.dictionaries(KEYS, WHOLE), st.dictionaries(KEYS, PATCH))
def test_what_differs_lies_at_or_below_a_path_that_the_patch_decides(target, patch):
    decided = set(given(target, patch))
    before, after = dict(values(target)), dict(values(merge(target, patch)))
    for path in before.keys() | after.keys():
        if before.get(path, KeyError) != after.get(path, KeyError):
            assert any(path[:end] in decided for end in range(len(path) + 1)), path


def test_size_counts_every_value():
    assert size({"a": [1, 2, {"b": None}], "c": "x"}) == 7
