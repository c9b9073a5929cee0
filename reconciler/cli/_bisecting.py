"""The commits that may have broken a deployment, and what becomes of each when it is tried. Called by `bisect`."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from reconciler.cli import _clock, _history, _scope, _unrecorded
from reconciler.cli._named import declared_in
from reconciler.cli._planning import Planner
from reconciler.core import version
from reconciler.core.arguments import merge
from reconciler.core.bisect import Verdict
from reconciler.daemon.scratch import Scratch
from reconciler.git import history
from reconciler.git.repository import Repository
from reconciler.model.errors import ConflictError, NotFoundError, ReconcilerError, StepError
from reconciler.model.plan import Declared, Desired, Json, Source, SourceKind
from reconciler.model.state import State

SKIP, MOST_CODES = 125, 128
"""Exit codes of a command, as `git bisect run` reads them."""


@dataclass(frozen=True, slots=True)
class Line:
    """What is searched: commits that changed a deployment's source scope, the good end first, the bad one last."""

    source: Source
    paths: tuple[str, ...]
    """Its scope."""
    commits: tuple[str, ...]
    keys: tuple[str, ...]
    """What the scope holds at each."""
    good_label: str
    """The version of the good end."""
    moved: bool = False
    """Whether the good end is where the two lines meet, instead of the commit that was given."""
    fixed: tuple[Desired, Declared] | None = None
    """The one spec to use, where the commits are of a branch that holds no specs of its own."""

    def version(self, place: int) -> str:
        """The version at a place, when the spec gives no label."""
        return self.commits[place][:8] if place else self.good_label


@dataclass(frozen=True, slots=True)
class Step:
    """One commit that was tried."""

    commit: str
    subject: str
    verdict: Verdict
    reason: str
    seconds: float

    def json(self) -> dict[str, Json]:
        """The object that `--json` prints."""
        return {
            "commit": self.commit,
            "subject": self.subject,
            "outcome": str(self.verdict),
            "reason": self.reason,
            "seconds": self.seconds,
        }


def line(planner: Planner, name: str, good: str, bad: str) -> Line:
    """The commits between two, for a deployment as it is at the bad one (else at the good one).

    Raises NotFoundError, ConflictError where there is nothing to search, SourceUnavailableError.
    """
    repo = planner.repo
    desired, declared = _at_either(planner, name, bad, good)
    source = declared.source
    if source.kind in {SourceKind.FOREIGN, SourceKind.NONE}:
        why = "comes from another repository" if source.kind is SourceKind.FOREIGN else "is not in git"
        raise ConflictError(f"the code of {name} {why}", hint="bisect tries the commits of this repository")
    if source.kind is SourceKind.COMMIT:
        paths: tuple[str, ...] = (declared.file,)
    else:
        paths = version.paths(source, declared.file)
    between = history.changing(repo, good, bad, paths)
    if not between.commits:
        why = f"--bad {bad[:8]} is not newer than --good {good[:8]}" if between.fork[0] == bad else ""
        raise ConflictError(
            why or f"no commit from {good[:8]} to {bad[:8]} changed what {name} is made of",
            hint=f"reconciler history {name} lists its versions",
        )
    commits = (between.fork, *between.commits)
    label = history.newest(repo, between.fork[0], {"": paths})[""]
    return Line(
        source,
        paths,
        tuple(commit for commit, _ in commits),
        tuple(key for _, key in commits),
        label[:8] if isinstance(label, str) else between.fork[0][:8],
        between.fork[0] != good,
        (desired, declared) if source.kind is SourceKind.BRANCH else None,
    )


def _at_either(planner: Planner, name: str, bad: str, good: str) -> tuple[Desired, Declared]:
    """The deployment at the bad commit; where it is not sound there, at the good one."""
    desired = planner.known(bad)
    try:
        return desired, declared_in(desired, name)
    except NotFoundError:
        before = planner.known(good)
        if name in before.deployments:
            return before, before.deployments[name]
        if (head := planner.head()) not in {bad, good} and name in (now := planner.known(head)).deployments:
            return now, now.deployments[name]  # a branch of code only: its specs lie on the tracked one
        raise


@dataclass(frozen=True, slots=True)
class Given:
    """What every commit is tried with."""

    command: str | None = None
    parameters: Mapping[str, Json] = field(default_factory=dict)
    variables: Mapping[str, Json] = field(default_factory=dict)
    due: datetime | None = None
    limit: float | None = None


class Attempts:
    """Tries commits of a line, each in a fresh scratch directory."""

    def __init__(self, planner: Planner, scratch: Scratch, name: str, searched: Line, given: Given) -> None:
        self.steps: list[Step] = []
        self._planner, self._scratch, self._name, self._line, self._given = planner, scratch, name, searched, given

    def __call__(self, place: int) -> Verdict:
        """Try the commit at a place. Raises StepError when the command itself was killed."""
        commit, began = self._line.commits[place], _clock.now()
        verdict, reason = self._check(commit) if self._given.command else self._flow(commit)
        took = round((_clock.now() - began).total_seconds(), 3)
        self.steps.append(Step(commit, self._planner.repo.commit(commit).subject, verdict, reason, took))
        return verdict

    def _check(self, commit: str) -> tuple[Verdict, str]:
        done = self._scratch.check(commit, self._line.source.directories, self._given.command or "", self._given.limit)
        if done.code is None:
            return Verdict.BAD, f"not over after {self._given.limit:g} s"
        if done.code in {0, SKIP}:
            return (Verdict.SKIP if done.code else Verdict.GOOD), done.said
        if not 0 < done.code < MOST_CODES:
            how = f"was killed by signal {-done.code}" if done.code < 0 else f"ended with exit code {done.code}"
            raise StepError(
                f"the command {how} at {commit[:8]}: {done.said}",
                hint="exit 0 for good, 125 for a commit that cannot be told, another code below 128 for bad",
            )
        return Verdict.BAD, f"exit code {done.code}{f': {done.said}' if done.said else ''}"

    def _flow(self, commit: str) -> tuple[Verdict, str]:
        """Completed is good, every other end is bad; where the daemon would make no run of it, it cannot be told."""
        try:
            made = self._made(commit)
            order = self._scratch.order(made.run, made.launch)
        except ReconcilerError as error:
            return Verdict.SKIP, f"{error.message}: {error.hint}" if isinstance(error, NotFoundError) else error.message
        end = self._scratch.background(made.run, order, self._given.limit)
        if end.state is State.COMPLETED:
            return Verdict.GOOD, str(end.state)
        return Verdict.BAD, f"{end.state}: {end.reason}"

    def _made(self, commit: str) -> _unrecorded.Made:
        """The run at a commit, of the spec as it is there."""
        if self._line.fixed:
            desired, declared = self._line.fixed
            declared = replace(declared, source=replace(declared.source, commit=commit, note=None))
        else:
            desired = self._planner.known(commit)
            declared = declared_in(desired, self._name)
        defaults = desired.specs[declared.digest].get("parameters") or {}
        values = merge(defaults, self._given.parameters)
        made = _unrecorded.made(desired, declared, values, self._given.due or _clock.now())
        return replace(made, launch=replace(made.launch, variables=self._given.variables))


def described(repo: Repository, commit: str, paths: tuple[str, ...]) -> dict[str, Json]:
    """Who made a commit, when and why, and the files of the scope that it changed."""
    top, parents = repo.links(commit)
    before = repo.links(parents[0])[0] if parents and commit not in repo.shallow() else None
    files = [path for _, path in _scope.differing(repo, before, top, paths)]
    return {"commit": commit, **_history.authored(repo, commit), "files": files}
