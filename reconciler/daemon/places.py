"""Where placeholders that only a run knows stand in the spec files, for its errors to name. Called by daemon/orders."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reconciler.core.template import mentioned
from reconciler.daemon.spec_dir import SpecDir
from reconciler.daemon.view import FILE_LIMIT
from reconciler.git import tree
from reconciler.git.repository import Repository
from reconciler.model.errors import ReconcilerError
from reconciler.model.plan import Json

MOST = 100
"""Names that are looked for."""


@dataclass(frozen=True, slots=True)
class Stands:
    """What says a deployment: its file, the line there (1-based), and the environment."""

    file: str
    line: int
    env: str | None = None


def named(spec: Mapping[str, Json]) -> list[str]:
    """The placeholders left in a spec that have no fallback."""
    variables = (spec.get("work_pool") or {}).get("job_variables") or {}
    said = [spec.get("parameters"), variables, spec.get("pull"), spec.get("schedules")]
    return list(dict.fromkeys(name for name, fallback in mentioned(said) if not fallback))[:MOST]


def found(repo: Repository, specs: str, commit: str, stands: Stands, names: list[str]) -> dict[str, str]:
    """By name `file:line` at a commit, of those that a file has. Never raises: the run goes on without."""
    try:
        top = repo.commit(commit).tree
        files = [(path, repo.blob(entry.id, FILE_LIMIT)) for path, entry in _files(repo, specs, top, stands)]
    except (ReconcilerError, ValueError):
        return {}
    places = {}
    for name in names:
        word = re.compile(rb"\{\{\s*+%s\s*+[|}]" % re.escape(name.encode()))
        at = (_line(path, data.split(b"\n"), stands, word) for path, data in files)
        if place := next(filter(None, at), None):
            places[name] = place
    return places


def _files(repo: Repository, specs: str, top: str, stands: Stands) -> Iterator[tuple[str, tree.Entry]]:
    """The overlay, which wins, and the file."""
    overlays = SpecDir(specs).environments(repo, top) if stands.env else {}
    for entry in (overlays.get(stands.env or ""), tree.lookup(repo, top, stands.file)):
        if entry is not None and entry.mode in (tree.FILE, tree.EXECUTABLE):
            yield entry.path, entry


def _line(path: str, lines: list[bytes], stands: Stands, word: re.Pattern[bytes]) -> str | None:
    """The first line of the deployment that has the word, else the first of the file: of what it shares with others."""
    hits = [number for number, line in enumerate(lines, 1) if word.search(line)]
    if path == stands.file:
        end = _end(lines, stands.line)
        hits = [number for number in hits if stands.line <= number < end] or hits
    return f"{path}:{hits[0]}" if hits else None


def _end(lines: list[bytes], start: int) -> int:
    """The first line after an item of a list that is no part of it."""
    indent = _indent(lines[start - 1]) if start <= len(lines) else 0
    after = (number for number, line in enumerate(lines[start:], start + 1) if line.strip())
    return next((number for number in after if _indent(lines[number - 1]) <= indent), len(lines) + 1)


def _indent(line: bytes) -> int:
    return len(line) - len(line.lstrip(b" "))
