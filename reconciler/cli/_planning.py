"""Plans as values: git at a revision against the log or against another revision, offline. Called by `plan`.

What the daemon last resolved of other repositories is taken as it lies; nothing is fetched.
"""

import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path

from reconciler.cli import _log
from reconciler.cli._place import Place
from reconciler.core import plan as core
from reconciler.core import project
from reconciler.core.plan import Policy
from reconciler.core.project import Touched
from reconciler.daemon.config import Settings
from reconciler.daemon.mirrors import Mirrors, offline
from reconciler.daemon.observe import Observer
from reconciler.daemon.reading import CACHE, Elsewhere, Environment, Layered
from reconciler.daemon.reconcile import first_branch
from reconciler.daemon.spec_dir import SpecDir
from reconciler.daemon.words import words
from reconciler.git import history, url
from reconciler.git.repository import Repository
from reconciler.git.work_tree import WorkTree
from reconciler.model.errors import NotFoundError, ReconcilerError, SourceUnavailableError
from reconciler.model.fact import Event
from reconciler.model.plan import Desired, Json, Plan, Problem, Source
from reconciler.model.state import FETCH, Observed
from reconciler.stores import Log
from reconciler.stores._reader import Reader

OFFLINE = "this command stays offline"
"""What every note about code in a repository that was never fetched says."""


@dataclass(frozen=True, slots=True)
class Made:
    """A plan and what it was compared with."""

    plan: Plan
    before: Observed
    desired: Desired
    logged: bool
    """Whether it was compared with a log's state."""
    known: tuple[Problem, ...] = ()
    """What was wrong before, and what there was to know."""
    serving: Observed | None = None
    """What the log says, where there is one."""


class Planner:
    """Makes plans for one place."""

    def __init__(self, place: Place, settings: Settings) -> None:
        self._place = place
        self._settings = settings
        self._policy = Policy(settings.prune_limit, settings.on_rewind)
        self._against: str | None = None
        """The branch that a review is against."""
        self.repo = self._opened()

    def _opened(self) -> Repository:
        return Repository.open(self._place.repo, trust_owner=self._settings.allow_owner)

    def against_log(self, revision: str | None) -> Made:
        """The tracked branch's head, or a revision, against the log; against nothing where there is no log."""
        with ExitStack() as stack:
            try:
                log: Reader | None = stack.enter_context(_log.reading(self._place))
            except NotFoundError:
                log = None
            before = _log.observed(log) if log else Observed()
            head = self.repo.resolve(revision) if revision else self._head(before)
            desired = self._desired(log, before, head)
            made = _honest(core.plan(desired, before, self._policy))
            known = tuple(Problem(**each) for each in before.problems)
            return Made(made, before, desired, log is not None, known, before if log else None)

    def between(self, base: str, head: str, now: datetime) -> Made:
        """One commit against another, or against nothing where its environment is new; no log is needed.

        A merge never rewinds, so nothing is refused for that.
        """
        try:
            serving, told = self._logged
        except ReconcilerError:  # a review goes without a log
            serving, told = None, {}
        specs, env = self._read_as(serving or Observed(), told)
        observer = self._observer(serving or Observed(), told)
        there = SpecDir(specs).environments(self.repo, self.repo.commit(base).tree) if env.name else ()
        before = Observed()
        if env.name and env.name not in there:
            only = observer.desired(self.repo, head, None)
            return Made(_honest(core.plan(only, before, self._policy)), before, only, logged=False, serving=serving)
        first = observer.desired(self.repo, base, None)
        facts = core.facts(core.plan(first, before, self._policy), first, before)
        for seq, fact in enumerate(facts, 1):
            project.fold(before, Event(seq, fact.type, fact.subject, now, base, fact.data()), Touched())
        second = observer.desired(self.repo, head, None)
        made = _honest(core.plan(second, before, self._policy))
        return Made(made, before, second, logged=False, known=(*first.problems, *first.notes), serving=serving)

    def ends(self, span: str) -> tuple[str, str]:
        """The two commits of BASE..HEAD, or of BASE...HEAD: there from where HEAD's branch began.

        Raises NotFoundError, SourceUnavailableError.
        """
        base, dots, head = span.partition("...") if "..." in span else span.partition("..")
        first, second = (self._resolve(word or "HEAD") for word in (base, head))
        self._against = self.repo.branch_named(base)
        if dots == "..":
            return first, second
        found = history.merge_base(self.repo, first, second)
        if found is None:
            raise SourceUnavailableError(
                f"{span}: no commit is here that both descend from",
                hint=FETCH if self.repo.shallow() else "name two revisions of one history, or BASE..HEAD",
            )
        return found, second

    def _resolve(self, revision: str) -> str:
        try:
            return self.repo.resolve(revision)
        except NotFoundError as error:
            remote, _, name = revision.partition("/")
            if name and remote in self.repo.remotes():
                bring = f"git fetch {remote} +refs/heads/{name}:refs/remotes/{revision}"
                whole = "git fetch --unshallow && " if self.repo.shallow() else ""
                raise NotFoundError(error.message, hint=f"if {remote} has it: {whole}{bring}") from None
            if self.repo.shallow():
                raise NotFoundError(error.message, hint=f"this clone is shallow; {FETCH}") from None
            raise

    def at(self, revision: str) -> Desired:
        """The desired state at any revision, with every spec in it; no log is needed. Raises SourceUnavailableError."""
        return self._observer(Observed(), self._logged[1]).desired(self.repo, self.repo.resolve(revision), None)

    def lying(self) -> Desired:
        """What the files of the work tree say as they lie. Raises SourceUnavailableError where there is none."""
        if self.repo.work_tree is None:
            raise SourceUnavailableError("a bare repository has no work tree", hint="give a commit: --at REV")
        tree = WorkTree(self.repo.work_tree, self.repo)
        return self._knowing().desired(tree, tree.head, None)

    def known(self, revision: str) -> Desired:
        """As `at`, with what the daemon knows: other repositories as it last resolved them. Raises as `at`."""
        return self._knowing().desired(self.repo, self.repo.resolve(revision), None)

    def head(self) -> str:
        """The tracked branch's newest commit. Raises SourceUnavailableError where it has none."""
        return self._head(self._logged[0] or Observed())

    def _knowing(self) -> Observer:
        before, told = self._logged
        return self._observer(before or Observed(), told)

    @cached_property
    def _logged(self) -> tuple[Observed | None, Mapping[str, Json]]:
        """What the log says, if there is one, and what its daemon was told by flags."""
        try:
            with _log.reading(self._place) as log:
                return _log.observed(log), json.loads(log.cache_get(CACHE, "") or b"{}")
        except NotFoundError:
            return None, {}

    def _head(self, before: Observed) -> str:
        branch = self._settings.branch or before.branch or first_branch(self.repo)
        remote = before.remote if before.branch else self._settings.remote
        head = self.repo.branch(branch, remote)
        if head is None:
            raise SourceUnavailableError(
                f"branch {branch!r}{f' of {remote}' if remote else ''} has no commit",
                hint="make a first commit on it, or name a revision",
            )
        return head

    def _desired(self, log: Log | None, before: Observed, head: str) -> Desired:
        kept = log.cache_items(CACHE) if log else {}
        told = json.loads(kept.get("", b"{}"))  # what the daemon was told by flags
        observer = self._observer(before, told)
        observer.restore(kept)
        desired = _with_stored(observer.desired(self.repo, head, before.revision), log)
        known = {d.declared.digest for d in before.deployments.values()}
        if all(d.digest in known or d.digest in desired.specs for d in desired.deployments.values()):
            return desired
        # Something that was read before is wanted now and lies nowhere: read everything.
        fresh = self._observer(before, told)
        return _with_stored(fresh.desired(self.repo, head, before.revision), log)

    def _read_as(self, before: Observed, told: Mapping[str, Json]) -> tuple[str, Environment]:
        """Where specs lie, and as what they are read; what is not set is as the daemon was `told`."""
        settings = self._settings
        specs = told.get("specs", settings.specs) if settings.specs == Settings().specs else settings.specs
        kept = before.env if before.branch else told.get("env")
        env = kept if settings.env is None else settings.env or None
        variables = settings.variables or (told.get("variables", {}) if env == told.get("env") else {})
        branch = settings.branch or before.branch or self._against or self.repo.main_branch()
        remote = before.remote if before.branch else settings.remote
        return specs, Environment.of(env, variables, branch, remote)

    def _observer(self, before: Observed, told: Mapping[str, Json]) -> Observer:
        specs, env = self._read_as(before, told)
        mirrors = Mirrors(self._opened, self._place.state.mirrors, self._settings.allow_hosts, self._settings.interval)
        return Observer(
            specs, words(), mirrors.ours, Resolved(mirrors, before), partial(mirrors.submodules, fetch=False),
            env=env,
        )  # fmt: skip


