"""The comment and the annotations: what they say, and that nothing of a repository gets out of its place."""

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.cli import _plan_github, _plan_markdown
from reconciler.model.plan import (
    Action,
    Change,
    Declared,
    FieldDiff,
    Moved,
    Plan,
    PoolChange,
    Problem,
    Refusal,
    Source,
    SourceKind,
)
from reconciler.model.review import Live, Move, Review, Slot, Times, Told

NOW = datetime(2026, 3, 9, 8, tzinfo=UTC)
HOSTILE = (
    "`", "``` \n```", "</details>", "<!-- x -->", "@everyone", "| a | b |", "[x](http://evil)", "\n\n# head\n", "\r\n::error::x",
    "::set-output name=a::b", "##[error]x", "%0A::error::x", "\u202edlrow", "\x1b[31m", "https://evil.example", "\\`", "&lt;",
    "\u2028x", "x" * 5000, "#1", "$(id)",
)  # fmt: skip
texts = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=40), st.lists(st.sampled_from(HOSTILE)).map("".join))
values = st.one_of(
    texts, st.none(), st.integers(), st.lists(texts, max_size=3), st.dictionaries(texts, texts, max_size=3)
)
fields = st.builds(
    FieldDiff,
    st.one_of(texts, st.sampled_from(("parameter_openapi_schema", "pull", "schedules[x]", "tags"))),
    st.one_of(values, st.dictionaries(st.sampled_from(("properties", "required", "cron")), values)),
    st.one_of(st.none(), st.dictionaries(st.sampled_from(("properties", "required", "cron")), values)),
).filter(lambda f: f.field != "pull" or (f.before is None and f.after is None))
problems = st.builds(Problem, texts, st.integers(1, 9), st.integers(1, 9), texts, texts)
declared = st.builds(Declared, texts, texts, st.integers(1, 9), texts, st.none(), st.just(Source(SourceKind.WHOLE)))
changes = st.builds(
    Change, st.sampled_from(Action), texts, st.one_of(st.none(), texts), st.none(), texts, st.tuples(fields), declared
)
ids = st.text("0123456789abcdef", min_size=40, max_size=40)
slots = st.lists(st.builds(Slot, st.just(NOW), texts), max_size=3).map(tuple)
some = lambda each, most=15: st.lists(each, max_size=most).map(tuple)  # noqa: E731 - a word for a shape
plans = st.builds(
    Plan,
    ids,
    st.one_of(st.none(), ids),
    st.builds(Moved, st.none(), st.none(), some(texts), held=some(texts)),
    some(changes),
    some(st.builds(PoolChange, st.sampled_from(Action), texts, texts, st.tuples(fields)), 3),
    st.one_of(st.none(), st.builds(Refusal, texts, some(texts), texts)),
    some(problems),
    some(problems),
)
told = st.builds(Told, ids, st.just(NOW), texts, texts)
reviews = st.builds(
    Review, plans, texts, st.booleans(),
    versions=st.dictionaries(texts, texts, max_size=3),
    moves=some(st.builds(Move, some(texts), texts, texts, st.booleans(), some(told, 10), st.integers(0, 3)), 3),
    times=some(st.builds(Times, texts, slots, slots, st.one_of(st.none(), st.integers(-3, 3))), 3),
    live=st.one_of(st.none(), some(st.builds(Live, texts, texts, st.just("Running"), texts, st.booleans()))),
    hints=some(texts, 2),
)  # fmt: skip

SPAN = re.compile(r"`[^`\n]*`")
OURS = {
    "### reconciler plan", "<details>", "</details>", "<summary>", "</summary>", "<sub>", "</sub>", "<!-- reconciler plan: ", " -->",
}  # fmt: skip


def balanced(text: str) -> None:
    """Every block is closed, every table whole, and outside of code spans stands only what we wrote."""
    assert text.count("<details>") == text.count("</details>") == text.count("<summary>") == text.count("</summary>")
    depth = 0
    lines = text.split("\n")
    for line in lines[1:]:
        depth += line.startswith("<details>") - line.startswith("</details>")
        assert depth in (0, 1)
        assert line.count("`") % 2 == 0
        bare = SPAN.sub("", line)
        for word in sorted(OURS, key=len, reverse=True):
            bare = bare.replace(word, "")
        assert not re.search(r"[<>@#\\\[\]$&]|//|www\.", bare), line
        assert bare.isprintable()
        assert "|" not in bare or re.fullmatch(r"\|[^|]*\|[^|]*\|", bare), line
        assert "|" not in "".join(SPAN.findall(line))
    assert re.fullmatch(r"<!-- reconciler plan: [\w./ ]* -->", lines[0])


