"""A plan as a person reads it: the summary first, then every change, and what to do. Called by `plan`."""

from collections.abc import Iterable
from itertools import islice

from reconciler.cli._plan_words import SIGNS, counts, daily, known
from reconciler.cli._print import paint, plain, say, word
from reconciler.core import readable
from reconciler.model.plan import Change, FieldDiff, Problem
from reconciler.model.review import Move, Review, Slot, Times

MOST = 10
"""Names, runs or new deployments told in full."""


def show(review: Review) -> None:
    """Print a plan."""
    plan = review.plan
    base = plan.base[:8] if plan.base else "nothing"
    against = f"{base} (applied)" if review.logged else base
    say(paint(f"revision {plan.revision[:8]} against {against}: {counts(plan)}", bold=True))
    if plan.refused:
        say(f"{word('refused')}: {plain(plan.refused.reason)}")
        _listed("would be pruned", plan.refused.prunes)
        say(f"  nothing is applied until a person confirms it: {plain(plan.refused.confirm)}")
    for pool in plan.pools:
        say(f"{SIGNS[pool.action]} {word(str(pool.action))} work pool {plain(pool.pool)}: {plain(pool.reason)}")
        changed(pool.diff)
    times = {each.deployment: each for each in review.times}
    described = dict(islice(review.created.items(), MOST))
    for change in plan.changes:
        _change(change, times.get(change.deployment), described.get(change.deployment, ()))
    if review.untimed:
        say(f"    … and the next slots of {review.untimed} more")
    for move in review.moves:
        _moved(move)
    _listed("held back, as their spec or code is broken", plan.moved.held)
    _live(review)
    _told(review)


def located(kind: str, problem: Problem, more: str = "") -> None:
    """A problem or note in the form that editors jump to."""
    say(f"{word(kind)} {plain(problem)}{more}")


def _change(change: Change, times: Times | None, given: Iterable[tuple[str, str]]) -> None:
    sign, name = SIGNS[change.action], plain(change.deployment)
    version = f"  version {plain(change.version)}" if change.version else ""
    say(f"{sign} {word(str(change.action))} {name}{version}: {plain(change.reason)}")
    for what, how in given:
        say(f"    {plain(what)}: {plain(how)}")
    changed(change.diff)
    if times:
        more = f" ({found})" if (found := daily(times)) else ""
        say(f"    next: {_slots(times.before)} → {_slots(times.after)}{more}")


def _slots(slots: tuple[Slot, ...]) -> str:
    return plain(", ".join(slot.local for slot in slots)) or "none"


def changed(diff: Iterable[FieldDiff]) -> None:
    """Every field that changed, and how."""
    for what, how in readable.said(diff):
        say(f"    {plain(what)}: {plain(how)}")


def _moved(move: Move) -> None:
    versions = plain(f"{move.before} → {move.after}")
    if move.whole or len(move.deployments) > 1:
        say(f"{word('moved')} version {versions}{', the whole repository' * move.whole}")
        _listed("moves", move.deployments)
    else:
        say(f"{word('moved')} {plain(move.deployments[0])} {versions}")
    for told in move.commits:
        say(f"    {told.commit[:8]} {told.at:%Y-%m-%d} {plain(told.author)}: {plain(told.subject)}")
    if move.more:
        say(f"    … and {move.more} more")


def _live(review: Review) -> None:
    for run in (review.live or ())[:MOST]:
        say(f"{word('run')} {plain(run.run)} of {plain(run.deployment)}, {word(run.state)}: {plain(run.fate)}")
    if review.live and len(review.live) > MOST:
        say(f"    … and {len(review.live) - MOST} more runs")


def _told(review: Review) -> None:
    for problem in review.plan.problems:
        located("problem", problem, " (was there before)" * (problem in review.known))
    for note in review.plan.notes:
        located("note", note)
    if old := known(review):
        say(old)
    for hint in review.hints:
        say(f"{word('note')} {plain(hint)}")


def _listed(what: str, names: Iterable[str]) -> None:
    found = sorted(names)
    if found:
        more = f" … and {len(found) - MOST} more" if len(found) > MOST else ""
        say(f"    {what}: {plain(', '.join(found[:MOST]))}{more}")
