import json
import math

import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reconciler.core.document import load
from reconciler.core.parse import parse

text = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufeff\ufffe\uffff\x85\u2028\u2029"), max_size=20
)
scalars = (
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False) | text
)
data = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4), max_leaves=20
)


def same(a, b):
    if isinstance(a, float) and isinstance(b, (int, float)) and not isinstance(b, bool):
        return math.isclose(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


@settings(deadline=None)
@given(data)
def test_json_is_read_as_json(value):
    document = load(json.dumps(value, ensure_ascii=False).encode(), "a.yaml")
    assert document.faults == ()
    assert same(value, document.data)


@settings(deadline=None)
@given(data)
def test_what_another_writer_writes_is_read_back(value):
    written = yaml.dump(value, Dumper=yaml.CSafeDumper, allow_unicode=True, sort_keys=False)
    document = load(written.encode(), "a.yaml")
    assert document.faults == ()
    assert same(value, document.data)


words = st.sampled_from(
    ["a", "b", "<<", "&x ", "*x", "*y", ": ", ", ", "- ", "\n", "\n  ", "  ", "{", "}", "[", "]", "{{ x }}", "'", '"', "!t ", "? ",
     "1", "no", ".inf", "1:30", "#", "|", ">", "\t", "deployments:", "name: ", "pull:", "schedules:", "---", "\0", "é", "%", "@"]
)  # fmt: skip
noise = st.lists(words, max_size=40).map("".join).map(str.encode) | st.binary(max_size=60)


@settings(deadline=None, max_examples=400)
@given(noise)
@example(b"deployments:\n- &x\n  <<: [*x]\n")
def test_nothing_crashes_and_positions_lie_in_the_file(raw):
    document = load(raw, "a.yaml")
    lines = raw.count(b"\n") + raw.count(b"\r") + raw.count(b"\xc2\x85") + raw.count(b"\xe2\x80") + 2
    assert all(1 <= f.line <= lines and f.column >= 1 for f in document.faults)
    json.dumps(document.data, allow_nan=False)
    found = parse(raw, "a.yaml", check_step=lambda _w, _i: [((), "no")], check_schedule=lambda _: ("cron", "no"))
    assert all(1 <= p.line <= lines and p.column >= 1 for p in (*found.problems, *found.notes))
    assert found.problems or not document.faults


@settings(deadline=None)
@given(data)
def test_any_data_as_a_spec_gives_problems_and_no_crash(value):
    raw = json.dumps({"deployments": [value], "pull": value, "variables": value, "work_pools": value}).encode()
    found = parse(raw, "a.yaml", check_step=lambda _w, _i: (), check_schedule=lambda _: None)
    assert [p.spec for p in found.deployments] == [None]


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["schedules", "schedule", "tags", "triggers", "sla", "pull", "work_pool", "labels",
    "concurrency_limit", "paused", "parameters", "build", "catchup"]), data, max_size=4))  # fmt: skip
def test_any_value_in_any_field_gives_located_problems(fields):
    raw = json.dumps({"deployments": [{"name": "a", "entrypoint": "b", **fields}]}).encode()
    found = parse(raw, "a.yaml", check_step=lambda _w, _i: (), check_schedule=lambda _: None)
    held = found.deployments[0].spec is None
    assert held == bool(found.problems)
    assert all(p.key.startswith("deployments[0].") for p in found.problems)
