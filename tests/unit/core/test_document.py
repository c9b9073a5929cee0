import json
import time

import pytest

from reconciler.core.document import Ambiguous, Limits, load


def read(text):
    document = load(text.encode() if isinstance(text, str) else text, "a.yaml")
    assert document.faults == ()
    return document.data


def fault(text):
    """The one fault of a text: (line, column, message)."""
    (found,) = load(text.encode() if isinstance(text, str) else text, "a.yaml").faults
    return found.line, found.column, found.message


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("NULL", None),
        ("12", 12),
        ("-3", -3),
        ("+3", 3),
        ("012", 12),
        ("08", 8),
        ("0o14", 12),
        ("0x1F", 31),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1.", 1.0),
        ("1e3", 1000.0),
        ("-1.5E-3", -0.0015),
        ("text", "text"),
        ("-", ["-"]),
        ("3.0.1", "3.0.1"),
        ("-x", "-x"),
        ("'12'", "12"),
        ('"true"', "true"),
        ("tRue", "tRue"),
    ],
)
def test_plain_scalars_follow_the_core_schema(text, value):
    found = read(f"a: {text}\n" if text != "-" else "a: ['-']\n")["a"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        "no",
        "Yes",
        "ON",
        "off",
        "y",
        "1_000",
        "1:30",
        "190:20:30.5",
        "2024-01-01",
        "2024-01-01T10:00:00Z",
        "0b11",
        "-0x1f",
    ],
)
def test_what_yaml_1_1_reads_otherwise_is_ambiguous_text(text):
    document = load(f"a: {text}\nb: '{text}'\n".encode(), "a.yaml")
    assert document.data == {"a": text, "b": text}
    assert type(document.data["a"]) is Ambiguous
    assert type(document.data["b"]) is str
    assert document.ambiguous


@pytest.mark.parametrize(
    ("text", "where", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", (3, 1), "`a` is here twice"),
        ("a: {b: 1, b: 2}", (1, 11), "`b` is here twice"),
        ("a: {{ x }}\n", (1, 5), "quote it"),
        ("a:\n  - {{ x }}\n", (2, 6), "quote it"),
        ("a: {{ x }}/b\n", (1, 11), "quote it"),
        ("a: !!str 5\n", (1, 4), "tags"),
        ("a: ! 5\n", (1, 4), "tags"),
        ("!!map\na: 1\n", (1, 1), "tags"),
        ("!!str a: 1\n", (1, 1), "tags"),
        ("a: !!python/object/apply:os.system [id]\n", (1, 4), "tags"),
        ("1: a\n", (1, 1), "quote `1`"),
        ("x:\n  true: a\n", (2, 3), "quote `true`"),
        ("~: a\n", (1, 1), "must be text"),
        ("? [a]\n: b\n", (1, 3), "must be text"),
        ("a: .inf\n", (1, 4), "infinity"),
        ("a: -.INF\n", (1, 4), "infinity"),
        ("a: .nan\n", (1, 4), "NaN"),
        ("a: 1e999\n", (1, 4), "too large"),
        ("a: " + "9" * 4301, (1, 4), "over 4,300 digits"),
        ("a: 0x" + "f" * 3600, (1, 4), "over 4,300 digits"),
        ('a: "x\\0y"\n', (1, 4), "NUL"),
        ("a: *x\n", (1, 4), "no anchor &x"),
        ("a: &x [*x]\n", (1, 8), "inside its own anchor"),
        ("a: &x\n  <<: *x\n", (2, 7), "inside its own anchor"),
        ("<<: 1\n", (1, 1), "`<<` takes"),
        ("a: 1\n---\nb: 2\n", (2, 1), "second document"),
        ("a:\n\t- b\n", (2, 1), "a tab"),
        ("a: @x\n", (1, 4), "quote the text"),
        ("a: [1\n", (2, 1), "not YAML"),
        ("a: b: c\n", (1, 5), "not YAML"),
        ("a: \x01\n", (1, 4), "control characters"),
        (b"a: b\0c\n", (1, 5), "NUL"),
        (b"a: \xc3\xa9\xff\n", (1, 5), "not UTF-8"),
        ("a: b".encode("utf-16"), (1, 1), "UTF-16"),
        (b"a: " + b"x" * (1 << 20), (1, 1), "1,048,576 are allowed"),
    ],
)
def test_a_fault_is_located_and_told_once(text, where, words):
    line, column, message = fault(text)
    assert (line, column) == where
    assert words in message


