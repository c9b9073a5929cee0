"""What an attempt did, in order: its pull steps, tasks and subflows. Called by whoever shows a run.

The journal was written by the run: nothing of it is believed beyond its own place in a picture, and it is bounded.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from reconciler.engine.journal import JOURNAL, read

MOST = 2000
"""Entries of a timeline; the rest is counted."""
_READ_BYTES = 8 * 1024 * 1024
_KINDS = frozenset({"task", "flow"})
_STATES = frozenset({"Running", "Retrying", "AwaitingRetry", "Completed", "Failed", "Cancelled", "Cached"})
_OPEN = frozenset({"Running", "Retrying", "AwaitingRetry"})
_CHARACTERS = 200


@dataclass(slots=True)
class Entry:
    """One line: `kind` is step, task or flow; `began` is in seconds since 1970; `parent` is the id of what it is in.

    `seconds` is what the last attempt took, None while it is under way.
    """

    id: str
    name: str
    kind: str
    state: str
    attempt: int
    parent: str | None
    began: float
    seconds: float | None
    message: str | None

    def json(self) -> dict[str, Any]:
        """As an object."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Timeline:
    """The entries in the order they began, and how many more there were."""

    entries: list[Entry]
    left_out: int


def timeline(run_dir: Path, attempt: int, *, over: str | None = None) -> Timeline:
    """The timeline of an attempt; `over` is the state that it ended in: what was under way then ended so too."""
    found: dict[str, Entry] = {}
    beyond: set[str] = set()
    for fact in _facts(run_dir / JOURNAL, attempt):
        entry = _step(fact) if fact["fact"] == "step" else _task(fact)
        if entry is None:
            continue
        if entry.id in found:
            entry.began = found[entry.id].began
            found[entry.id] = entry
        elif len(found) < MOST:
            found[entry.id] = entry
        else:
            beyond.add(entry.id)
    for entry in found.values():
        if over and entry.state in _OPEN:
            entry.state = "Cancelled" if over == "Cancelled" else "Crashed"
    return Timeline(sorted(found.values(), key=lambda e: e.began), len(beyond))


def _facts(path: Path, attempt: int) -> list[dict[str, Any]]:
    facts: list[dict[str, Any]] = []
    offset = 0
    while offset < _READ_BYTES and (found := read(path, offset, attempt)).offset > offset:
        offset = found.offset
        facts += (fact for fact in found.facts if fact["fact"] in {"step", "task"})
    return facts


def _step(fact: Mapping[str, Any]) -> Entry:
    seconds = max(fact.get("seconds", 0.0), 0.0)
    return Entry(
        id=f"step {fact.get('index', 0)}",
        name=str(fact.get("step", ""))[:_CHARACTERS],
        kind="step",
        state="Completed" if fact.get("ok") else "Failed",
        attempt=1,
        parent=None,
        began=fact["at"] - seconds,
        seconds=seconds,
        message=_short(fact.get("error")),
    )


def _task(fact: Mapping[str, Any]) -> Entry | None:
    kind, state = fact.get("kind"), fact.get("state")
    if kind not in _KINDS or state not in _STATES or not fact.get("id"):
        return None
    seconds = fact.get("seconds")
    return Entry(
        id=fact["id"][:_CHARACTERS],
        name=str(fact.get("name") or fact["id"])[:_CHARACTERS],
        kind=kind,
        state=state,
        attempt=fact.get("tries", 1),
        parent=_short(fact.get("parent")),
        began=fact["at"] - (seconds or 0.0),
        seconds=None if state in _OPEN else seconds,
        message=_short(fact.get("message")),
    )


def _short(text: str | None) -> str | None:
    return text[:_CHARACTERS] if text else None