@given(reviews)
def test_a_comment_is_whole_and_holds_no_raw_text(review):
    shown = _plan_markdown.markdown(review)
    assert len(shown) <= 65_536
    balanced(shown)
    assert _plan_markdown.markdown(review) == shown


@given(reviews, st.integers(16_000, 40_000))
def test_a_comment_keeps_to_its_limit(review, limit):
    shown = _plan_markdown.markdown(review, limit)
    assert len(shown) <= limit
    balanced(shown)


COMMAND = re.compile(r"::(notice|warning|error) [^:\n]*::.*")


@given(reviews)
def test_annotations_are_one_command_a_line_and_nothing_else(review):
    found = list(_plan_github.lines(review))
    for line in found:
        assert COMMAND.fullmatch(line), line
        assert line.isprintable()
        assert "##[" not in line
        given, _, message = line[2:].partition("::")
        pairs = [pair.split("=", 1)[0] for pair in given.partition(" ")[2].split(",")]
        assert set(pairs) <= {"file", "line", "col", "title"}
        assert len(set(pairs)) == len(pairs)
        assert not re.search(r"%(?!25|3A|2C)", line)
        assert len(message) < 3 * _plan_github.LONGEST
    for level in ("notice", "warning", "error"):
        assert sum(line.startswith(f"::{level} ") for line in found) <= _plan_github.MOST


@given(reviews)
def test_rendering_changes_nothing(review):
    before = repr(review)
    _plan_markdown.markdown(review)
    list(_plan_github.lines(review))
    review.json()
    assert repr(review) == before


def a_change(number: int, **more) -> Change:
    diff = tuple(FieldDiff(f"parameters.{n}", None, "x" * 70) for n in range(8))
    where = Declared(f"f/{number}", "specs/a.yaml", number + 1, "d", None, Source(SourceKind.WHOLE))
    return Change(Action.UPDATE, f"f/{number}", "v2", None, "parameters changed", diff, where, **more)


def a_review(changes: int, notes: int = 0) -> Review:
    told = tuple(Problem("specs/a.yaml", n + 1, 1, "", f"note {n}") for n in range(notes))
    made = Plan("a" * 40, "b" * 40, Moved(None, None), tuple(a_change(n) for n in range(changes)), notes=told)
    return Review(made, "specs")


def test_what_is_long_loses_details_and_says_how_many_and_what_shows_them():
    shown = _plan_markdown.markdown(a_review(500, notes=5))
    assert len(shown) <= 65_000
    head = shown.partition("<details>")[0]
    assert head.startswith("<!-- reconciler plan: specs -->\n### reconciler plan: 500 to update\n")
    assert "- … and 490 more changes" in head
    kept = shown.count("`parameters.7`")
    assert 50 < kept < 500
    left = 500 - kept + 490 + 5 - sum(f"- **update** `f/{n}`" in shown for n in range(10, 500)) - shown.count("`note ")
    assert f"{left} items of the details left out, as a comment holds no more." in shown
    assert f"`reconciler plan {'b' * 12}..{'a' * 12}`" in shown


def test_a_refusal_and_problems_come_first_and_say_what_was_there_before():
    refused = Refusal("it would prune all 2 deployments", ("a/b", "a/c"), "reconciler confirm abc --reason '…'")
    old, new = Problem("specs/a.yaml", 3, 5, "k", "old"), Problem("specs/b.yaml", 1, 1, "", "new")
    review = a_review(1)
    review = replace(review, plan=replace(review.plan, refused=refused, problems=(old, new)), known=frozenset({old}))
    lines = _plan_markdown.markdown(review).split("\n")
    assert lines[1] == "### reconciler plan: 1 to update, 2 problems, refused"
    assert lines[5].startswith("**Refused**: `it would prune all 2 deployments`.")
    assert lines[7:10] == [
        "- **problem** `specs/a.yaml:3:5` `k` `old` (was there before)",
        "- **problem** `specs/b.yaml:1:1` `new`",
        "- 1 of 2 problems was there before",
    ]
    levels = [line.split(",")[0] for line in _plan_github.lines(review)]
    assert [line.partition(" ")[0] for line in levels] == ["::notice", "::error", "::error", "::warning", "::notice"]
    assert "file=specs/b.yaml" in levels[2]


def test_more_annotations_than_are_shown_are_counted():
    found = [line for line in _plan_github.lines(a_review(20)) if line.startswith("::notice")]
    assert len(found) == 10
    assert found[-1] == "::notice title=reconciler::and 12 more annotations"


@pytest.mark.parametrize(("scope", "line"), [("specs", "specs"), ("a/b, prod", "a/b. prod"), ("--> <b>", "... .b.")])
def test_the_marker_is_one_for_each_scope(scope, line):
    assert _plan_markdown.marker(scope) == f"<!-- reconciler plan: {line} -->"
