"""The newest commits of source scopes at one revision, kept from revision to revision. Called by daemon/observe."""

from collections.abc import Iterable

from reconciler.core.file_read import Entry
from reconciler.core.version import paths as scope_paths
from reconciler.daemon.spec_row import Row
from reconciler.git import history
from reconciler.git.repository import Repository
from reconciler.model.plan import SourceKind

Scope = tuple[str, ...]
WHOLE: Scope = (".",)
CUT_TEXT = "cut"


class Answers:
    """What is known of every scope at one revision."""

    def __init__(self) -> None:
        self._known: dict[Scope, tuple[Scope, history.Answer]] = {}

    def at(
        self, repo: Repository, before: str | None, head: str, wanted: Iterable[Scope]
    ) -> dict[Scope, history.Answer]:
        """The answers at `head` for every scope that moved since `before` or is new; nothing is kept of them yet."""
        found: dict[Scope, history.Answer] = {}
        if before is not None and before != head:
            found.update(history.advance(repo, before, head, self._known))
        new = {scope: scope for scope in {WHOLE, *wanted} if scope not in self._known}
        if new:
            found.update(history.newest(repo, head, new))
        return found

    def keep(self, answers: dict[Scope, history.Answer]) -> None:
        """Take answers as known."""
        self._known.update((scope, (scope, answer)) for scope, answer in answers.items())

    def commit(self, scope: Scope) -> tuple[str | None, str | None]:
        """The newest commit of a scope, and a note where there is none."""
        answer = self._known[scope][1]
        return (answer, None) if isinstance(answer, str) else (None, str(answer) if answer else None)

    def text(self, scope: Scope) -> str | None:
        """The answer as kept between starts."""
        answer = self._known[scope][1]
        return answer if answer is None or isinstance(answer, str) else CUT_TEXT

    def load(self, scope: Iterable[str], text: str | None) -> None:
        """The inverse of `text`."""
        self.keep({tuple(scope): history.CUT if text == CUT_TEXT else text})


def scopes_of(path: str, row: Row) -> set[Scope]:
    """The scopes whose newest commit a file and its deployments ask for."""
    return {file_scope(path, row)} | {
        source_scope(path, e) for e in row.read.entries if e.source.kind is SourceKind.SCOPE
    }


def file_scope(path: str, row: Row) -> Scope:
    """The paths whose newest change is the spec commit of a file: with the overlay that changes it."""
    return (path, *sorted({e.overlay for e in row.read.entries if e.overlay}))


def source_scope(path: str, entry: Entry) -> Scope:
    """The paths whose newest change is the source commit of a deployment with a scope of its own."""
    own = scope_paths(entry.source, path)
    return (*own, entry.overlay) if entry.overlay and own != WHOLE else own
