"""All spec files together: names, pools and what only the whole shows to be wrong. Called by daemon/observe.

Kept up file by file, so that one changed file of 10,000 costs what it holds and no more.
"""

import difflib
import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from reconciler.core.file_read import Entry, FileRead
from reconciler.core.parse import Place
from reconciler.model.names import DEFAULT_QUEUE
from reconciler.model.plan import Json, Problem

_PLAIN = re.compile(r"(?!(?:true|false|null|yes|no|on|off)$)[A-Za-z][\w.\-]*", re.IGNORECASE | re.ASCII)


class Assembly:
    """What every spec file says at one revision."""

    def __init__(self, pool_words: frozenset[str]) -> None:
        self.files: dict[str, FileRead] = {}
        self._builtin = pool_words
        self._names: dict[str, set[tuple[str, str]]] = {}
        self._twins: set[str] = set()
        self._used: Counter[tuple[str, str]] = Counter()
        """How many deployments name a work pool and a queue of it."""
        self._pools: dict[str, dict[str, Json]] = {}
        self._told: set[str] = set()
        self._hiding: dict[str, frozenset[str]] = {}
        """Files whose work pools cannot be read, with what these may be called."""
        self._unfit: set[str] = set()
        """Files with job variables that some type of work pool refuses."""

    def put(self, path: str, read: FileRead | None) -> None:
        """Take a file as read now; None when it is gone."""
        old = self.files.pop(path, None)
        for entry in old.entries if old else ():
            self._forget(path, entry)
        self._told.discard(path)
        self._hiding.pop(path, None)
        self._unfit.discard(path)
        self._pools.pop(path, None)
        if read is None:
            return
        self.files[path] = read
        if read.pools:
            self._pools[path] = dict(read.pools)
        if read.misfits:
            self._unfit.add(path)
        if read.problems or read.notes:
            self._told.add(path)
        if read.hidden:
            self._hiding[path] = frozenset(read.hidden)
        for entry in read.entries:
            self._remember(path, entry)

    def pools(self) -> dict[str, Json]:
        """Every declared work pool with its `file`, but for those that files declare differently."""
        found: dict[str, Json] = {}
        for path in sorted(self._pools):
            for name, pool in self._pools[path].items():
                found.setdefault(name, {**pool, "file": path})
        return {name: pool for name, pool in found.items() if name not in self._disputed()}

    def _disputed(self) -> dict[str, list[str]]:
        """Work pools that files declare differently, with these files."""
        files: dict[str, list[str]] = {}
        for path in sorted(self._pools):
            for name in self._pools[path]:
                files.setdefault(name, []).append(path)
        return {
            name: paths
            for name, paths in files.items()
            if any(self._pools[path][name] != self._pools[paths[0]][name] for path in paths[1:])
        }

    def refused(self) -> dict[str, FileRead]:
        """Files of which the whole shows something to be wrong: without those entries and with a problem for each."""
        found: dict[str, FileRead] = {}
        for key in self._twins:
            for file, name in self._names[key]:
                self._refuse(found, file, name, self._clash(key, file, name))
        disputed = self._disputed()
        for pool, paths in disputed.items():
            for path in paths:
                others = ", ".join(p for p in paths if p != path)
                why = f"work pool {pool} is declared differently in {others}: it stays as it was until they agree"
                at = self.files[path].pools_at.get(pool, (path, 1, 1, f"work_pools.{pool}"))
                self._tell(found, path, at, why)
        known = self.pools()
        for pool, queue in sorted(self._used):
            self._check_choice(found, pool, queue, known, disputed)
        for path in sorted(self._unfit):
            self._check_fit(found, path, known)
        return found

    def _check_fit(self, found: dict[str, FileRead], path: str, known: Mapping[str, Json]) -> None:
        """Refuse deployments whose job variables the work pool does not take that another file declares."""
        read = self.files[path]
        for entry in read.entries:
            kind = known.get(entry.pool, {}).get("type")
            for of, at, why in read.misfits.get(entry.name, ()):
                if of == kind:
                    self._refuse(found, path, entry.name, why, at)

    def _check_choice(
        self, found: dict[str, FileRead], pool: str, queue: str, known: Mapping[str, Json], disputed: Collection[str]
    ) -> None:
        """Refuse the deployments that name a work pool that nothing declares, or a queue that is not among its queues.

        A pool that declares no queues takes any: as in Prefect, naming one makes it.
        """
        if pool in disputed:
            return
        in_queue = False
        if pool not in known and pool not in self._builtin:
            names = known.keys() | self._builtin | set(disputed)
            line = f"work_pools: {{{_quoted(pool)}: {{type: process}}}}"
            why = f"there is no work pool {pool!r}{_near(pool, names)}; declare it in a spec file: `{line}`"
        elif queue != DEFAULT_QUEUE and (queues := known.get(pool, {}).get("work_queues")) and queue not in queues:
            in_queue = True
            near = _near(queue, [*queues, DEFAULT_QUEUE])
            why = (
                f"work pool {pool} has no queue {queue!r}{near}; declare it in the pool's `queues: [{{name: {queue}}}]`"
            )
        else:
            return
        hiding = [path for path, words in self._hiding.items() if (queue if in_queue else pool) in words]
        for file, entry in self._sent_to(pool, queue):
            at = entry.queue_at if in_queue else entry.pool_at
            if hiding:
                # Its pools cannot be read just now, and no deployment elsewhere is to suffer: its runs wait at worst.
                self._tell(found, file, at, f"{why}, unless {min(hiding)} does, which is broken", note=True)
            else:
                self._refuse(found, file, entry.name, why, at)

    def told(self, refused: Mapping[str, FileRead]) -> tuple[tuple[Problem, ...], tuple[Problem, ...], frozenset[str]]:
        """Problems and notes of all files, sorted, and the files that have problems."""
        final = {path: self.files[path] for path in self._told} | dict(refused)
        problems = sorted(_once([(path, p) for path, read in final.items() for p in read.problems]))
        notes = sorted(_once([(path, n) for path, read in final.items() for n in read.notes]))
        return tuple(problems), tuple(notes), frozenset(path for path, read in final.items() if read.problems)

    def owner(self, name: str) -> tuple[str, Entry] | None:
        """A file that declares `name`, and its entry."""
        for file, declared in self._names.get(name.casefold(), ()):
            if declared == name:
                return file, next(e for e in self.files[file].entries if e.name == name)
        return None

    def _sent_to(self, pool: str, queue: str) -> Iterator[tuple[str, Entry]]:
        return (
            (path, e) for path, read in self.files.items() for e in read.entries if e.pool == pool and e.queue == queue
        )

    def _tell(self, found: dict[str, FileRead], file: str, at: Place, why: str, *, note: bool = False) -> None:
        read = found.get(file, self.files[file])
        told = Problem(*at, why)
        found[file] = (
            replace(read, notes=(*read.notes, told)) if note else replace(read, problems=(*read.problems, told))
        )

    def _refuse(self, found: dict[str, FileRead], file: str, name: str, why: str, at: Place | None = None) -> None:
        read = found.get(file, self.files[file])
        for entry in read.entries:
            if entry.name == name:
                problem = Problem(*(at or (file, entry.line, 1, "")), why)
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
        self._used[entry.pool, entry.queue] += 1

    def _forget(self, path: str, entry: Entry) -> None:
        key = entry.name.casefold()
        twins = self._names.get(key, set())
        twins.discard((path, entry.name))
        if not twins:
            self._names.pop(key, None)
        if len(twins) < 2 and not any(self._repeats(file, name) for file, name in twins):  # noqa: PLR2004 - a clash takes two
            self._twins.discard(key)
        choice = (entry.pool, entry.queue)
        self._used[choice] -= 1
        if not self._used[choice]:
            del self._used[choice]


def _quoted(name: str) -> str:
    """A name as YAML takes it within braces."""
    return name if _PLAIN.fullmatch(name) else json.dumps(name, ensure_ascii=False)


def _once(told: list[tuple[str, Problem]]) -> Iterator[Problem]:
    """Problems by the file they were met in; what an overlay has wrong for many files is told once, naming one."""
    beside: dict[Problem, list[str]] = {}
    for path, problem in told:
        if problem.file == path:
            yield problem
        else:
            beside.setdefault(problem, []).append(path)
    for problem, paths in beside.items():
        first, *others = sorted(set(paths))
        more = f" and {len(others)} more" if others else ""
        yield replace(problem, message=f"{problem.message} (patching {first}{more})")


def _near(name: str, known: Collection[str]) -> str:
    """The nearest known name, else all of them."""
    near = difflib.get_close_matches(name, sorted(known), 1)
    return f"; did you mean {near[0]!r}?" if near else f" (known: {', '.join(sorted(known))})"
