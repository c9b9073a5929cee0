"""Git to desired state: what the spec files say at a revision, from the object database. Called by reconcile, plan.

Only what changed since the revision read before is read again: changed spec files, and those whose code changed. What
was read can be saved and loaded, so that a restart or a one-line commit costs what changed and no more.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from reconciler.core.assemble import Assembly
from reconciler.core.document import NOTHING
from reconciler.core.file_read import Entry
from reconciler.core.overlay import Overlay
from reconciler.daemon.answers import WHOLE, Answers, Scope, file_scope, scopes_of, source_scope
from reconciler.daemon.poison import NO_POISON, Poison
from reconciler.daemon.reading import BASE, Environment, Texts, stamp
from reconciler.daemon.spec_dir import SpecDir
from reconciler.daemon.spec_row import OTHERS, Resolve, Row, RowReader
from reconciler.daemon.view import Bring, View
from reconciler.daemon.words import Words
from reconciler.git import history, tree
from reconciler.git.repository import Repository
from reconciler.model.ids import canonical
from reconciler.model.plan import Declared, Desired, Json, Problem, Source, SourceKind


class Observer:
    """Reads the spec files of one repository, revision after revision."""

    def __init__(  # noqa: PLR0913 - each is a part of the shell that this one knows nothing else of
        self,
        specs: str,
        words: Words,
        ours: Callable[[str], bool],
        resolve: Resolve,
        bring: Bring = lambda _repo, _tree, _source: (),
        poison: Poison = NO_POISON,
        *,
        env: Environment = BASE,
    ) -> None:
        self._dir = SpecDir(specs)
        self._env = env
        self._overlay = Overlay(variables=env.variables)
        self._reader = RowReader(words, ours, resolve, bring, poison, tracked=env)
        self.revision: str | None = None
        self.specs = self._reader.specs
        """Effective specs that were read and may not be in the store yet, by digest."""
        self._tree: str | None = None
        self._all = Assembly(words.pools)
        self._rows: dict[str, Row] = {}
        self._by_code: dict[str, set[str]] = {}
        self._by_scope: dict[Scope, set[str]] = {}
        self._answers = Answers()
        self._deployments: dict[str, Declared] = {}
        self._dirty: set[str] = set()
        self._elsewhere_files: set[str] = set()
        self._refused: set[str] = set()
        """Files of which the whole refuses entries: no plan names their specs, so the store has none of them."""
        self._held = False
        """Whether the overlay is broken: what was read is not applied, and is read again."""
        self._unread: set[str] = set()
        """Such files after a restart: they are read again for their specs."""

    def desired(self, repo: Repository, head: str, applied: str | None) -> Desired:
        """The desired state at `head`. Raises SourceUnavailableError; then what was read before stays."""
        new_tree = repo.commit(head).tree
        with self._reader.view(repo, new_tree) as view:
            overlay = self._overlay_at(view)
            todo = self._to_read(repo, new_tree, overlay)
            rows = {path: self._reader.read(view, path, entry, overlay) for path, entry in todo.items()}
            rows |= self._moved_elsewhere(view, rows, overlay)
        wanted = {scope for path, row in rows.items() if row for scope in scopes_of(path, row)}
        answers = self._answers.at(repo, self.revision, head, wanted)
        # From here on nothing can fail: the new revision is taken whole.
        self._answers.keep(answers)
        dropped = {name for path, row in rows.items() for name in self._take(path, row)}
        affected = rows.keys() | {path for scope in answers for path in self._by_scope.get(scope, ())}
        affected |= {found[0] for name in dropped if (found := self._all.owner(name))}
        self._unread.clear()
        self.revision, self._tree, self._overlay = head, new_tree, overlay
        self._redeclare(affected)
        self._dirty |= affected
        return self._desired(_rewound(repo, applied, head))

    @property
    def looks_elsewhere(self) -> bool:
        """Whether a deployment's source may move though this branch does not."""
        return bool(self._elsewhere_files)

    @property
    def followed(self) -> set[str]:
        """The other branches of this repository that deployments follow."""
        entries = (entry for path in self._elsewhere_files for entry in self._rows[path].read.entries)
        return {e.source.branch for e in entries if e.source.kind is SourceKind.BRANCH and e.source.branch}

    # --- reading ---------------------------------------------------------------------------------------------------

    def _overlay_at(self, view: View) -> Overlay:
        """The overlay in a tree. Raises SourceUnavailableError where there is none."""
        if self._env.name is None:
            return self._overlay
        entry = self._dir.overlay(view.repo, view.tree, self._env.name)
        known = self._overlay
        if (known.file, known.blob) == (entry.path, entry.id) and known.document is not NOTHING:
            return known
        return self._reader.overlay(view, entry, self._env.variables)

    def _to_read(self, repo: Repository, new: str, overlay: Overlay) -> dict[str, tree.Entry | None]:
        """Spec files that differ from what was read, and those whose code does; all with another overlay."""
        known = self._overlay
        if self._tree is None or self._held or (known.file, known.blob) != (overlay.file, overlay.blob):
            found: dict[str, tree.Entry | None] = dict.fromkeys(self._rows)
            found |= {e.path: e for e in self._dir.listed(repo, new)}
            return found | ({overlay.file: tree.lookup(repo, new, overlay.file)} if overlay.file else {})
        # What was refused for another file's sake is read again, as its specs were never applied and kept.
        found = {}
        again = set(self._all.refused())
        for path, _before, after in tree.diff(repo, self._tree, new):
            stands = after is not None and self._dir.stands_for_specs(after)
            if self._dir.is_spec(path) or path == self._dir.path or stands or path in self._rows:
                found[path] = after
            again |= self._by_code.get(path, set())
        again |= self._unread
        return found | {path: tree.lookup(repo, new, path) for path in again - found.keys()}

    def _moved_elsewhere(self, view: View, done: Mapping[str, object], overlay: Overlay) -> dict[str, Row | None]:
        """Files that follow another branch or repository, read again where that has moved."""
        return {
            path: self._reader.read(view, path, tree.lookup(view.repo, view.tree, path), overlay)
            for path in self._elsewhere_files
            if path not in done and self._reader.has_moved(view.repo, self._rows[path])
        }

    # --- keeping ---------------------------------------------------------------------------------------------------

    def _take(self, path: str, row: Row | None) -> set[str]:
        """Put a file in the place of what it was; the deployments this takes away, unless declared again."""
        old = self._rows.pop(path, None)
        dropped = set()
        for entry in old.read.entries if old else ():
            if (known := self._deployments.get(entry.name)) and known.file == path:
                del self._deployments[entry.name]
                dropped.add(entry.name)
        for code in old.code if old else ():
            self._by_code[code].discard(path)
        for scope in scopes_of(path, old) if old else ():
            self._by_scope[scope].discard(path)
        self._all.put(path, row.read if row else None)
        self._elsewhere_files.discard(path)
        if row is None:
            return dropped
        self._rows[path] = row
        if row.looks_elsewhere:
            self._elsewhere_files.add(path)
        for code in row.code:
            self._by_code.setdefault(code, set()).add(path)
        for scope in scopes_of(path, row):
            self._by_scope.setdefault(scope, set()).add(path)
        return dropped

    def _redeclare(self, affected: Iterable[str]) -> None:
        for path in affected:
            row = self._rows.get(path)
            for entry in row.read.entries if row else ():
                self._deployments[entry.name] = self._declared(path, entry)

    def _declared(self, path: str, entry: Entry) -> Declared:
        spec_commit, _note = self._answers.commit(file_scope(path, self._rows[path]))
        source = self._source(path, entry)
        return Declared(entry.name, path, entry.line, entry.digest, spec_commit, source, entry.overlay)

    def _source(self, path: str, entry: Entry) -> Source:
        source = entry.source
        if source.kind is SourceKind.SCOPE:
            commit, note = self._answers.commit(source_scope(path, entry))
            return replace(source, commit=commit, note=note)
        commits = self._rows[path].commits or {}
        return replace(source, commit=commits.get(entry.name)) if source.kind in OTHERS else source

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
        unfit = self._overlay.problems or self._unmatched()
        self._held = bool(unfit)
        if unfit:
            # Nobody knows which deployments it meant: each stays as it was.
            deployments, problems, broken = {}, tuple(sorted({*problems, *unfit})), broken | {self._overlay.file}
        return Desired(
            revision=self.revision or "",
            tree=self._tree or "",
            whole_commit=self._answers.commit(WHOLE)[0],
            deployments=deployments,
            specs=Texts(self.specs),
            broken=broken,
            unsure=self._held,
            problems=problems,
            notes=notes,
            rewound_from=rewound,
            pools={} if self._held else self._all.pools(),
        )

    def _unmatched(self) -> list[Problem]:
        """What the overlay patches and no file has, as far as every file can be read."""
        if not self._overlay.patches or any(row.read.hides_some for row in self._rows.values()):
            return []
        matched = {index for row in self._rows.values() for index in row.read.patched}
        names = {e.name.partition("/")[2] for row in self._rows.values() for e in row.read.entries}
        return self._overlay.unmatched(matched, sorted(names | self._all.pools().keys()), sorted(self._rows))

    # --- a restart -------------------------------------------------------------------------------------------------

    def unsaved(self) -> dict[str, bytes]:
        """What to keep for the next start, by path (an empty value: gone); the empty key names the revision."""
        items = {path: self._saved(path) for path in self._dirty}
        return {**items, "": canonical(self._stamp() | {"tree": self._tree, "whole": self._answers.text(WHOLE)})}

    def _stamp(self) -> dict[str, Json]:
        overlay = {"overlay": [self._overlay.file, self._overlay.blob], "held": self._held}
        return stamp(self._dir.path, self.revision, self._env) | {"elsewhere": self.looks_elsewhere, **overlay}

    def settled(self) -> None:
        """What was read is applied and kept: nothing of it is needed here but what is refused."""
        self._dirty.clear()
        kept = {entry.digest for path in self._refused for entry in self._rows[path].read.entries}
        for name in self.specs.keys() - kept:
            del self.specs[name]

    def restore(self, items: Mapping[str, bytes]) -> None:
        """Take up what an earlier process kept; anything else than all of it is as good as nothing.

        Then all of it goes when this one keeps what it read: a file that is gone since would come back from it.
        """
        head = json.loads(items.get("", b"{}"))
        wanted = stamp(self._dir.path, head.get("revision"), self._env)
        if head.get("held") or any(head.get(key) != value for key, value in wanted.items()):
            self._dirty |= items.keys() - {""}
            return
        for path, text in items.items():
            if path and text:
                data = json.loads(text)
                for scope, answer in data["scopes"]:
                    self._answers.load(scope, answer)
                self._take(path, Row.load(path, data))
        self._answers.load(WHOLE, head["whole"])
        if self._env.name is not None:
            file, blob = head["overlay"]
            self._overlay = Overlay(file, blob)  # itself is read when it is needed
        self._redeclare(list(self._rows))
        self._unread = set(self._all.refused())
        self.revision, self._tree = head["revision"], head["tree"]

    def _saved(self, path: str) -> bytes:
        row = self._rows.get(path)
        if row is None:
            return b""
        scopes = [[list(scope), self._answers.text(scope)] for scope in sorted(scopes_of(path, row))]
        return canonical(row.json() | {"scopes": scopes})


def _rewound(repo: Repository, applied: str | None, head: str) -> str | None:
    """The applied revision, where `head` does not descend from it."""
    return applied if applied and applied != head and not history.descends(repo, head, applied) else None
