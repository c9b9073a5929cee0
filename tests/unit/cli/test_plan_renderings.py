"""The comment and the annotations: what they say, and that nothing of a repository gets out of its place."""

import random
import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from reconciler.cli import _plan_github, _plan_markdown, _plan_text
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
    "`", "``` \n```", "</details>", "<!-- x -->", "@everyone", "| a | b |", "[x](http://evil)", "\n\n# head\n",
    "\r\n::error::x", "::set-output name=a::b", "##[error]x", "%0A::error::x", "\u202edlrow", "\x1b[31m", "\\`", "&lt;",
    "https://evil.example", "\u2028x", "x" * 5000, "#1", "$(id)", "", "plain", "\ud800",
)  # fmt: skip
SEEDS = range(60)
KEYS = ("properties", "required", "cron", "definitions", "x")


class Any:
    """Random plans of hostile text."""

    def __init__(self, seed):
        self.rng = random.Random(seed)

    def text(self):
        return "".join(self.rng.choices(HOSTILE, k=self.rng.choice((1, 1, 1, 2, 4))))

    def value(self, depth=0):
        kind = self.rng.randrange(5 if depth < 3 else 3)
        if kind == 3:
            return [self.value(depth + 1) for _ in range(self.rng.randrange(3))]
        if kind == 4:
            return {self.rng.choice((self.text(), *KEYS)): self.value(depth + 1) for _ in range(self.rng.randrange(3))}
        return (self.text(), None, self.rng.randrange(9))[kind]

    def some(self, make, most=15):
        return tuple(make() for _ in range(self.rng.randrange(most + 1)))

    def field(self):
        word = self.rng.choice((self.text(), "parameter_openapi_schema", "schedules[x]", "schedules[`]", "tags"))
        return FieldDiff(word, self.value(), self.value())

    def problem(self):
        return Problem(self.text(), self.rng.randrange(1, 9), self.rng.randrange(1, 9), self.text(), self.text())

    def change(self):
        where = Declared(self.text(), self.text(), 3, "d", None, Source(SourceKind.WHOLE))
        action, version = self.rng.choice(list(Action)), self.rng.choice((None, self.text()))
        return Change(action, self.text(), version, None, self.text(), self.some(self.field, 3), where)

    def move(self):
        told = lambda: Told("c" * 40, NOW, self.text(), self.text())  # noqa: E731 - one of a list
        return Move(
            (self.text(), *self.some(self.text)),
            self.text(),
            self.text(),
            self.rng.random() < 0.5,
            self.some(told, 10),
            3,
        )

    def times(self):
        slot = lambda: Slot(NOW, self.text())  # noqa: E731 - one of a list
        return Times(self.text(), self.some(slot, 3), self.some(slot, 3), self.rng.choice((None, 0, -1, 3)))

    def live(self):
        return Live(self.text(), self.text(), "Running", self.text(), self.rng.random() < 0.5)

    def review(self):
        pool = lambda: PoolChange(Action.UPDATE, self.text(), self.text(), self.some(self.field, 3))  # noqa: E731
        refused = self.rng.choice((None, Refusal(self.text(), self.some(self.text), self.text())))
        moved = Moved(None, None, self.some(self.text), held=self.some(self.text))
        changes, problems, notes = self.some(self.change), self.some(self.problem), self.some(self.problem)
        base = self.rng.choice((None, "b" * 40))
        plan = Plan("a" * 40, base, moved, changes, self.some(pool, 3), refused, problems, notes)
        return Review(
            plan,
            self.text(),
            versions={c.deployment: self.text() for c in changes[:3]},
            created={self.text(): self.some(lambda: (self.text(), self.text()), 3) for _ in changes[:3]},
            moves=self.some(self.move, 3),
            times=self.some(self.times, 3),
            live=self.rng.choice((None, self.some(self.live))),
            known=frozenset(problems[:2]),
            places={c.deployment: (self.text(), 3) for c in changes[:3]},
            hints=self.some(self.text, 2),
        )


SPAN = re.compile(r"`[^`\n]*`")
OURS = {
    "### reconciler plan", "<details>", "</details>", "<summary>", "</summary>", "<sub>", "</sub>",
}  # fmt: skip


def balanced(text: str) -> None:
    """Every block is closed, every table whole, and outside of code spans stands only what we wrote."""
    bare = SPAN.sub("", text)
    assert bare.count("<details>") == bare.count("</details>") == bare.count("<summary>") == bare.count("</summary>")
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


@pytest.mark.parametrize("seed", SEEDS)
def test_a_comment_is_whole_within_its_limit_and_holds_no_raw_text(seed):
    review = Any(seed).review()
    for limit in (65_000, 16_000 + 137 * seed):
        shown = _plan_markdown.markdown(review, limit)
        assert len(shown) <= limit
        balanced(shown)


COMMAND = re.compile(r"::(notice|warning|error) [^:\n]*::.*")


@pytest.mark.parametrize("seed", SEEDS)
def test_annotations_are_one_command_a_line_and_nothing_else(seed):
    found = list(_plan_github.lines(Any(seed).review()))
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


@pytest.mark.parametrize("seed", SEEDS)
def test_rendering_changes_nothing_and_says_the_same_again(seed, capsys):
    review, same = Any(seed).review(), Any(seed).review()

    def shown():
        _plan_text.show(review)
        return _plan_markdown.markdown(review), list(_plan_github.lines(review)), review.json(), capsys.readouterr()

    first = shown()
    assert first == shown()
    assert review == same
    assert all(line.isprintable() for line in first[3].out.split("\n"))


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


@pytest.mark.parametrize(
    ("cancelled", "said"),
    [
        ((False,), "1 run in flight: 1 goes on"),
        ((True, False, False), "3 runs in flight: 1 cancelled, 2 go on"),
        ((True, True), "2 runs in flight: 2 cancelled"),
    ],
)
def test_every_format_tells_the_runs_in_flight(cancelled, said, capsys):
    live = tuple(Live(f"run{n}", "f/0", "Running", "fate", gone) for n, gone in enumerate(cancelled))
    review = replace(a_review(1), live=live)
    assert f"\n- {said}\n" in _plan_markdown.markdown(review)
    assert next(_plan_github.lines(review)).endswith(f"; {said}")
    assert [run["run"] for run in review.json()["in_flight"]] == [run.run for run in live]
    _plan_text.show(review)
    assert capsys.readouterr().out.count("run run") == len(live)


def test_more_annotations_than_are_shown_are_counted():
    found = [line for line in _plan_github.lines(a_review(20)) if line.startswith("::notice")]
    assert len(found) == 10
    assert found[-1] == "::notice title=reconciler::and 12 more annotations"


@pytest.mark.parametrize(("scope", "line"), [("specs", "specs"), ("a/b, prod", "a/b. prod"), ("--> <b>", "... .b.")])
def test_the_marker_is_one_for_each_scope(scope, line):
    assert _plan_markdown.marker(scope) == f"<!-- reconciler plan: {line} -->"
