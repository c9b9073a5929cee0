"""All spec files together: names, pools and what only the whole shows to be wrong. Called by daemon/observe.

Kept up file by file, so that one changed file of 10,000 costs what it holds and no more. A work pool that deployments
name and no file declares is an implicit one of type `process`: files written for a server that has it load as they are.
"""

import difflib
import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from reconciler.core import pooled
from reconciler.core.file_read import Entry, FileRead
from reconciler.core.parse import Place
from reconciler.model.names import DEFAULT_QUEUE
from reconciler.model.plan import Json, Problem

_PLAIN = re.compile(r"(?!(?:true|false|null|yes|no|on|off)$)[A-Za-z][\w.\-]*", re.IGNORECASE | re.ASCII)


_TYPO = 0.8
_OF_BUILTIN = 0.9
"""How like a declared or a built-in name one must be to be taken for a typo of it: `process-pool` is none."""
_IMPLICIT = pooled.canonical({}) | {"implicit": True}


def is_implicit(pool: Mapping[str, Json]) -> bool:
    """Whether a work pool is only named: no file declares it."""
    return bool(pool.get("implicit"))


class Assembly:
    """What every spec file says at one revision."""

    def __init__(self, pool_words: frozenset[str]) -> None:
        self.files: dict[str, FileRead] = {}
        self._builtin = pool_words
        self._names: dict[str, set[tuple[str, str]]] = {}
        self._twins: set[str] = set()
        self._used: Counter[tuple[str, str]] = Counter()
        """How many deployments name a work pool and a queue of it."""
        self._naming: dict[str, Counter[str]] = {}
        """How many deployments of a file name a work pool that is not built in, and may run in an implicit one."""
        self._firsts: dict[str, str] = {}
        """The first of these files by work pool, once it was asked for."""
        self._away: dict[str, Counter[str]] = {}
        """The same of those that may not."""
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
        """Every work pool with its `file`, implicit ones too, but for those that files declare differently."""
        found: dict[str, Json] = {}
        for path in sorted(self._pools):
            for name, pool in self._pools[path].items():
                found.setdefault(name, {**pool, "file": path})
        implicit = {
            name: {**_IMPLICIT, "file": self._first(name)}
            for name in self._naming
            if name not in found and not self._typo(name, found) and not self._may_declare(name)
        }
        disputed = self._disputed()
        return {name: pool for name, pool in found.items() if name not in disputed} | implicit

    def _first(self, pool: str) -> str:
        """The first file that names a work pool, without looking at thousands each time."""
        if pool not in self._firsts:
            self._firsts[pool] = min(self._naming[pool])
        return self._firsts[pool]

    def _typo(self, name: str, declared: Collection[str]) -> bool:
        """Whether a name nearly is that of a work pool there is."""
        near = difflib.get_close_matches(name, declared, 1, _TYPO)
        return bool(near) or bool(difflib.get_close_matches(name.casefold(), self._builtin, 1, _OF_BUILTIN))

    def _may_declare(self, word: str) -> list[str]:
        """Files whose work pools cannot be read just now, and that may declare this one."""
        return [path for path, words in self._hiding.items() if word in words]

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
        """Refuse the deployments that name a work pool there cannot be, or a queue that is not among its queues.

        A pool that declares no queues takes any: as in Prefect, naming one makes it.
        """
        if pool in disputed or pool in self._builtin - known.keys():
            return
        if pool not in known:
            names = known.keys() | self._builtin | set(disputed)
            typo = self._typo(pool, known)
            why = (
                f"there is no work pool {pool!r}{_near(pool, names)}"
                if typo
                else f"no file declares work pool {pool!r}"
            )
            self._refuse_choice(found, self._sent_to(pool, queue), pool, why)
        elif is_implicit(known[pool]):
            away = ((path, e) for path in self._away.get(pool, ()) for e in self.files[path].entries)
            sent = [(path, e) for path, e in away if e.away and (e.pool, e.queue) == (pool, queue)]
            self._refuse_choice(found, sent, pool, f"no file declares work pool {pool!r}")
        elif queue != DEFAULT_QUEUE and (queues := known[pool].get("work_queues")) and queue not in queues:
            near = _near(queue, [*queues, DEFAULT_QUEUE])
            why = f"work pool {pool} has no queue {queue!r}{near}"
            why += f"; declare it in the pool's `queues: [{{name: {queue}}}]`"
            for file, entry in self._sent_to(pool, queue):
                self._refuse_unless_hidden(found, file, entry, why, queue=True)

    def _refuse_choice(
        self, found: dict[str, FileRead], sent: Iterable[tuple[str, Entry]], pool: str, why: str
    ) -> None:
        """Refuse deployments for the work pool that they name, each with the line that would declare it."""
        for file, entry in sent:
            told = f"{why}; {entry.away or 'declare it'} in a spec file: `{_line(pool)}`"
            self._refuse_unless_hidden(found, file, entry, told)

    def _refuse_unless_hidden(
        self, found: dict[str, FileRead], file: str, entry: Entry, why: str, *, queue: bool = False
    ) -> None:
        at = entry.queue_at if queue else entry.pool_at
        hiding = self._may_declare(entry.queue if queue else entry.pool)
        if hiding:
            # Its pools cannot be read just now, and no deployment elsewhere is to suffer: its runs wait at worst.
            self._tell(found, file, at, f"{why}, unless {min(hiding)} does, which is broken", note=True)
        else:
            self._refuse(found, file, entry.name, why, at)

    def _implied(self) -> Iterator[tuple[str, Problem]]:
        """A note on each implicit work pool, where it is named first, with the file."""
        for name, pool in self.pools().items():
            if is_implicit(pool):
                path = pool["file"]
                at = next(e.pool_at for e in self.files[path].entries if e.pool == name and not e.away)
                why = f"work pool {name} is declared nowhere: its runs go to processes of this host"
                yield path, Problem(*at, f"{why}; declare it to say otherwise: `{_line(name)}`")

    def told(self, refused: Mapping[str, FileRead]) -> tuple[tuple[Problem, ...], tuple[Problem, ...], frozenset[str]]:
        """Problems and notes of all files, sorted, and the files that have problems."""
        final = {path: self.files[path] for path in self._told} | dict(refused)
        problems = sorted(_once([(path, p) for path, read in final.items() for p in read.problems]))
        noted = [(path, n) for path, read in final.items() for n in read.notes]
        notes = sorted(_once([*noted, *self._implied()]))
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
        if entry.pool not in self._builtin:
            (self._away if entry.away else self._naming).setdefault(entry.pool, Counter())[path] += 1
            if not entry.away and path < self._firsts.get(entry.pool, ""):
                self._firsts[entry.pool] = path

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
        naming = self._away if entry.away else self._naming
        if files := naming.get(entry.pool):
            files[path] -= 1
            if not files[path]:
                del files[path]
                if not entry.away and self._firsts.get(entry.pool) == path:
                    del self._firsts[entry.pool]
            if not files:
                del naming[entry.pool]


def _line(pool: str) -> str:
    """The line of a spec file that declares a work pool."""
    return f"work_pools: {{{_quoted(pool)}: {{type: process}}}}"


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
