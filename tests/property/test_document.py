import json
import math

import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reconciler.core.document import Limits, load
from reconciler.core.parse import parse

text = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufeff\ufffe\uffff\x85\u2028\u2029"), max_size=20
)


def values(texts):
    leaves = (
        st.none()
        | st.booleans()
        | st.integers(-(10**30), 10**30)
        | st.floats(allow_nan=False, allow_infinity=False)
        | texts
    )
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=20
    )


data = values(text)
# A writer of YAML 1.1 leaves text such as `0E0` unquoted.
unlike_numbers = values(text.filter(lambda t: t[:1] not in tuple("0123456789+-.")))


def same(a, b):
    if isinstance(a, float) and isinstance(b, (int, float)) and not isinstance(b, bool):
        return math.isclose(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, str):
        return isinstance(b, str) and a == b  # `Y` comes back as text that another YAML reads otherwise
    return type(a) is type(b) and a == b


@settings(deadline=None)
@given(data)
def test_json_is_read_as_json(value):
    document = load(json.dumps(value, ensure_ascii=False).encode(), "a.yaml")
    assert document.faults == ()
    assert same(value, document.data)


@settings(deadline=None)
@given(unlike_numbers)
def test_what_another_writer_writes_is_read_back(value):
    written = yaml.dump(value, Dumper=yaml.CSafeDumper, allow_unicode=True, sort_keys=False)
    document = load(written.encode(), "a.yaml")
    assert document.faults == ()
    assert same(value, document.data)


def judge(raw, *faults):
    return parse(raw, "a.yaml", check_step=lambda _w, _i: [((), f) for f in faults], check_schedule=lambda _: None)


pieces = r"""a b << &x_ *x *y :_ ,_ -_ \n \n__ __ { } [ ] {{_x_}} ' " !t_ ?_ 1 no .inf 1:30 # | > \t deployments: name:_
pull: schedules: --- \0 é % @"""
words = st.sampled_from(
    [p.replace("_", " ").replace(r"\n", "\n").replace(r"\t", "\t").replace(r"\0", "\0") for p in pieces.split()]
)
noise = st.lists(words, max_size=40).map("".join).map(str.encode) | st.binary(max_size=60)


@settings(deadline=None, max_examples=400)
@given(noise)
@example(b"deployments:\n- &x\n  <<: [*x]\n")
def test_nothing_crashes_and_positions_lie_in_the_file(raw):
    document = load(raw, "a.yaml")
    lines = raw.count(b"\n") + raw.count(b"\r") + raw.count(b"\xc2\x85") + raw.count(b"\xe2\x80") + 2
    assert all(1 <= f.line <= lines and f.column >= 1 for f in document.faults)
    json.dumps(document.data, allow_nan=False)
    found = judge(raw, "no")
    assert all(1 <= p.line <= lines and p.column >= 1 for p in (*found.problems, *found.notes))
    assert found.problems or not document.faults


@settings(deadline=None)
@given(data)
def test_any_data_as_a_spec_gives_problems_and_no_crash(value):
    raw = json.dumps(
        {"deployments": [value], "pull": value, "variables": value, "work_pools": value}, ensure_ascii=False
    ).encode()
    found = judge(raw)
    assert [p.spec for p in found.deployments] == [None]


fields_of = (
    "schedules schedule tags triggers sla pull work_pool labels concurrency_limit paused parameters build catchup"
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(fields_of.split()), data, max_size=4))
def test_any_value_in_any_field_gives_located_problems(fields):
    raw = json.dumps({"deployments": [{"name": "a", "entrypoint": "b", **fields}]}, ensure_ascii=False).encode()
    found = judge(raw)
    held = found.deployments[0].spec is None
    assert held == bool(found.problems)
    assert all(p.key.startswith("deployments[0].") for p in found.problems)


def both(raw):
    """The same file as composed in C, and as read by events: for C there must be room to spare."""
    return load(raw, "a.yaml"), load(raw, "a.yaml", limits=Limits(nodes=2 * len(raw)))


def written(value):
    return yaml.dump(value, Dumper=yaml.CSafeDumper, allow_unicode=True, sort_keys=False).encode()


lines = (
    st.lists(
        st.sampled_from(
            ["a: 1", "- x", "b:", "  c: no", "  - {d: 1:30, e: []}", "deployments:", "? f", "'g': \"h\"", "- - 1"]
        ),
        max_size=12,
    )
    .map("\n".join)
    .map(str.encode)
)


@settings(deadline=None, max_examples=300)
@given(lines | noise | unlike_numbers.map(written))
@example(b"deployments:\n- name: a\n  work_pool: {name: no}\n- b\n- [c]\n")
@example(b"a: {b: 1, b: 2}\n")
def test_what_is_composed_in_c_is_what_events_say(raw):
    composed, read = both(raw)
    if composed.plain is None or read.plain:
        return
    assert (composed.broken, composed.faults, repr(composed.data)) == (read.broken, read.faults, repr(read.data))
    assert (composed.ambiguous, composed.lines) == (read.ambiguous, read.lines)
    for path in [*read.marks.values, ("nothing",), ("deployments", 9, "x"), *((*p, "none") for p in read.marks.values)]:
        assert composed.locate(path) == read.locate(path)
