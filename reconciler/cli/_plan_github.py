"""A plan as annotations on the lines of a pull request: the workflow commands of GitHub. Called by `plan`.

Text of the repository is escaped so that it can neither end its command nor begin another one.
"""

from collections.abc import Iterable, Iterator

from reconciler.cli._plan_words import counts, in_flight, known, many
from reconciler.cli._print import plain
from reconciler.core import readable
from reconciler.model.plan import Action, Change, Problem
from reconciler.model.review import Review

MOST = 10
"""Annotations of one level that GitHub shows of one step."""
LONGEST = 2000
"""Characters of one message."""

Place = tuple[str, int, int]
"""A file, and the line and column (1-based; 0: not known) in it."""


def lines(review: Review) -> Iterator[str]:
    """One workflow command a line; the first says the whole in one sentence."""
    plan = review.plan
    title = f"reconciler plan, {review.env}" if review.env else "reconciler plan"
    yield _command(
        "notice", ("", 0, 0), title, "; ".join(filter(None, (counts(plan), known(review), in_flight(review))))
    )
    if plan.refused:
        told = f"{plan.refused.reason}; nothing is applied until a person runs: {plan.refused.confirm}"
        yield _command("error", ("", 0, 0), "reconciler: refused", told)
    fresh = [p for p in plan.problems if p not in review.known]
    yield from _most("error", (_problem("error", p) for p in fresh), MOST - bool(plan.refused))
    old = [_problem("warning", p, " (was there before)") for p in plan.problems if p in review.known]
    hints = [_command("warning", ("", 0, 0), "reconciler", hint) for hint in review.hints]
    prunes = [_change(review, c) for c in plan.changes if c.action is Action.PRUNE]
    yield from _most("warning", [*hints, *prunes, *old], MOST)
    changes = [_change(review, c) for c in plan.changes if c.action is not Action.PRUNE]
    notes = [_problem("notice", n) for n in plan.notes if n not in review.known]
    yield from _most("notice", [*changes, *notes], MOST - 1)


def _most(level: str, commands: Iterable[str], room: int) -> Iterator[str]:
    found = list(commands)
    if len(found) <= room:
        yield from found
        return
    yield from found[: room - 1]
    yield _command(level, ("", 0, 0), "reconciler", f"and {many(len(found) - room + 1, 'more annotation')}")


def _problem(level: str, problem: Problem, more: str = "") -> str:
    key = f"{problem.key}: " if problem.key else ""
    place = (problem.file, problem.line, problem.column)
    return _command(
        level, place, "reconciler: note" if level == "notice" else "reconciler", key + problem.message + more
    )


def _change(review: Review, change: Change) -> str:
    file, line = review.places.get(change.deployment, ("", 0))
    # A file that is gone has no lines to write on.
    place = (file, line, 0) if change.action is not Action.PRUNE else ("", 0, 0)
    said = "; ".join(f"{what}: {how}" for what, how in readable.said(change.diff)) or change.reason
    level = "warning" if change.action is Action.PRUNE else "notice"
    return _command(level, place, f"reconciler: {change.action} {change.deployment}", said)


def _command(level: str, place: Place, title: str, message: str) -> str:
    file, line, column = place
    given = {"file": file, "line": line, "col": column, "title": title}
    properties = ",".join(f"{key}={_property(str(text))}" for key, text in given.items() if text)
    return f"::{level} {properties}::{_data(message)}"


def _data(text: str) -> str:
    """A message; `##[` begins a command of the older form, wherever in a line it stands."""
    cut = text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
    return plain(cut).replace("%", "%25").replace("##[", "## [")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
