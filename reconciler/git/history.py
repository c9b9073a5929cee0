"""The version rule: the newest commit of the first-parent line that changed a scope. Called by the daemon.

The same answer as `git --literal-pathspecs log -1 --first-parent REV -- PATHS`, for many scopes in one pass. Where a
shallow clone ends before the answer, the answer is CUT, never a guess.
"""

import heapq
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final, TypeVar

from reconciler.git import scopes, tree
from reconciler.git.repository import Repository
from reconciler.model.errors import SourceUnavailableError
from reconciler.model.state import FETCH, UNKNOWN

K = TypeVar("K", bound=Hashable)

_FEW_COMMITS = 64
_FEW_PATHS = 20_000


@dataclass(frozen=True, slots=True)
class Cut:
    """History ends before the answer: this clone is shallow."""

    def __str__(self) -> str:
        """As a version shows it."""
        return UNKNOWN


CUT: Final = Cut()
Answer = str | Cut | None
"""A commit; None when no commit of the line ever changed the scope; CUT."""


@dataclass(frozen=True, slots=True)
class _Fork:
    commit: str | None
    """Where two first-parent lines meet; None when they do not."""
    dropped: frozenset[str]
    """The commits of the old line above it."""


@dataclass(frozen=True, slots=True)
class Changing:
    """Commits that changed a scope, each with the id of what the scope holds there."""

    fork: tuple[str, str]
    """Where the first-parent lines meet: the older commit itself, where it lies on the newer one's line."""
    commits: tuple[tuple[str, str], ...]
    """Above it, oldest first."""


def line(repo: Repository, revision: str, limit: int | None = None) -> Iterator[str]:
    """First-parent ids from a commit on, newest first, at most `limit`."""
    return islice((step.commit for step in _steps(repo, revision)), limit)


def commits_between(repo: Repository, before: str, after: str) -> list[str]:
    """First-parent ids of `after`'s line above its fork from `before`'s, newest first."""
    fork = _fork(repo, before, after).commit
    return [step.commit for step in _steps(repo, after, stop=fork)]


def moving(repo: Repository, before: str, after: str, paths: tuple[str, ...], limit: int | None = None) -> list[str]:
    """Ids of `after`'s first-parent line above its fork from `before`'s that changed one of the paths, newest first.

    Only `after` where the lines do not meet here; looks at `limit` commits at most. `.` is every path.
    """
    fork = _fork(repo, before, after).commit
    if fork is None:
        return [after]
    steps = islice(_steps(repo, after, stop=fork), limit)
    return [s.commit for s in steps if scopes.touched(repo, scopes.build({0: paths}), s.before, s.after)]


_OURS, _THEIRS, _BELOW = 1, 2, 4


def merge_base(repo: Repository, one: str, other: str) -> str | None:
    """The newest commit that both descend from, as `git merge-base`; None where they share none that is here."""
    marks: dict[str, int] = {}
    queue: list[tuple[float, str]] = []
    common: list[str] = []

    def mark(name: str, flags: int) -> None:
        if marks.get(name, 0) | flags != marks.get(name):
            marks[name] = marks.get(name, 0) | flags
            heapq.heappush(queue, (-repo.commit(name).committed_at.timestamp(), name))

    mark(one, _OURS)
    mark(other, _THEIRS)
    while any(not marks[name] & _BELOW for _, name in queue):
        _age, name = heapq.heappop(queue)
        flags = marks[name]
        if flags & (_OURS | _THEIRS) == _OURS | _THEIRS:
            if not flags & _BELOW and name not in common:
                common.append(name)
            flags |= _BELOW
        for parent in () if name in repo.shallow() else repo.links(name)[1]:
            mark(parent, flags)
    best = [name for name in common if not marks[name] & _BELOW]
    return best[0] if best else None


def changing(repo: Repository, before: str, after: str, paths: tuple[str, ...]) -> Changing:
    """The commits of `after`'s first-parent line above its fork from `before`'s that changed a scope, oldest first.

    Raises SourceUnavailableError where the lines do not meet, or a shallow clone ends before they do.
    """
    fork = _fork(repo, before, after).commit
    if fork is None:
        shallow = bool(repo.shallow())
        raise SourceUnavailableError(
            f"{before[:8]} and {after[:8]} have no commit in common on their first-parent lines",
            hint=FETCH if shallow else "name commits of one branch",
        )
    found: list[tuple[str, str]] = []
    newer: tuple[str, str] | None = None
    for commit in (*commits_between(repo, before, after), fork):
        now = commit, scope_id(repo, commit, paths)
        if newer and newer[1] != now[1]:
            found.append(newer)
        newer = now
    assert newer is not None  # noqa: S101 - the fork at least
    return Changing(newer, tuple(reversed(found)))


def scope_id(repo: Repository, commit: str, paths: tuple[str, ...]) -> str:
    """What a scope holds at a commit, as one id: the tree's own for the whole repository."""
    top = repo.links(commit)[0]
    if paths == (".",):
        return top
    entries = ((path, tree.lookup(repo, top, path)) for path in sorted(paths))
    return " ".join(f"{path}:{entry.mode:o}:{entry.id}" for path, entry in entries if entry) or "nothing"


