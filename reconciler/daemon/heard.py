"""One attempt as its journal tells it, bounded: what a run wrote is not trusted. Called by supervise and scratch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.engine import journal
from reconciler.model.plan import Json

SIDE_LIMIT = 4 * 1024 * 1024
"""Bytes of a result or error that are kept."""

MOST_FACTS = 200
"""Steps and such of one attempt that are reported; a run may write any number."""
MOST_MOVES = 2000
"""Facts of one attempt that are reported where they move the run: pauses, above all."""

JOURNAL_LIMIT = 4 * 1024 * 1024
"""Bytes of a journal that are read; a run that writes more is not believed, and the other runs do not wait for it."""

FINALS = {"completed", "failed", "timed_out", "suspended"}
LIFE = {"running", "paused", "resumed"}
"""Facts between start and end that move a run."""
UNTOLD = {"task"}
"""Facts that stay in the journal."""


@dataclass(slots=True)
class Heard:
    """What an attempt said so far."""

    attempt: int
    folder: Path
    offset: int = 0
    facts: list[Mapping[str, Json]] = field(default_factory=list)
    """What the journal said so far, but for the end."""
    final: Mapping[str, Json] | None = None
    running_since: float | None = None
    paused_since: float | None = None

    def read(self, now: float) -> bool:
        """Take in what the journal says; whether the flow began, paused or went on meanwhile."""
        moved = False
        while self.offset < JOURNAL_LIMIT:
            read = journal.read(self.folder / journal.JOURNAL, self.offset, self.attempt)
            if read.offset == self.offset:
                break
            self.offset = read.offset
            for fact in read.facts:
                if fact["fact"] in FINALS:
                    self.final = fact
                elif fact["fact"] not in UNTOLD and len(self.facts) < _most(fact["fact"]):
                    self.facts.append(fact)
                    if fact["fact"] in LIFE:
                        moved = True
                        self._clock(fact["fact"], now)
        return moved

    def again(self) -> None:
        """What was read could not be recorded: it is read once more."""
        self.offset = 0
        self.running_since = self.paused_since = None
        self.facts.clear()

    def end(self) -> dict[str, Json] | None:
        """Its last word with what that keeps in a side file; None where it said none."""
        return complete(self.folder, self.final) if self.final else None

    def _clock(self, fact: str, now: float) -> None:
        """The time that a flow has stands still while it is paused."""
        if fact == "running" and self.running_since is None:
            self.running_since = now
        elif fact == "paused" and self.paused_since is None:
            self.paused_since = now
        elif fact == "resumed" and self.paused_since is not None and self.running_since is not None:
            self.running_since += now - self.paused_since
            self.paused_since = None


def _most(fact: str) -> int:
    return MOST_MOVES if fact in LIFE else MOST_FACTS


def complete(folder: Path, final: Mapping[str, Json]) -> dict[str, Json]:
    """The final fact with what it keeps in a side file, and one line of message."""
    found = dict(final)
    for key in ("result", "error"):
        name = found.pop(f"{key}_file", None)
        if name is not None:
            found[key] = journal.attachment(folder, name, SIDE_LIMIT)
    if "result_repr" in found:
        found["result"] = {"repr": found.pop("result_repr")}
    error = found.get("error")
    if isinstance(error, dict) and "message" not in found:
        kind = str(error.get("type", "Error"))
        found |= {"retry": False} if kind == "SystemExit" else {}
        ours = kind.startswith("reconciler.")  # says all there is to say without its class
        found["message"] = f"{'' if ours else kind + ': '}{error.get('message', '')}"[:500]
    if found["fact"] == "timed_out" and "message" not in found:
        found["message"] = f"it ran longer than its {found.get('seconds', '')} s"
    return found