class Resolved:
    """Finds sources in other repositories as the daemon last did, or where they lie on this machine."""

    def __init__(self, mirrors: Mirrors, before: Observed) -> None:
        self._mirrors = mirrors
        known = [d.declared.source for d in before.deployments.values()]
        self._known = {replace(source, commit=None, note=None): source.commit for source in known}

    def __call__(self, source: Source) -> Elsewhere:
        commit = source.commit or self._known.get(replace(source, commit=None, note=None))
        try:
            path = self._mirrors.git_dir(source)
            if commit and _holds(path, commit):
                return Elsewhere(str(path), commit)
            if url.host(source.repository or "") is None:
                return self._mirrors.resolve(source)
        except OSError:
            pass
        return offline(source)


def _holds(path: Path, commit: str) -> bool:
    if not path.is_dir():
        return False
    with Repository.open(path, trust_owner=True) as repo:
        return repo.has(commit)


def _with_stored(desired: Desired, log: Log | None) -> Desired:
    return replace(desired, specs=Layered(desired.specs, partial(_log.payload, log))) if log else desired


def _honest(plan: Plan) -> Plan:
    """The plan with what only the missing network makes a problem told as a note."""
    problems, notes = told_offline(plan.problems, plan.notes)
    return replace(plan, problems=problems, notes=notes)


def told_offline(
    problems: tuple[Problem, ...], notes: tuple[Problem, ...]
) -> tuple[tuple[Problem, ...], tuple[Problem, ...]]:
    """Problems and notes, where a flow's name that only the network could tell is no problem."""
    unread = {(n.file, n.line, n.key) for n in notes if OFFLINE in n.message}
    moved = {
        p for p in problems if (p.file, p.line, p.key) in unread and p.message.startswith("the flow's name is not")
    }
    return tuple(p for p in problems if p not in moved), tuple(sorted({*notes, *moved}))
