"""One spec file as it is read at a commit, and what that depended on. Called by daemon/observe.

A fault of the file is in the answer; only what keeps the whole repository from being read is raised.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from reconciler.core import overlay as overlays
from reconciler.core import pooled
from reconciler.core.declare import Code, declare
from reconciler.core.file_read import FileRead, read_of
from reconciler.core.overlay import Overlay
from reconciler.core.parse import parse
from reconciler.daemon.poison import NO_POISON, IsolatedError, Poison
from reconciler.daemon.reading import BASE, Elsewhere, Environment
from reconciler.daemon.view import FILE_LIMIT, Bring, View
from reconciler.daemon.words import Words
from reconciler.git import history, tree
from reconciler.git.objects import TooLargeError
from reconciler.git.repository import Repository
from reconciler.model.errors import ReconcilerError, SourceUnavailableError
from reconciler.model.plan import Json, Problem, Source, SourceKind

log = logging.getLogger("reconciler")

OTHERS = {SourceKind.BRANCH, SourceKind.FOREIGN}
"""Sources that may move though the tracked branch does not."""

Resolve = Callable[[Source], Elsewhere]
"""Finds the commit of a source in another repository. Raises SourceUnavailableError."""


@dataclass(slots=True)
class Row:
    """One spec file as last read, and what that depended on."""

    read: FileRead
    code: tuple[str, ...] = ()
    """Code paths that were asked for, found or not."""
    commits: Mapping[str, str] | None = None
    """By deployment: the commits of sources elsewhere."""
    pending: bool = False
    """Whether submodules are not here yet: they are asked for again."""

    @property
    def looks_elsewhere(self) -> bool:
        """Whether it may say something else though the tracked branch does not move."""
        return self.pending or any(e.source.kind in OTHERS for e in self.read.entries)

    def json(self) -> dict[str, Json]:
        """As kept between starts."""
        return {"read": self.read.json(), "code": self.code, "commits": self.commits, "pending": self.pending}

    @classmethod
    def load(cls, path: str, data: Mapping[str, Json]) -> "Row":
        """The inverse of `json`."""
        return cls(read_of(path, data["read"]), tuple(data["code"]), data["commits"], data.get("pending", False))


class RowReader:
    """Reads spec files, each with the code it names."""

    def __init__(
        self,
        words: Words,
        ours: Callable[[str], bool],
        resolve: Resolve,
        bring: Bring,
        poison: Poison = NO_POISON,
        *,
        tracked: Environment = BASE,
    ) -> None:
        self._words = words
        self._ours = ours
        self._tracked = tracked
        self._resolve = resolve
        self._bring = bring
        self._poison = poison
        self._pending = False
        self.specs: dict[str, bytes] = {}
        """Effective specs that were read and may not be in the store yet, by digest."""

    @contextmanager
    def view(self, repo: Repository, tree_id: str) -> Iterator[View]:
        """The tree of a commit for as long as files are read from it."""
        with self._poison.watched():
            yield View(repo, tree_id, self._poison)

    def overlay(self, view: View, entry: tree.Entry, variables: Mapping[str, Json]) -> Overlay:
        """The overlay in a file, under the operator's variables; what is wrong with it is in the answer."""
        try:
            data = _bytes(view.repo, entry)
            self._poison.spec(entry.path, entry.id)
            return overlays.read(data, entry.path, entry.id, variables)
        except (_UnfitError, IsolatedError) as error:
            return overlays.broken(entry.path, entry.id, error.why)

    def read(self, view: View, path: str, entry: tree.Entry | None, overlay: Overlay) -> Row | None:
        """The file as the overlay has it; None when it is gone. Raises SourceUnavailableError."""
        if entry is None:
            return None
        if overlay.problems:
            return Row(FileRead(path, problems=overlay.problems)) if path == overlay.file else None
        try:
            data = _bytes(view.repo, entry)
        except _UnfitError as error:
            return Row(faulty(path, error.why))
        asked: set[str] = set()
        elsewhere: dict[Source, str] = {}
        self._pending = False
        try:
            self._poison.spec(path, entry.id)
            read = self._declare(data, path, overlay, lambda source: self._code(view, source, asked, elsewhere))
        except IsolatedError as isolated:
            return Row(faulty(path, isolated.why))
        except (ReconcilerError, OSError):
            raise
        except Exception as error:
            # A defect of ours, met by one file: it is told, and the others are read on.
            log.exception("reading %s failed", path)
            what = f"reading it failed: {type(error).__name__}; the daemon's log has the details"
            return Row(faulty(path, what), tuple(sorted(asked)), None, self._pending)
        self.specs.update(read.specs)
        hidden = pooled.words(data) if read.hides_pools else ()
        commits = {e.name: elsewhere[e.source] for e in read.entries if e.source in elsewhere}
        return Row(replace(read, specs={}, hidden=hidden), tuple(sorted(asked)), commits, self._pending)

    def has_moved(self, repo: Repository, row: Row) -> bool:
        """Whether what a file follows elsewhere is at another commit now."""
        try:
            return row.pending or any(
                self._elsewhere(repo, e.source).commit != (row.commits or {}).get(e.name)
                for e in row.read.entries
                if e.source.kind in OTHERS
            )
        except SourceUnavailableError:
            return False  # the commit resolved before stays until the other side answers again

    def _declare(self, data: bytes, path: str, overlay: Overlay, code: Callable[[Source], Code]) -> FileRead:
        words = self._words
        found = parse(data, path, check_step=words.check_step, check_schedule=words.check_schedule, overlay=overlay)
        return declare(
            found, code, self._ours, check_pool=words.check_pool, kinds=words.pools, tracked=self._tracked.branch
        )

    def _code(self, view: View, source: Source, asked: set[str], elsewhere: dict[Source, str]) -> Code:
        if source.kind is SourceKind.NONE:
            return Code(None, "no pull step brings it from git")
        if source.kind in {SourceKind.WHOLE, SourceKind.SCOPE}:
            return self._code_at(view, source, asked)
        try:
            place = self._elsewhere(view.repo, source)
            other = view.at(place)
        except SourceUnavailableError as error:
            return Code(None, error.message)
        elsewhere[source] = place.commit
        return self._code_at(other, source, set())

    def _code_at(self, view: View, source: Source, asked: set[str]) -> Code:
        """The code in a tree; what is looked up of it is noted in `asked`."""
        problem, note = self._submodules(view, source, asked)
        return Code(
            problem=problem,
            note=note,
            flow=lambda entrypoint, root: view.flow(entrypoint, root, asked),
            step=lambda word, bases: view.step(word, bases, asked),
            has=lambda path: view.has(path, asked),
        )

    def _submodules(self, view: View, source: Source, asked: set[str]) -> tuple[str, str]:
        """What is wrong with the submodules of a source, and what is to be known of them; they are brought here."""
        if not source.submodules:
            return "", ""
        found = view.submodules(source, self._bring, asked)
        self._pending |= any(found)
        return found

    def _elsewhere(self, repo: Repository, source: Source) -> Elsewhere:
        """The commit of a source that does not follow the tracked branch. Raises SourceUnavailableError."""
        if source.repository is not None:
            return self._resolve(source)
        if source.kind is SourceKind.COMMIT and source.commit:
            return Elsewhere(str(repo.common_dir), source.commit)
        tip = repo.named(source.branch or "", self._tracked.remote)
        if tip is None:
            raise SourceUnavailableError(f"there is no branch or tag {source.branch!r}")
        found = history.newest(repo, tip, {"": source.directories or (".",)})[""]
        if not isinstance(found, str):
            raise SourceUnavailableError(f"the source commit on branch {source.branch!r} is {found or 'not there'}")
        return Elsewhere(str(repo.common_dir), found)


class _UnfitError(Exception):
    """A file that is not even read."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def _bytes(repo: Repository, entry: tree.Entry) -> bytes:
    """The bytes of a spec file. Raises _UnfitError."""
    if entry.mode not in (tree.FILE, tree.EXECUTABLE):
        kind = {tree.SYMLINK: "a symbolic link", tree.GITLINK: "a submodule"}.get(entry.mode, "not a regular file")
        raise _UnfitError(f"it is {kind}; specs are regular files of the repository itself")
    try:
        return repo.blob(entry.id, FILE_LIMIT)
    except TooLargeError as error:
        why = f"the file has {error.size} bytes; a spec file has at most {FILE_LIMIT}"
        raise _UnfitError(why) from None


def faulty(path: str, message: str) -> FileRead:
    """A file that cannot be read at all."""
    return FileRead(path, problems=(Problem(path, 1, 1, "", message),))