def newest(repo: Repository, revision: str, wanted: Mapping[K, tuple[str, ...]]) -> dict[K, Answer]:
    """For each scope the newest commit on the first-parent line that changed one of its paths.

    Paths are literal, from the top, a file or a directory; `.` is everything. One pass, whatever the number of scopes.
    """
    answers: dict[K, Answer] = dict.fromkeys(wanted)
    root = scopes.build(wanted)
    for step in _steps(repo, revision):
        if not root.live:
            break
        if step.cut:
            answers.update(dict.fromkeys(root.remaining(), CUT))
            break
        for key in scopes.touched(repo, root, step.before, step.after):
            answers[key] = step.commit
    return answers


def advance(
    repo: Repository, before: str, after: str, known: Mapping[K, tuple[tuple[str, ...], Answer]]
) -> dict[K, Answer]:
    """The answers at `after` that differ from the known ones at `before`.

    The lines are compared at their own fork, not the merge base: a fast-forward to a merge whose first parent is the
    other side drops the old head from the line. What changed above the fork is newest there; what was last changed
    at or below the fork stays; the rest is looked for below the fork.
    """
    if before == after:
        return {}
    fork = _fork(repo, before, after)
    if fork.commit is None:
        answers = newest(repo, after, {key: paths for key, (paths, _answer) in known.items()})
    else:
        answers = _above(repo, after, fork.commit, known)
        lost = {
            key: paths
            for key, (paths, answer) in known.items()
            if key not in answers and (isinstance(answer, Cut) or answer in fork.dropped)
        }
        if lost:
            answers.update(newest(repo, fork.commit, lost))
    return {key: answer for key, answer in answers.items() if answer != known[key][1]}


@dataclass(frozen=True, slots=True)
class _Step:
    """One commit of a first-parent line beside its first parent."""

    commit: str
    after: str
    before: str | None
    """The parent's tree; None for a root."""
    cut: bool
    """The clone ends here: what this commit changed is not known."""


def _steps(repo: Repository, revision: str, stop: str | None = None) -> Iterator[_Step]:
    shallow = repo.shallow()
    commit: str | None = revision
    tree_id, parents = repo.links(revision)
    while commit is not None and commit != stop:
        cut = commit in shallow
        parent = parents[0] if parents and not cut else None
        beyond, parents = repo.links(parent) if parent else (None, ())
        yield _Step(commit, tree_id, beyond, cut)
        commit, tree_id = parent, beyond or ""


def _fork(repo: Repository, before: str, after: str) -> _Fork:
    """Walk both lines in turn until one meets the other."""
    if not repo.has(before):
        return _Fork(None, frozenset())
    old: dict[str, None] = {}
    new: dict[str, None] = {}
    sides = [(line(repo, before), old, new), (line(repo, after), new, old)]
    while sides:
        for side in tuple(sides):
            steps, own, other = side
            commit = next(steps, None)
            if commit is None:
                sides.remove(side)
            elif commit in other:
                return _Fork(commit, frozenset(_until(old, commit)))
            else:
                own[commit] = None
    return _Fork(None, frozenset())


def _until(ids: dict[str, None], stop: str) -> Iterator[str]:
    for commit in ids:
        if commit == stop:
            return
        yield commit


def _above(
    repo: Repository, after: str, fork: str, known: Mapping[K, tuple[tuple[str, ...], Answer]]
) -> dict[K, Answer]:
    """Answers of the scopes that changed between the fork and `after`."""
    steps = list(_steps(repo, after, stop=fork))
    paths = _changed_paths(repo, steps)
    if paths is not None:
        untouched = paths.keys().isdisjoint
        hits = ((key, scope) for key, (scope, _answer) in known.items() if not untouched(scope))
        return {key: steps[min(paths[path] for path in scope if path in paths)].commit for key, scope in hits}
    root = scopes.build({key: scope for key, (scope, _answer) in known.items()})
    answers: dict[K, Answer] = {}
    for step in steps:
        answers.update(dict.fromkeys(scopes.touched(repo, root, step.before, step.after), step.commit))
    return answers


def _changed_paths(repo: Repository, steps: list[_Step]) -> dict[str, int] | None:
    """Every path that changed, folders included, with the number of the newest step that changed it.

    None when there are too many to list: then a pass that knows the scopes costs less.
    """
    if len(steps) > _FEW_COMMITS:
        return None
    found: dict[str, int] = {}
    for number, step in enumerate(steps):
        for path, _old, _new in tree.diff(repo, step.before, step.after):
            if len(found) > _FEW_PATHS:
                return None
            found.setdefault(".", number)
            while path:
                found.setdefault(path, number)
                path = path.rpartition("/")[0]
    return found


def descends(repo: Repository, revision: str, ancestor: str) -> bool:
    """Whether `ancestor` can be reached from `revision` by any parents; newest commits are looked at first."""
    if not repo.has(ancestor):
        return False
    seen = {revision}
    queue = [(-repo.commit(revision).committed_at.timestamp(), revision)]
    while queue:
        _age, name = heapq.heappop(queue)
        if name == ancestor:
            return True
        parents = () if name in repo.shallow() else repo.links(name)[1]
        for parent in parents:
            if parent not in seen:
                seen.add(parent)
                heapq.heappush(queue, (-repo.commit(parent).committed_at.timestamp(), parent))
    return False
