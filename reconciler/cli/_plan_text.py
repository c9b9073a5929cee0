"""A plan as a person reads it: the summary first, then every change, and what to do. Called by `plan`."""

from collections.abc import Iterable

from reconciler.cli._planning import Made
from reconciler.cli._print import compact, paint, plain, say, word
from reconciler.git import history
from reconciler.git.repository import Repository
from reconciler.model.errors import ReconcilerError
from reconciler.model.plan import Action, Change, FieldDiff, Plan, PoolChange, Problem

SIGNS = {Action.CREATE: "+", Action.UPDATE: "~", Action.PRUNE: "-"}
MOST = 10
"""Names or commits listed of a long list."""


def show(made: Made, repo: Repository) -> None:
    """Print a plan."""
    plan = made.plan
    say(paint(_summary(made), bold=True))
    if plan.refused:
        say(f"{word('refused')}: {plain(plan.refused.reason)}")
        _listed("would be pruned", plan.refused.prunes)
        say(f"  nothing is applied until a person confirms it: {plain(plan.refused.confirm)}")
    for pool in plan.pools:
        _pool(pool)
    for change in plan.changes:
        _change(change)
    _moved(made, repo)
    for problem in plan.problems:
        located("problem", problem)
    for note in plan.notes:
        located("note", note)


def located(kind: str, problem: Problem) -> None:
    """A problem or note in the form that editors jump to."""
    say(f"{word(kind)} {plain(problem)}")


def _summary(made: Made) -> str:
    plan = made.plan
    base = plan.base[:8] if plan.base else "nothing"
    against = f"{base} (applied)" if made.logged and plan.base else base
    head = f"revision {plan.revision[:8]} against {against}: "
    counts = [f"{n} to {action}" for action in Action if (n := sum(change.action is action for change in plan.changes))]
    if plan.moved.deployments:
        counts.append(f"{len(plan.moved.deployments)} to move")
    if plan.pools:
        counts.append(f"{len(plan.pools)} work pool{'s' if len(plan.pools) > 1 else ''} to change")
    if plan.problems:
        counts.append(f"{len(plan.problems)} problem{'s' if len(plan.problems) > 1 else ''}")
    if plan.refused:
        counts.append("refused")
    return head + (", ".join(counts) or "nothing to do, in sync")


def _change(change: Change) -> None:
    sign, name = SIGNS[change.action], plain(change.deployment)
    version = f"  version {plain(change.version)}" if change.version else ""
    say(f"{sign} {word(str(change.action))} {name}{version}: {plain(change.reason)}")
    _fields(change.diff)


def _pool(change: PoolChange) -> None:
    sign, name = SIGNS[change.action], plain(change.pool)
    say(f"{sign} {word(str(change.action))} work pool {name}: {plain(change.reason)}")
    _fields(change.diff)


def _fields(diff: Iterable[FieldDiff]) -> None:
    for field in diff:
        say(f"    {plain(field.field)}: {compact(field.before)} → {compact(field.after)}")


def _moved(made: Made, repo: Repository) -> None:
    moved = made.plan.moved
    whole = [name for name in moved.deployments if name not in moved.own]
    if whole:
        before, after = _short(moved.before), _short(moved.after)
        say(f"{word('moved')} version {before} → {after}, the whole repository")
        _listed("moves", whole)
        _commits(repo, moved.before, moved.after)
    for name, source in moved.own.items():
        known = made.before.deployments[name].declared
        say(f"{word('moved')} {plain(name)} {_short(known.source.commit)} → {_short(source.commit)}")
        if source.repository is None:
            _commits(repo, known.source.commit, source.commit, made.plan)
    _listed("held back, as their spec or code is broken", moved.held)


def _commits(repo: Repository, before: str | None, after: str | None, plan: Plan | None = None) -> None:
    """The commits that moved a version, newest first; for a scope of its own only the one it moves to."""
    if after is None:
        return
    try:
        names = [after] if plan else _between(repo, before, after)
        for name in names[:MOST]:
            found = repo.commit(name)
            say(f"    {name[:8]} {found.committed_at:%Y-%m-%d} {plain(found.author)}: {plain(found.subject)}")
    except ReconcilerError:
        return  # the history is cut here; the plan stands all the same
    if len(names) > MOST:
        say(f"    … and {len(names) - MOST} more")


def _between(repo: Repository, before: str | None, after: str) -> list[str]:
    return history.commits_between(repo, before, after) if before else [after]


def _listed(what: str, names: Iterable[str]) -> None:
    found = sorted(names)
    if found:
        more = f" … and {len(found) - MOST} more" if len(found) > MOST else ""
        say(f"    {what}: {plain(', '.join(found[:MOST]))}{more}")


def _short(commit: str | None) -> str:
    return commit[:8] if commit else "unknown"
