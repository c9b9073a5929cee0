"""The problems and notes of one file while it is read, by path; located at the end. Called by core/parse's parts."""

from typing import Final, NamedTuple

from reconciler.core._document_marks import Path, Place, dotted
from reconciler.core.document import NOTHING, Document, Fault
from reconciler.model.plan import Note, Problem

MOST: Final = 100
"""Findings of a kind told for one file; the rest are counted."""
_USERS: Final = 3


class _Finding(NamedTuple):
    path: Path
    message: str
    on_key: bool


class Findings:
    """Collects; one problem per fault: what lies at or below a path already told is not told again."""

    def __init__(self, faults: tuple[Fault, ...] = (), beside: Document = NOTHING) -> None:
        self.faults = faults
        self.beside = beside
        """The overlay, in whose lines a fault of what it patched is told."""
        self.patched: dict[Path, Path] = {}
        """Paths as written that the overlay decides → paths in the overlay."""
        self.problems: list[_Finding] = []
        self.notes: list[_Finding] = []
        self.moved: dict[Path, Path] = {}
        """Where the canonical form differs from the file: canonical prefix → prefix as written."""
        self._told: set[Path] = {fault.path for fault in faults if fault.path}

    def problem(self, path: Path, message: str, *, key: bool = False) -> None:
        """A fault at a canonical path, or at its key."""
        path = self.written(path)
        if not any(path[:end] in self._told for end in range(1, len(path) + 1)):
            self._told.add(path)
            self.problems.append(_Finding(path, message, key))

    def few(self) -> bool:
        """Whether another problem would still be told in full."""
        return len(self.problems) < MOST

    def note(self, path: Path, message: str, *, key: bool = False) -> None:
        """A remark at a canonical path, or at its key."""
        self.notes.append(_Finding(self.written(path), message, key))

    def written(self, path: Path) -> Path:
        """The path in the file for one in the canonical form."""
        for _ in range(4):
            prefix = next((path[:end] for end in range(len(path), 0, -1) if path[:end] in self.moved), None)
            if prefix is None:
                return path
            path = self.moved[prefix] + path[len(prefix) :]
        return path

    def source(self, path: Path, document: Document) -> tuple[Document, Path]:
        """The file that decides what stands at a canonical or written path, and the path there."""
        path = self.written(path)
        for end in range(len(path), 0, -1) if self.patched else ():
            if path[:end] in self.patched:
                return self.beside, self.patched[path[:end]] + path[end:]
        return document, path

    def bad(self, document: Document) -> set[int | None]:
        """The indexes of deployments with a problem; None stands for the rest of the file."""
        paths = [finding.path for finding in self.problems]
        for fault in self.faults:
            paths.append(fault.path)
            for end in range(1, len(fault.path) + 1):
                paths += document.marks.users(fault.path[:end])
        return {owner(path) for path in paths}

    def located(self, document: Document) -> tuple[tuple[Problem, ...], tuple[Note, ...]]:
        """Problems and notes with their positions, in the order of the file."""
        told = [Problem(document.file, f.line, f.column, dotted(f.path), f.message) for f in self.faults]
        return (
            _capped(told + self._placed(self.problems, document), "problems"),
            _capped(self._placed(self.notes, document), "notes"),
        )

    def _placed(self, findings: list[_Finding], document: Document) -> list[Problem]:
        """One problem for each written place and message, naming who uses the anchor it stands in."""
        places: dict[tuple[str, Path, str], tuple[Document, Place]] = {}
        for path, message, on_key in findings:
            where, inner = self.source(path, document)
            place = where.marks.place(inner, key=on_key)
            known = places.get((where.file, place.path, message))
            if known is None or (known[1].anchor is None and place.anchor is not None):
                places[where.file, place.path, message] = where, place
        return [
            Problem(file, *place.position, dotted(path), message + _used(place, where))
            for (file, path, message), (where, place) in places.items()
        ]


def owner(path: Path) -> int | None:
    """The index of the deployment that a path lies in."""
    return path[1] if len(path) > 1 and path[0] == "deployments" and isinstance(path[1], int) else None


def _used(place: Place, document: Document) -> str:
    if place.anchor is None:
        return ""
    users = [dotted(user) for user in document.marks.users(place.anchor)]
    more = f" and {len(users) - _USERS} more" if len(users) > _USERS else ""
    name = dotted((document.marks.names[place.anchor],))
    return f" (in the anchor &{name}, used by {', '.join(users[:_USERS])}{more})"


def _capped(problems: list[Problem], what: str) -> tuple[Problem, ...]:
    problems = sorted(set(problems))
    if len(problems) <= MOST:
        return tuple(problems)
    last = problems[MOST]
    more = Problem(last.file, last.line, last.column, "", f"{len(problems) - MOST} more {what} from here on")
    return (*problems[:MOST], more)
