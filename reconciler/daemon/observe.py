"""Git to desired state: what the spec files say at a revision, from the object database. Called by reconcile, plan.

Only what changed since the revision read before is read again: changed spec files, and those whose code changed. What
was read can be saved and loaded, so that a restart or a one-line commit costs what changed and no more.
"""

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from reconciler.core import pooled
from reconciler.core.assemble import Assembly
from reconciler.core.declare import Code, Entry, FileRead, declare, read_of
from reconciler.core.parse import parse
from reconciler.core.version import paths as scope_paths
from reconciler.daemon.poison import NO_POISON, IsolatedError, Poison
from reconciler.daemon.reading import Elsewhere, Texts, stamp
from reconciler.daemon.view import FILE_LIMIT, Bring, View
from reconciler.daemon.words import Words
from reconciler.git import history, tree
from reconciler.git.objects import TooLargeError
from reconciler.git.repository import Repository
from reconciler.model.errors import ReconcilerError, SourceUnavailableError
from reconciler.model.ids import canonical
from reconciler.model.plan import Declared, Desired, Json, Problem, Source, SourceKind

log = logging.getLogger("reconciler")

ROOT_FILE = "prefect.yaml"
Scope = tuple[str, ...]
WHOLE: Scope = (".",)
OTHERS = {SourceKind.BRANCH, SourceKind.FOREIGN}


Resolve = Callable[[Source], Elsewhere]
"""Finds the commit of a source in another repository. Raises SourceUnavailableError."""


@dataclass(slots=True)
class _Row:
    """One spec file as last read, and what that depended on."""

    read: FileRead
    code: tuple[str, ...] = ()
    """Code paths that were asked for, found or not."""
    commits: Mapping[str, str] | None = None
    """By deployment: the commits of sources elsewhere."""
    pending: bool = False
    """Whether submodules are not here yet: they are asked for again."""