def test_all_faults_are_told_in_one_go_and_the_rest_is_read():
    document = load(b"a: 1\na: 2\nb: !x 3\nc: .inf\nd: {e: 1, e: 2}\nf: ok\n", "a.yaml")
    assert [(f.line, f.path) for f in document.faults] == [
        (2, ("a",)),
        (3, ("b",)),
        (4, ("c",)),
        (5, ("d", "e")),
    ]
    assert document.data["f"] == "ok"


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 40_000 + b"]" * 40_000,
        b"[" * 1_000_000,
        b"{a: " * 200_000,
        b"- " * 200_000,
        b"a:\n" + b"".join(b" " * i + b"b:\n" for i in range(1, 1_000)),
        b"a: &a [x,x,x,x,x,x,x,x,x]\n"
        + b"".join(b"%c: &%c [%s]\n" % (i, i, b",".join([b"*%c" % (i - 1)] * 9)) for i in range(98, 110)),
        b"a: &a {k: v}\nb: " + b"[" * 10 + b"*a, " * 30_000 + b"]" * 10,
        b"- x\n" * 60_000,
        b"".join(b"? " for _ in range(100_000)),
        b"&a " * 100_000,
        b"*a " * 100_000,
    ],
)
def test_hostile_files_are_refused_quickly(data):
    start = time.perf_counter()
    document = load(data, "a.yaml")
    assert document.faults
    assert time.perf_counter() - start < 3


def test_five_million_brackets_are_refused():
    roomy = Limits(size=1 << 24)
    (found,) = load(b"[" * 5_000_000, "a.yaml", limits=roomy).faults
    assert "nested over 64 deep" in found.message


def test_a_list_of_20_000_is_read():
    assert len(read("a: [" + "x, " * 20_000 + "]")["a"]) == 20_000


def test_largest_integers_can_be_printed():
    for text in ("9" * 4300, "0x" + "f" * 3570):
        assert json.dumps(read(f"a: {text}"))


def test_aliases_are_copies():
    data = read("a: &x {k: [1]}\nb: *x\nc: *x\n")
    data["b"]["k"].append(2)
    assert data["a"] == data["c"] == {"k": [1]}


def test_merges_give_way_to_own_keys_and_earlier_bases():
    data = read("x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nz:\n  <<: [*x, *y]\n  a: 0\n")
    assert data["z"] == {"a": 0, "b": 1, "c": 2}
    assert read('"<<": 1') == {"<<": 1}


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n"])
def test_an_empty_file_is_null(text):
    assert read(text) is None


def test_a_byte_order_mark_is_no_column():
    document = load(b"\xef\xbb\xbfa: 1\na: 2", "a.yaml")
    assert document.data == {"a": 1}
    assert (document.faults[0].line, document.faults[0].column) == (2, 1)


def test_marks_find_values_keys_and_absent_things():
    marks = load("top:\n  - é: 1\n    b:  two\n".encode(), "a.yaml").marks
    assert marks.locate(("top", 0, "b")) == (3, 9)
    assert marks.locate(("top", 0, "b"), key=True) == (3, 5)
    assert marks.locate(("top", 0, "absent", "deeper")) == (2, 5)
    assert marks.locate(()) == (1, 1)


def test_marks_lead_through_aliases_and_merges_to_the_anchor():
    text = "x: &x\n  k: {d: 1}\ny: *x\nz:\n  <<: *x\n  own: 1\nw:\n  <<: [*x, {q: 5}]\n"
    marks = load(text.encode(), "a.yaml").marks
    for user in ("y", "z", "w"):
        place = marks.place((user, "k", "d"))
        assert (place.path, place.position, place.anchor) == (("x", "k", "d"), (2, 10), ("x",))
    assert marks.place(("z", "own")).anchor is None
    assert marks.locate(("y",), key=True) == (3, 1)
    assert marks.locate(("z", "k"), key=True) == (2, 3)
    assert marks.locate(("w", "q")) == (8, 16)
    assert marks.users(("x",)) == [("y",), ("z",), ("w",)]


def test_the_lines_of_deployments_need_no_marks():
    document = load(b"other: [[1], [2]]\ndeployments:\n- a: [1]\n\n- b: {c: [1]}\nmore: [1, 2]\n", "a.yaml")
    assert document.lines == (3, 5)
    assert "marks" not in vars(document)


def test_messages_never_quote_at_length():
    long = "k" * 5_000
    for text in (f"{long}: 1\n{long}: 2\n", f"a: *{long}\n", f"a: {long} : {long} : b", f"{'1' * 5_000}: a"):
        assert len(fault(text)[2]) < 160
