"""The code in the tree of one commit, each file looked up and read once. Called by daemon/observe."""

from collections.abc import Callable, Sequence
from pathlib import Path

from reconciler.core.own_steps import StepFacts, read_step
from reconciler.core.signature import EntrypointProblem, FlowFacts, read_flow
from reconciler.daemon.poison import NO_POISON, IsolatedError, Poison
from reconciler.daemon.reading import Elsewhere
from reconciler.git import tree
from reconciler.git.objects import TooLargeError
from reconciler.git.repository import Repository
from reconciler.git.submodules import LIST, paths
from reconciler.model.errors import ReconcilerError, SourceUnavailableError
from reconciler.model.plan import Json, Source

FILE_LIMIT = 1024 * 1024
"""Bytes of a spec or code file; a larger one is a problem."""


Bring = Callable[[Repository, str, Source], Sequence[Json]]
"""Brings the submodules of a source's tree here. Raises a ReconcilerError."""


class View:
    """The tree of one commit, each code path looked up and read once."""

    def __init__(self, repo: Repository, tree_id: str, poison: Poison = NO_POISON) -> None:
        self.repo = repo
        self._poison = poison
        self.tree = tree_id
        self._read: dict[str, bytes | None] = {}
        self._ids: dict[str, str] = {}
        self._flows: dict[tuple[str, str], tuple[FlowFacts | EntrypointProblem, set[str]]] = {}
        self._steps: dict[tuple[str, tuple[str, ...]], tuple[StepFacts, set[str]]] = {}
        self._submodules: dict[Source, tuple[str, str]] = {}
        self._others: dict[Elsewhere, View] = {}

    def at(self, place: Elsewhere) -> "View":
        """The tree of a commit elsewhere. Raises SourceUnavailableError."""
        if place not in self._others:
            repo = Repository.open(Path(place.git_dir), trust_owner=True)
            self._others[place] = View(repo, repo.commit(place.commit).tree, self._poison)
        return self._others[place]

    def flow(self, entrypoint: str, root: str, asked: set[str]) -> FlowFacts | EntrypointProblem:
        """The facts of an entrypoint, read once; the code paths that were asked for are noted in `asked`."""
        key = (entrypoint, root)
        if key not in self._flows:
            paths: set[str] = set()
            try:
                found = read_flow(entrypoint, lambda path: self._code(path, paths), root=root)
            except IsolatedError as isolated:
                found = EntrypointProblem(str(isolated), path=isolated.path)
            self._poison.code_read()
            self._flows[key] = (found, paths)
        facts, paths = self._flows[key]
        asked |= paths
        return facts

    def submodules(self, source: Source, bring: Bring, asked: set[str]) -> tuple[str, str]:
        """What is wrong with the submodules of a source here, and what is to be known; they are brought once."""
        asked |= {LIST, *paths(self.repo, self.tree)}
        if source not in self._submodules:
            problem = note = ""
            try:
                bring(self.repo, self.tree, source)
            except SourceUnavailableError as error:
                note = f"{error.message}; a run that starts before it is here fails"
            except ReconcilerError as error:
                problem = error.message
            self._submodules[source] = problem, note
        return self._submodules[source]

    def step(self, word: str, bases: tuple[str, ...], asked: set[str]) -> StepFacts:
        """The facts of a step of the user's own, read once; what was asked for is noted in `asked`."""
        key = (word, bases)
        if key not in self._steps:
            paths: set[str] = set()
            self._steps[key] = (read_step(word, lambda path: self._code(path, paths), bases), paths)
        facts, paths = self._steps[key]
        asked |= paths
        return facts

    def has(self, path: str, asked: set[str]) -> bool:
        """Whether a regular file is there, which is noted in `asked`."""
        asked.add(path)
        entry = tree.lookup(self.repo, self.tree, path)
        return entry is not None and entry.mode in (tree.FILE, tree.EXECUTABLE)

    def _code(self, path: str, asked: set[str]) -> bytes | None:
        """A regular file's bytes, or None."""
        asked.add(path)
        if path not in self._read:
            entry = tree.lookup(self.repo, self.tree, path)
            regular = entry is not None and entry.mode in (tree.FILE, tree.EXECUTABLE)
            self._read[path] = self._blob(entry.id) if entry is not None and regular else None
            self._ids[path] = entry.id if entry is not None else ""
        self._poison.code(path, self._ids[path])
        return self._read[path]

    def _blob(self, name: str) -> bytes:
        try:
            return self.repo.blob(name, FILE_LIMIT)
        except TooLargeError:
            return bytes(FILE_LIMIT + 1)  # too large to be read as code, which its reader says
