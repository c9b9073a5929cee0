"""A plan as one comment under a pull request: the summary first, details collapsed. Called by `plan`.

Every text of the repository stands in a code span: there no markdown, HTML, mention or link is read. A backtick, which
would end it, becomes `'`; control and direction characters become `?`. When it gets long, whole items of the details
are left out, the later ones first, and the end says how many and which command shows all.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from reconciler.cli._plan_words import CAVEAT, counts, daily, in_flight, in_full, known, many
from reconciler.cli._print import plain
from reconciler.core import readable
from reconciler.model.plan import Change, PoolChange, Problem
from reconciler.model.review import Live, Move, Review, Times

LIMIT: Final = 65_000
"""Characters of a comment; GitHub takes 65,536."""
MOST = 10
"""Problems and deployments that the summary names, and names or commits of one item."""
_CELL = 300
_MARKED = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/ ")


@dataclass(frozen=True, slots=True)
class _Section:
    """Collapsed details: whole items, each of which is shown or left out."""

    title: str
    items: tuple[str, ...]


def markdown(review: Review, limit: int = LIMIT) -> str:
    """The comment, of at most `limit` characters (of which the summary may need 15,000)."""
    head = "\n".join(_head(review)).rstrip("\n") + "\n"
    sections = [section for section in _sections(review) if section.items]
    foot = f"\n<sub>All of it: {code(in_full(review))}. {CAVEAT}</sub>\n"
    room, shown, left = limit - len(head) - len(foot) - _LEFT, [], 0
    for section in sections:
        text, dropped = _fitted(section, room)
        room -= len(text)
        shown.append(text)
        left += dropped
    more = f"\n{many(left, 'item')} of the details left out, as a comment holds no more.\n" if left else ""
    return f"{head}{''.join(shown)}{more}{foot}"


_LEFT = 100
"""Characters kept free for saying what was left out."""


def marker(scope: str) -> str:
    """The first line, by which the comment is found again; nothing of it is shown."""
    return f"<!-- reconciler plan: {''.join(c if c in _MARKED else '.' for c in scope)} -->"


def code(text: object, limit: int = _CELL) -> str:
    """A text as a code span."""
    found = plain(text).replace("`", "'").replace("|", "¦").strip()
    found = found if len(found) <= limit else f"{found[: limit - 1]}…"
    return f"`{found}`" if found else "(empty)"


# --- the summary ---------------------------------------------------------------------------------------------------


def _head(review: Review) -> Iterator[str]:
    plan = review.plan
    yield marker(review.scope)
    yield f"### reconciler plan: {counts(plan)}"
    yield ""
    base = f"`{plan.base[:8]}`" if plan.base else "nothing"
    yield f"{base} → `{plan.revision[:8]}`" + (f", {code(review.scope)}" if review.scope else "")
    yield ""
    if plan.refused:
        confirm, merged = code(plan.refused.confirm), "" if review.logged else ", with the commit that the merge makes"
        yield f"**Refused**: {code(plan.refused.reason)}. Nothing is applied until a person runs {confirm}{merged}."
        yield ""
    yield from _capped([_problem(review, p) for p in plan.problems], "problem")
    if old := known(review):
        yield f"- {old}"
    yield from (f"- {code(hint)}" for hint in review.hints)
    if plan.problems or review.hints:
        yield ""
    yield from _capped([_change(review, change) for change in plan.changes], "change")
    yield from _capped([f"- **{p.action}** work pool {code(p.pool)}" for p in plan.pools], "pool")
    yield from _capped([_moving(move) for move in review.moves], "move")
    if review.plan.moved.held:
        yield f"- held back, as their spec or code is broken: {_names(plan.moved.held)}"
    if live := in_flight(review):
        yield f"- {live}"


def _capped(items: list[str], what: str) -> Iterator[str]:
    yield from items[:MOST]
    if len(items) > MOST:
        yield f"- … and {many(len(items) - MOST, f'more {what}')}"


def _problem(review: Review, problem: Problem) -> str:
    key = f" {code(problem.key, 80)}" if problem.key else ""
    old = " (was there before)" * (problem in review.known)
    return f"- **problem** {code(f'{problem.file}:{problem.line}:{problem.column}')}{key} {code(problem.message)}{old}"


def _change(review: Review, change: Change) -> str:
    before, after = review.versions.get(change.deployment), change.version
    versions = [code(v, 60) for v in dict.fromkeys(v for v in (before, after) if v)]
    file = f", {code(change.declared.file)}" if change.declared else ""
    at = f" {' → '.join(versions)}" if versions else ""
    return f"- **{change.action}** {code(change.deployment)}{at}{file}"


def _moving(move: Move) -> str:
    what = many(len(move.deployments), "deployment")
    return f"- **moved** {what} {code(move.before)} → {code(move.after)}{', the whole repository' * move.whole}"


def _names(names: Iterable[str]) -> str:
    found = sorted(names)
    more = f" … and {len(found) - MOST} more" if len(found) > MOST else ""
    return ", ".join(code(name) for name in found[:MOST]) + more


# --- the details ---------------------------------------------------------------------------------------------------


def _sections(review: Review) -> Iterator[_Section]:
    plan = review.plan
    yield _Section("Problems", tuple(_problem(review, p) + "\n" for p in plan.problems[MOST:]))
    changes: list[Change | PoolChange] = [*plan.changes, *plan.pools]
    changed = [_fields(_called(change), list(readable.said(change.diff))) for change in changes if change.diff]
    created = [_fields(name, list(given)) for name, given in review.created.items()]
    yield _Section("Field by field", (*changed, *created))
    yield _Section("All changes", tuple(_change(review, c) + "\n" for c in plan.changes[MOST:]))
    yield _Section("Versions that move, and by which commits", tuple(_commits(move) for move in review.moves))
    more = (f"… and those of {review.untimed} more\n",) if review.untimed else ()
    yield _Section("Next slots, before and after", (*map(_slots, review.times), *more))
    yield _Section("Runs in flight", tuple(_run(run) for run in review.live or ()))
    yield _Section("Notes", tuple(_note(note) for note in plan.notes if note not in review.known))


def _fitted(section: _Section, room: int) -> tuple[str, int]:
    """As much of a section as there is room for, and how many items are left out."""
    start, end = f"\n<details><summary>{section.title} ({len(section.items)})</summary>\n\n", "\n</details>\n"
    room -= len(start) + len(end)
    taken: list[str] = []
    for item in section.items:
        if len(item) > room:
            break
        taken.append(item)
        room -= len(item)
    text = f"{start}{''.join(taken)}{end}" if taken else ""
    return text, len(section.items) - len(taken)


def _called(change: Change | PoolChange) -> str:
    return change.deployment if isinstance(change, Change) else f"work pool {change.pool}"


def _fields(name: str, found: list[readable.Said]) -> str:
    lines = [f"  - {code(what, 120)}: {code(how)}\n" for what, how in found[:_FIELDS]]
    more = f"  - … and {len(found) - _FIELDS} more\n" if len(found) > _FIELDS else ""
    return f"- {code(name)}\n{''.join(lines)}{more}"


_FIELDS = 50


def _commits(move: Move) -> str:
    lines = [
        f"  - `{c.commit[:8]}` {c.at:%Y-%m-%d} {code(c.author, 60)}: {code(c.subject, 100)}\n" for c in move.commits
    ]
    more = f"  - … and {move.more} more\n" if move.more else ""
    return f"- {code(move.before)} → {code(move.after)}: {_names(move.deployments)}\n{''.join(lines)}{more}"


def _slots(times: Times) -> str:
    rows = max(len(times.before), len(times.after), 1)
    sides = [[code(s.local, 80) for s in side] + ["-"] * (rows - len(side)) for side in (times.before, times.after)]
    table = "".join(f"| {old} | {new} |\n" for old, new in zip(*sides, strict=True))
    more = f", {found}" if (found := daily(times)) else ""
    return f"{code(times.deployment)}{more}\n\n| before | after |\n|---|---|\n{table}\n"


def _run(run: Live) -> str:
    return f"- {code(run.run)} of {code(run.deployment)}, {run.state}: {code(run.fate)}\n"


def _note(note: Problem) -> str:
    return f"- {code(f'{note.file}:{note.line}')} {code(note.message)}\n"
