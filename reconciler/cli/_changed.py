"""Where a change stands in the files: the first line that differs, for annotations. Called by _review."""

import re
from collections.abc import Iterator

from reconciler.cli._planning import Made
from reconciler.daemon.view import FILE_LIMIT
from reconciler.git import tree
from reconciler.git.repository import Repository
from reconciler.model.errors import ReconcilerError
from reconciler.model.plan import Change

READ = ("parameter_openapi_schema", "description", "flow_name", "flow.")
"""Fields that may be read from the code."""
MOST = 500
"""Changes whose lines are looked for; further ones are told where their deployment begins."""


class _Sides:
    """The files of the two revisions, as lines."""

    def __init__(self, made: Made, repo: Repository) -> None:
        self._repo = repo
        self._trees = [self._tree(made.plan.base), self._tree(made.plan.revision)]
        self._read: dict[tuple[int, str], list[bytes]] = {}

    def _tree(self, revision: str | None) -> str | None:
        try:
            return self._repo.commit(revision).tree if revision else None
        except ReconcilerError:
            return None

    def lines(self, side: int, path: str) -> list[bytes]:
        """The lines of a file before (0) or after (1); none where it cannot be read."""
        if (side, path) not in self._read:
            self._read[side, path] = self._lines(side, path)
        return self._read[side, path]

    def _lines(self, side: int, path: str) -> list[bytes]:
        top = self._trees[side]
        try:
            entry = tree.lookup(self._repo, top, path) if top else None
            regular = entry is not None and entry.mode in (tree.FILE, tree.EXECUTABLE)
            return self._repo.blob(entry.id, FILE_LIMIT).split(b"\n") if entry and regular else []
        except (ReconcilerError, ValueError):
            return []


def places(made: Made, repo: Repository) -> dict[str, tuple[str, int]]:
    """By deployment that is created, changed or pruned: a file and a line (1-based) of it."""
    if not made.plan.changes:
        return {}
    sides = _Sides(made, repo)
    starts = [_starts((d.file, d.line) for d in side.deployments.values()) for side in (made.before, made.desired)]
    found = {}
    for number, change in enumerate(made.plan.changes):
        declared, known = change.declared, made.before.deployments.get(change.deployment)
        if declared is None:
            found[change.deployment] = (known.file, known.line) if known else ("", 1)
            continue
        found[change.deployment] = (declared.file, declared.line)
        if known is None or number >= MOST:
            continue
        before = _block(sides.lines(0, known.file), known.line, starts[0][known.file])
        after = _block(sides.lines(1, declared.file), declared.line, starts[1][declared.file])
        first = _first_difference(before, after)
        if first is not None:
            found[change.deployment] = (declared.file, declared.line + first)
        elif place := _in_overlay(change, sides) or _in_code(made, change, sides):
            found[change.deployment] = place
    return found


def _starts(declared: Iterator[tuple[str, int]]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for file, line in declared:
        found.setdefault(file, []).append(line)
    return {file: sorted(lines) for file, lines in found.items()}


def _block(lines: list[bytes], start: int, starts: list[int]) -> list[bytes]:
    """The lines of one deployment: up to where the next one begins."""
    end = next((line for line in starts if line > start), len(lines) + 1)
    return lines[start - 1 : end - 1]


def _first_difference(before: list[bytes], after: list[bytes]) -> int | None:
    """The place of the first line that differs; None where nothing does, or nothing can be compared."""
    if before == after or not before or not after:
        return None
    same = next(
        (i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), min(len(before), len(after))
    )
    return min(same, len(after) - 1)


def _in_overlay(change: Change, sides: _Sides) -> tuple[str, int] | None:
    """A line that differs in the overlay: the first that names a field that changed, else the first."""
    path = change.declared.overlay if change.declared else ""
    before, after = sides.lines(0, path), sides.lines(1, path)
    first = _first_difference(before, after)
    if first is None:
        return None
    last = _first_difference(before[::-1], after[::-1]) or 0
    named = re.compile(rb"\b(?:%s)\b" % b"|".join(re.escape(_last(d.field)) for d in change.diff))
    differing = range(first, max(first + 1, len(after) - last))
    return (path, next((place for place in differing if named.search(after[place])), first) + 1)


def _in_code(made: Made, change: Change, sides: _Sides) -> tuple[str, int] | None:
    """The first line that differs in the flow's file, where the change was read from it."""
    declared = change.declared
    if declared is None or not any(d.field.startswith(READ) for d in change.diff):
        return None
    spec = made.desired.specs[declared.digest]
    file = str(spec.get("entrypoint") or "").rpartition(":")[0]
    path = "/".join(part for part in (str(spec.get("path") or "").strip("./"), file) if part)
    first = _first_difference(sides.lines(0, path), sides.lines(1, path))
    return (path, first + 1) if first is not None else None


def _last(field: str) -> bytes:
    """The key that a changed field has in a file."""
    return field.rpartition(".")[2].partition("[")[0].encode(errors="replace")
