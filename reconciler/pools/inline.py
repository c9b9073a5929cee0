"""`inline`: a run is a cold process with a keeper of its own; slower than `process`, with nothing warm to go wrong."""

import sys
from pathlib import Path

from reconciler.model.errors import StepError
from reconciler.pools._local import LocalPool, ended, start


class InlinePool(LocalPool):
    """Starts a keeper for each run, which forks it and records its end."""

    def __init__(self, python: str = sys.executable) -> None:
        self._python = python
        self._keepers: dict[Path, int] = {}

    def launch(self, run_dir: Path) -> None:
        """Start the keeper."""
        self._look_after()
        try:
            self._keepers[run_dir] = start("once", str(run_dir.absolute()), python=self._python)
        except OSError as error:
            raise StepError(f"the run cannot be launched: {error}") from None

    def has_in_hand(self, run_dir: Path) -> bool:
        """Whether the keeper still lives."""
        self._look_after()
        return run_dir in self._keepers

    def _look_after(self) -> None:
        """Reap the keepers that have ended."""
        self._keepers = {path: pid for path, pid in self._keepers.items() if not ended(pid)}

    def close(self) -> None:
        """Keepers go on by themselves."""
        self._keepers.clear()
