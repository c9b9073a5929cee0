"""Keeps runs that are calls in a script or notebook: it launches nothing, and signals nobody. Used by the daemon."""

import json
import time
from pathlib import Path

from reconciler.engine import marker
from reconciler.engine.order import ORDER
from reconciler.pools._local import LocalPool

PATIENCE = 30.0
"""Seconds in which a caller takes the attempt up; past them it goes without a record."""


class ScriptKeeper(LocalPool):
    """The caller wins the marker itself, writes the facts, and says when the call is over: its process goes on."""

    def __init__(self) -> None:
        self._callers: dict[Path, tuple[marker.Identity, float]] = {}

    def launch(self, run_dir: Path) -> None:
        """Nothing to start: who calls is there already."""
        caller = json.loads((run_dir / ORDER).read_bytes())["caller"]
        self._callers[run_dir] = marker.Identity(**caller), time.monotonic() + PATIENCE

    def has_in_hand(self, run_dir: Path) -> bool:
        """Whether the caller may still take it up."""
        who, until = self._callers.get(run_dir, (marker.NOBODY, 0.0))
        return time.monotonic() < until and marker.running(who)

    def kill(self, run_dir: Path, signal: int) -> None:  # noqa: ARG002 - the promise of every pool
        """A script is the user's own: it is never signalled. One that has not begun is not recorded any more."""
        if run_dir.is_dir():
            marker.bury(run_dir)

    def alive(self, run_dir: Path) -> bool:
        """By the marker; forgotten once it is over."""
        found = super().alive(run_dir)
        if not found:
            self._callers.pop(run_dir, None)
        return found

    def never_began(self, run_dir: Path) -> bool:  # noqa: ARG002 - the promise of every pool
        """Nobody can begin a call again but who called."""
        return False

    def exit_status(self, run_dir: Path) -> dict[str, int | None] | None:
        """Empty once the call is over: the process has not ended, so it has no status."""
        return {} if marker.read_exit(run_dir) is not None else None

    def close(self) -> None:
        """Nothing is held."""
        self._callers.clear()