class Observer:
    """Reads the spec files of one repository, revision after revision."""

    def __init__(
        self,
        specs: str,
        words: Words,
        ours: Callable[[str], bool],
        resolve: Resolve,
        bring: Bring = lambda _repo, _tree, _source: (),
        poison: Poison = NO_POISON,
    ) -> None:
        self._bring = bring
        self._under = "" if specs.strip("/") == "." else specs.strip("/")
        self._inside = f"{self._under}/" if self._under else ""
        self._words = words
        self._ours = ours
        self._resolve = resolve
        self._poison = poison
        self.revision: str | None = None
        self.specs: dict[str, bytes] = {}
        """Effective specs that were read and may not be in the store yet, by digest."""
        self._tree: str | None = None
        self._all = Assembly(words.pools)
        self._rows: dict[str, _Row] = {}
        self._by_code: dict[str, set[str]] = {}
        self._by_scope: dict[Scope, set[str]] = {}
        self._known: dict[Scope, tuple[Scope, history.Answer]] = {}
        self._deployments: dict[str, Declared] = {}
        self._dirty: set[str] = set()
        self._elsewhere_files: set[str] = set()
        self._refused: set[str] = set()
        """Files of which the whole refuses entries: no plan names their specs, so the store has none of them."""
        self._pending = False
        self._unread: set[str] = set()
        """Such files after a restart: they are read again for their specs."""

    def desired(self, repo: Repository, head: str, applied: str | None) -> Desired:
        """The desired state at `head`. Raises SourceUnavailableError; then what was read before stays."""
        new_tree = repo.commit(head).tree
        view = View(repo, new_tree, self._poison)
        with self._poison.watched():
            rows = {path: self._read(view, path, entry) for path, entry in self._to_read(repo, new_tree).items()}
            rows |= self._moved_elsewhere(view, rows)
        answers = self._answers(repo, head, rows)
        # From here on nothing can fail: the new revision is taken whole.
        self._known.update(answers)
        dropped = {name for path, row in rows.items() for name in self._take(path, row)}
        affected = rows.keys() | {path for scope in answers for path in self._by_scope.get(scope, ())}
        affected |= {found[0] for name in dropped if (found := self._all.owner(name))}
        self._unread.clear()
        self.revision, self._tree = head, new_tree
        self._redeclare(affected)
        self._dirty |= affected
        return self._desired(_rewound(repo, applied, head))

    @property
    def looks_elsewhere(self) -> bool:
        """Whether a deployment's source may move though this branch does not."""
        return bool(self._elsewhere_files)

    # --- reading ---------------------------------------------------------------------------------------------------

    def _is_spec(self, path: str) -> bool:
        inside = path.startswith(self._inside) and path.endswith((".yaml", ".yml"))
        return path == ROOT_FILE or (inside and "/." not in f"/{path}")

    def _stands_for_specs(self, entry: tree.Entry) -> bool:
        """Whether a link or submodule lies where a folder of specs could: its specs are not simply gone."""
        name = entry.path.rpartition("/")[2]
        elsewhere = entry.mode in (tree.SYMLINK, tree.GITLINK)
        return elsewhere and entry.path.startswith(self._inside) and "." not in name and "/." not in f"/{entry.path}"

    def _to_read(self, repo: Repository, new: str) -> dict[str, tree.Entry | None]:
        """Spec files that differ from what was read, and those whose code does."""
        if self._tree is None:
            found: dict[str, tree.Entry | None] = {e.path: e for e in self._listed(repo, new)}
            root = tree.lookup(repo, new, ROOT_FILE)
            return found | ({ROOT_FILE: root} if root else {})
        # What was refused for another file's sake is read again, as its specs were never applied and kept.
        found, again = {}, set(self._all.refused())
        for path, _before, after in tree.diff(repo, self._tree, new):
            stands = after is not None and self._stands_for_specs(after)
            if self._is_spec(path) or path == self._under or stands or path in self._rows:
                found[path] = after
            again |= self._by_code.get(path, set())
        again |= self._unread
        return found | {path: tree.lookup(repo, new, path) for path in again - found.keys()}

    def _listed(self, repo: Repository, new: str) -> Iterable[tree.Entry]:
        top = tree.lookup(repo, new, self._under)
        if top is None:
            return ()
        if top.mode != tree.DIRECTORY:
            return (replace(top, path=f"{self._under}"),)
        return (e for e in tree.walk(repo, new, self._under) if self._is_spec(e.path) or self._stands_for_specs(e))

    def _moved_elsewhere(self, view: View, done: Mapping[str, object]) -> dict[str, _Row | None]:
        """Files that follow another branch or repository, read again where that has moved."""
        return {
            path: self._read(view, path, tree.lookup(view.repo, view.tree, path))
            for path in self._elsewhere_files
            if path not in done and self._has_moved(view.repo, self._rows[path])
        }

    def _has_moved(self, repo: Repository, row: _Row) -> bool:
        try:
            return row.pending or any(
                self._elsewhere(repo, e.source).commit != (row.commits or {}).get(e.name)
                for e in row.read.entries
                if e.source.kind in OTHERS
            )
        except SourceUnavailableError:
            return False  # the commit resolved before stays until the other side answers again

    def _read(self, view: View, path: str, entry: tree.Entry | None) -> _Row | None:
        if entry is None:
            return None
        if entry.mode not in (tree.FILE, tree.EXECUTABLE):
            kind = {tree.SYMLINK: "a symbolic link", tree.GITLINK: "a submodule"}.get(entry.mode, "not a regular file")
            return _Row(_faulty(path, f"it is {kind}; specs are regular files of the repository itself"))
        try:
            data = view.repo.blob(entry.id, FILE_LIMIT)
        except TooLargeError as error:
            return _Row(_faulty(path, f"the file has {error.size} bytes; a spec file has at most {FILE_LIMIT}"))
        asked: set[str] = set()
        elsewhere: dict[Source, str] = {}
        self._pending = False
        try:
            self._poison.spec(path, entry.id)
            read = self._declare(data, path, lambda source: self._code(view, source, asked, elsewhere))
        except IsolatedError as isolated:
            return _Row(_faulty(path, isolated.why))
        except (ReconcilerError, OSError):
            raise
        except Exception as error:
            # A defect of ours, met by one file: it is told, and the others are read on.
            log.exception("reading %s failed", path)
            what = f"reading it failed: {type(error).__name__}; the daemon's log has the details"
            return _Row(_faulty(path, what), tuple(sorted(asked)), None, self._pending)
        self.specs.update(read.specs)
        hidden = pooled.words(data) if read.hides_pools else ()
        commits = {e.name: elsewhere[e.source] for e in read.entries if e.source in elsewhere}
        return _Row(replace(read, specs={}, hidden=hidden), tuple(sorted(asked)), commits, self._pending)

    def _declare(self, data: bytes, path: str, code: Callable[[Source], Code]) -> FileRead:
        found = parse(data, path, check_step=self._words.check_step, check_schedule=self._words.check_schedule)
        return declare(found, code, self._ours, check_pool=self._words.check_pool, kinds=self._words.pools)

    def _code(self, view: View, source: Source, asked: set[str], elsewhere: dict[Source, str]) -> Code:
        if source.kind is SourceKind.NONE:
            return Code(None, "no pull step brings it from git")
        if source.kind in {SourceKind.WHOLE, SourceKind.SCOPE}:
            problem, note = self._submodules(view, source, asked)
            return Code(
                problem=problem,
                note=note,
                flow=lambda entrypoint, root: view.flow(entrypoint, root, asked),
                step=lambda word, bases: view.step(word, bases, asked),
                has=lambda path: view.has(path, asked),
            )
        try:
            place = self._elsewhere(view.repo, source)
            other = view.at(place)
        except SourceUnavailableError as error:
            return Code(None, error.message)
        elsewhere[source] = place.commit
        problem, note = self._submodules(other, source, set())
        return Code(
            problem=problem,
            note=note,
            flow=lambda entrypoint, root: other.flow(entrypoint, root, set()),
            step=lambda word, bases: other.step(word, bases, set()),
            has=lambda path: other.has(path, set()),
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
        tip = repo.named(source.branch or "")
        if tip is None:
            raise SourceUnavailableError(f"there is no branch or tag {source.branch!r}")
        found = history.newest(repo, tip, {"": source.directories or WHOLE})[""]
        if not isinstance(found, str):
            raise SourceUnavailableError(f"the source commit on branch {source.branch!r} is {found or 'not there'}")
        return Elsewhere(str(repo.common_dir), found)

    def _answers(
        self, repo: Repository, head: str, rows: Mapping[str, _Row | None]
    ) -> dict[Scope, tuple[Scope, history.Answer]]:
        """The newest commits at `head` of every scope that moved or is new."""
        found: dict[Scope, tuple[Scope, history.Answer]] = {}
        if self.revision is not None and self.revision != head:
            for scope, answer in history.advance(repo, self.revision, head, self._known).items():
                found[scope] = (scope, answer)
        wanted = {WHOLE} | {scope for path, row in rows.items() if row for scope in _scopes(path, row)}
        new = {scope: scope for scope in wanted if scope not in self._known}
        for scope, answer in (history.newest(repo, head, new) if new else {}).items():
            found[scope] = (scope, answer)
        return found

    # --- keeping ---------------------------------------------------------------------------------------------------

    def _take(self, path: str, row: _Row | None) -> set[str]:
        """Put a file in the place of what it was; the deployments this takes away, unless declared again."""
        old = self._rows.pop(path, None)
        dropped = set()
        for entry in old.read.entries if old else ():
            if (known := self._deployments.get(entry.name)) and known.file == path:
                del self._deployments[entry.name]
                dropped.add(entry.name)
        for code in old.code if old else ():
            self._by_code[code].discard(path)
        for scope in _scopes(path, old) if old else ():
            self._by_scope[scope].discard(path)
        self._all.put(path, row.read if row else None)
        self._elsewhere_files.discard(path)
        if row is None:
            return dropped
        self._rows[path] = row
        if row.pending or any(e.source.kind in OTHERS for e in row.read.entries):
            self._elsewhere_files.add(path)
        for code in row.code:
            self._by_code.setdefault(code, set()).add(path)
        for scope in _scopes(path, row):
            self._by_scope.setdefault(scope, set()).add(path)
        return dropped

    def _redeclare(self, affected: Iterable[str]) -> None:
        for path in affected:
            row = self._rows.get(path)
            for entry in row.read.entries if row else ():
                self._deployments[entry.name] = self._declared(path, entry)

    def _declared(self, path: str, entry: Entry) -> Declared:
        return Declared(entry.name, path, entry.line, entry.digest, self._commit((path,))[0], self._source(path, entry))

    def _source(self, path: str, entry: Entry) -> Source:
        source = entry.source
        if source.kind is SourceKind.SCOPE:
            commit, note = self._commit(scope_paths(source, path))
            return replace(source, commit=commit, note=note)
        commits = self._rows[path].commits or {}
        return replace(source, commit=commits.get(entry.name)) if source.kind in OTHERS else source

    def _commit(self, scope: Scope) -> tuple[str | None, str | None]:
        answer = self._known[scope][1]
        return (answer, None) if isinstance(answer, str) else (None, str(answer) if answer else None)

    def _desired(self, rewound: str | None) -> Desired:
        refused = self._all.refused()
        self._refused = set(refused)
        deployments = dict(self._deployments)
        for path, read in refused.items():
            kept = {e.name for e in read.entries}
            for entry in self._rows[path].read.entries:
                if entry.name not in kept:
                    deployments.pop(entry.name, None)
        problems, notes, broken = self._all.told(refused)
        return Desired(
            revision=self.revision or "",
            tree=self._tree or "",
            whole_commit=self._commit(WHOLE)[0],
            deployments=deployments,
            specs=Texts(self.specs),
            broken=broken,
            problems=problems,
            notes=notes,
            rewound_from=rewound,
            pools=self._all.pools(),
        )

    # --- a restart -------------------------------------------------------------------------------------------------

    def unsaved(self) -> dict[str, bytes]:
        """What to keep for the next start, by path (an empty value: gone); the empty key names the revision."""
        items = {path: self._saved(path) for path in self._dirty}
        return {**items, "": canonical(self._stamp() | {"tree": self._tree, "whole": self._text(WHOLE)})}

    def _stamp(self) -> dict[str, Json]:
        return stamp(self._under, self.revision) | {"elsewhere": self.looks_elsewhere}

    def settled(self) -> None:
        """What was read is applied and kept: nothing of it is needed here but what is refused."""
        self._dirty.clear()
        kept = {entry.digest for path in self._refused for entry in self._rows[path].read.entries}
        for name in self.specs.keys() - kept:
            del self.specs[name]

    def restore(self, items: Mapping[str, bytes]) -> None:
        """Take up what an earlier process kept; anything else than all of it is as good as nothing."""
        head = json.loads(items.get("", b"{}"))
        if stamp(self._under, head.get("revision")).items() - head.items():
            return
        for path, text in items.items():
            if path and text:
                data = json.loads(text)
                for scope, answer in data["scopes"]:
                    self._known[tuple(scope)] = (tuple(scope), _answer(answer))
                self._take(
                    path,
                    _Row(read_of(path, data["read"]), tuple(data["code"]), data["commits"], data.get("pending", False)),
                )
        self._known[WHOLE] = (WHOLE, _answer(head["whole"]))
        self._redeclare(list(self._rows))
        self._unread = set(self._all.refused())
        self.revision, self._tree = head["revision"], head["tree"]

    def _saved(self, path: str) -> bytes:
        row = self._rows.get(path)
        if row is None:
            return b""
        scopes = [[list(scope), self._text(scope)] for scope in sorted(_scopes(path, row))]
        return canonical(
            {
                "read": row.read.json(),
                "code": row.code,
                "commits": row.commits,
                "scopes": scopes,
                "pending": row.pending,
            }
        )

    def _text(self, scope: Scope) -> str | None:
        answer = self._known[scope][1]
        return CUT_TEXT if answer is history.CUT else answer  # type: ignore[return-value]


CUT_TEXT = "cut"


def _answer(text: str | None) -> history.Answer:
    return history.CUT if text == CUT_TEXT else text


def _scopes(path: str, row: _Row) -> set[Scope]:
    """The scopes whose newest commit a file and its deployments ask for."""
    own = {scope_paths(e.source, path) for e in row.read.entries if e.source.kind is SourceKind.SCOPE}
    return {(path,)} | own


def _faulty(path: str, message: str) -> FileRead:
    return FileRead(path, problems=(Problem(path, 1, 1, "", message),))


def _rewound(repo: Repository, applied: str | None, head: str) -> str | None:
    """The applied revision, where `head` does not descend from it."""
    return applied if applied and applied != head and not history.descends(repo, head, applied) else None
