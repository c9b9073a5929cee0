"""All spec files together: names, pools and what only the whole shows to be wrong. Called by daemon/observe.

Kept up file by file, so that one changed file of 10,000 costs what it holds and no more.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace

from reconciler.core.declare import Entry, FileRead
from reconciler.model.plan import Json, Problem


class Assembly:
    """What every spec file says at one revision."""

    def __init__(self, pool_words: frozenset[str]) -> None:
        self.files: dict[str, FileRead] = {}
        self._builtin = pool_words
        self._names: dict[str, set[tuple[str, str]]] = {}
        self._twins: set[str] = set()
        self._used: Counter[str] = Counter()
        self._pools: dict[str, dict[str, Json]] = {}
        self._told: set[str] = set()

    def put(self, path: str, read: FileRead | None) -> None:
        """Take a file as read now; None when it is gone."""
        old = self.files.pop(path, None)
        for entry in old.entries if old else ():
            self._forget(path, entry)
        self._told.discard(path)
        self._pools.pop(path, None)
        if read is None:
            return
        self.files[path] = read
        if read.pools:
            self._pools[path] = dict(read.pools)
        if read.problems or read.notes:
            self._told.add(path)
        for entry in read.entries:
            self._remember(path, entry)

    def pools(self) -> dict[str, Json]:
        """Every declared work pool; of two of one name the first file's."""
        found: dict[str, Json] = {}
        for path in sorted(self._pools):
            for name, pool in self._pools[path].items():
                found.setdefault(name, pool)
        return found

    def refused(self) -> dict[str, FileRead]:
        """Files of which the whole shows entries to be wrong, without those entries and with a problem for each."""
        found: dict[str, FileRead] = {}
        for key in self._twins:
            for file, name in self._names[key]:
                self._refuse(found, file, name, self._clash(key, file, name))
        known = self.pools().keys() | self._builtin
        for pool in self._used.keys() - known:
            why = f"there is no work pool {pool!r}: declare it in git, `work_pools: {{{pool}: {{type: process}}}}`"
            for file, entry in self._sent_to(pool):
                self._refuse(found, file, entry.name, why)
        return found

    def told(self, refused: Mapping[str, FileRead]) -> tuple[tuple[Problem, ...], tuple[Problem, ...], frozenset[str]]:
        """Problems and notes of all files, sorted, and the files that have problems."""
        final = {path: self.files[path] for path in self._told} | dict(refused)
        problems = sorted(p for read in final.values() for p in read.problems)
        notes = sorted(n for read in final.values() for n in read.notes)
        return tuple(problems), tuple(notes), frozenset(path for path, read in final.items() if read.problems)

    def owner(self, name: str) -> tuple[str, Entry] | None:
        """A file that declares `name`, and its entry."""
        for file, declared in self._names.get(name.casefold(), ()):
            if declared == name:
                return file, next(e for e in self.files[file].entries if e.name == name)
        return None

    def _sent_to(self, pool: str) -> Iterator[tuple[str, Entry]]:
        return ((path, e) for path, read in self.files.items() for e in read.entries if e.pool == pool)

    def _refuse(self, found: dict[str, FileRead], file: str, name: str, why: str) -> None:
        read = found.get(file, self.files[file])
        for entry in read.entries:
            if entry.name == name:
                problem = Problem(file, entry.line, 1, "", why)
                read = replace(
                    read, entries=tuple(e for e in read.entries if e is not entry), problems=(*read.problems, problem)
                )
        found[file] = read

    def _clash(self, key: str, file: str, name: str) -> str:
        others = sorted({f for f, n in self._names[key] if (f, n) != (file, name)}) or [file]
        same = len({n for _, n in self._names[key]}) == 1
        how = "is declared" if same else "differs only in case from what is declared"
        return f"{name} {how} in {', '.join(others)} too: all of them are refused until one is renamed"

    def _repeats(self, file: str, name: str) -> bool:
        read = self.files.get(file)
        return read is not None and sum(entry.name == name for entry in read.entries) > 1

    def _remember(self, path: str, entry: Entry) -> None:
        key = entry.name.casefold()
        twins = self._names.setdefault(key, set())
        if (path, entry.name) in twins or twins:
            self._twins.add(key)
        twins.add((path, entry.name))
        self._used[entry.pool] += 1

    def _forget(self, path: str, entry: Entry) -> None:
        key = entry.name.casefold()
        twins = self._names.get(key, set())
        twins.discard((path, entry.name))
        if not twins:
            self._names.pop(key, None)
        if len(twins) < 2 and not any(self._repeats(file, name) for file, name in twins):  # noqa: PLR2004 - a clash takes two
            self._twins.discard(key)
        self._used[entry.pool] -= 1
        if not self._used[entry.pool]:
            del self._used[entry.pool]
