"""A plan with what a reviewer asks next, gathered from git and the log into one value. Called by `plan`."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from reconciler.cli import _changed, _upcoming
from reconciler.cli._planning import Made
from reconciler.cli._upcoming import Rules
from reconciler.core import pinned, readable
from reconciler.core.plan import commit_of
from reconciler.core.version import paths as scope_paths
from reconciler.git import history
from reconciler.git.repository import Repository
from reconciler.model.errors import ReconcilerError
from reconciler.model.events import RunMoved
from reconciler.model.plan import Action, Problem, Source, SourceKind
from reconciler.model.review import Live, Move, Review, Told
from reconciler.model.state import FETCH, QUEUED, UNKNOWN

MOST = 10
"""Commits told of one move."""
LOOKED = 1000
"""Commits looked through for those that touch a scope."""
LONGEST = 200
"""Characters of an author's name, or of a commit's subject."""
TIMED = 50
"""Deployments whose slots are looked up; a schedule of every minute takes its time."""
WALKS = 100
"""Moves whose commits are looked for; further ones name only the commit they move to."""


def review(made: Made, repo: Repository, now: datetime, scope: str) -> Review:
    """Everything that the plan is shown with."""
    before, slots_change = made.before, _slots_change(made)
    return Review(
        plan=made.plan,
        scope=scope,
        logged=made.logged and made.plan.base is not None,
        versions={c.deployment: before.deployments[c.deployment].declared.version(before.whole_commit)
                  for c in made.plan.changes if c.deployment in before.deployments},
        created={c.deployment: tuple(readable.given(made.desired.specs[c.declared.digest]))
                 for c in made.plan.changes if c.declared and c.action is Action.CREATE},
        moves=tuple(_moves(made, repo)),
        times=tuple(_upcoming.times(*each, now) for each in slots_change[:TIMED]),
        untimed=max(0, len(slots_change) - TIMED),
        live=_live(made, now),
        known=_known(made),
        places=_changed.places(made, repo),
        hints=tuple(_hints(made)),
    )  # fmt: skip


# --- versions and commits ------------------------------------------------------------------------------------------


def _moves(made: Made, repo: Repository) -> Iterator[Move]:
    """Deployments that move together, together; those with the whole repository first."""
    groups: dict[tuple[str | None, str | None, Source], list[str]] = {}
    for name in _movers(made):
        known, declared = made.before.deployments[name].declared, made.desired.deployments[name]
        first, second = known.source_commit(made.before.whole_commit), commit_of(made.desired, declared)
        if first != second:
            source = replace(declared.source, commit=second, note=None)
            groups.setdefault((first, second, source), []).append(name)
    walked = sorted(groups.items(), key=lambda g: (g[0][2].kind is not SourceKind.WHOLE, g[1]))
    for number, ((first, second, source), names) in enumerate(walked):
        names.sort()
        file = made.desired.deployments[names[0]].file
        commits, more = _commits(repo, first if number < WALKS else None, source, scope_paths(source, file))
        whole = source.kind is SourceKind.WHOLE
        yield Move(tuple(names), _short(first), _short(second), whole, commits, more)


def _movers(made: Made) -> list[str]:
    changed = (c.deployment for c in made.plan.changes if c.declared and c.deployment in made.before.deployments)
    return [*made.plan.moved.deployments, *changed]


def _commits(
    repo: Repository, before: str | None, source: Source, paths: tuple[str, ...]
) -> tuple[tuple[Told, ...], int]:
    """The commits that moved a version, newest first; none where the code lies in another repository."""
    if source.commit is None or source.repository is not None:
        return (), 0
    try:
        found = history.moving(repo, before, source.commit, paths, LOOKED) if before else []
        names = found or [source.commit]  # back to an older commit: that one is what it moves by
        return tuple(_told(repo, name) for name in names[:MOST]), max(0, len(names) - MOST)
    except ReconcilerError:
        return (), 0  # the history is cut here; the plan stands all the same


def _told(repo: Repository, name: str) -> Told:
    found = repo.commit(name)
    return Told(name, found.committed_at, found.author[:LONGEST], found.subject[:LONGEST])


def _hints(made: Made) -> Iterator[str]:
    if _cut(made):
        yield f"some versions read {UNKNOWN}, as this clone's history is cut: {FETCH}"
    serving = made.serving.deployments if made.serving else {}
    touched = {c.deployment for c in made.plan.changes} | set(made.plan.moved.deployments)
    for name in sorted(serving.keys() if made.logged else touched & serving.keys()):
        if held := serving[name].quarantine:
            yield f"{name} is held at version {held.version}: what git says waits until `reconciler release {name}`"


def _short(commit: str | None) -> str:
    return commit[:8] if commit else UNKNOWN


def _cut(made: Made) -> bool:
    """Whether a version is not known because the clone is shallow."""
    versions = [c.version for c in made.plan.changes]
    sides = (made.before.whole_commit if made.before.revision else "", made.desired.whole_commit)
    cut = {UNKNOWN} & {*versions, *(d.source.note for d in made.desired.deployments.values())}
    return bool(cut) or (bool(made.desired.deployments) and None in sides)


# --- slots ---------------------------------------------------------------------------------------------------------


def _slots_change(made: Made) -> list[tuple[str, Rules, Rules]]:
    """Every deployment whose slots change, with its active schedules before and after."""
    found = []
    for change in made.plan.changes:
        before = made.before.deployments.get(change.deployment)
        known = before.declared if before else None
        old = _active([s.rule for s in known.schedules]) if known and not known.paused else []
        spec = made.desired.specs[change.declared.digest] if change.declared else {}
        new = _active(spec.get("schedules") or ()) if not spec.get("paused") else []
        if old != new:
            found.append((change.deployment, old, new))
    return found


def _active(rules: Rules) -> Rules:
    return [rule for rule in rules if rule.get("active", True)]


# --- runs in flight ------------------------------------------------------------------------------------------------


def _live(made: Made, now: datetime) -> tuple[Live, ...] | None:
    """Runs that are not over of what the plan touches, by the rules that apply follows; None without a log."""
    if made.serving is None:
        return None
    gone = {
        fact.run: fact.reason
        for fact in pinned.before(made.plan, made.desired, made.serving, now)
        if isinstance(fact, RunMoved)
    } if not made.plan.refused else {}  # fmt: skip
    touched = {c.deployment for c in made.plan.changes} | set(made.plan.moved.deployments)
    runs = sorted((r for r in made.serving.runs.values() if r.deployment in touched), key=lambda r: r.seq)
    return tuple(
        Live(r.id, r.deployment, str(r.state), _fate(r.state in QUEUED, r.version, gone.get(r.id)), r.id in gone)
        for r in runs
    )


def _fate(queued: bool, version: str, cancelled: str | None) -> str:
    if cancelled is not None:
        return f"is cancelled: {cancelled}"
    return f"{'runs' if queued else 'goes on'} as created, at version {version}"


# --- problems ------------------------------------------------------------------------------------------------------


def _known(made: Made) -> frozenset[Problem]:
    """Those of the plan that were there before, on whatever line."""
    before = {(p.file, p.key, p.message) for p in made.known}
    return frozenset(p for p in (*made.plan.problems, *made.plan.notes) if (p.file, p.key, p.message) in before)
