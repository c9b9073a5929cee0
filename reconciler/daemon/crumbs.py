"""What the daemon is busy with, noted where a killed process leaves it behind. Called by most of daemon/.

Bytes that kill their reader (a crash in a C parser, the kernel's hunt for memory) leave no exception and no event. So
the file or run at hand is noted first, by one write of a microsecond into a small file: it survives the process, not
the machine, and that is enough. What is noted there at a start was at hand when the daemon before died; twice in a row
on the same thing, with no success in between, and daemon/poison leaves it out.
"""

import contextlib
import json
import os
import threading
from dataclasses import dataclass, replace
from enum import IntEnum
from pathlib import Path

SPACE = 4096
"""Bytes for each note; a longer one is not written."""
ENOUGH = 2
"""Deaths in a row that make a poison."""


class Busy(IntEnum):
    """Who is at work: each has a place of its own in the file, so that no thread waits for another."""

    READING = 0
    """The reader of git, with a file."""
    LOOKING = 1
    """The supervisor, with what a run wrote."""
    HANDLING = 2
    """The loop, with what was reported of a run."""


@dataclass(frozen=True, slots=True)
class Crumb:
    """One thing at hand: a file of the repository by its bytes, or a run."""

    busy: int
    name: str
    """The path of the file, or the run's id."""
    blob: str = ""
    deaths: int = 0
    """Daemons in a row that died with it at hand."""


class Crumbs:
    """The notes of this process, and what the ones before left; one without a file notes nothing."""

    def __init__(self, path: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._at: dict[int, Crumb] = {}
        """What is at hand."""
        self._suspects: dict[int, Crumb] = {}
        self._file: int | None = None
        if path is not None:
            with contextlib.suppress(OSError):  # without it the daemon serves all the same
                self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                self._take_over()

    def _take_over(self) -> None:
        """Count a death of everything that was at hand, and begin with clean places."""
        for busy in Busy:
            left, before = self._read(busy), self._read(len(Busy) + busy)
            if left is None:
                suspect = before
            else:
                again = before is not None and (before.name, before.blob) == (left.name, left.blob)
                suspect = replace(left, deaths=(before.deaths if again and before else 0) + 1)
            if suspect is not None:
                self._suspects[busy] = suspect
            self._write(len(Busy) + busy, suspect)
            self._write(busy, None)

    @property
    def suspects(self) -> tuple[Crumb, ...]:
        """What was at hand when daemons died, and how many in a row; files before runs."""
        return tuple(self._suspects[busy] for busy in sorted(self._suspects))

    def enter(self, busy: Busy, name: str, blob: str = "") -> None:
        """Note what is at hand from now on, in the place of what was."""
        self._at[busy] = found = Crumb(busy, name, blob)
        self._write(busy, found)

    def leave(self, busy: Busy) -> None:
        """Nothing is at hand any more, and what was has killed nobody."""
        done = self._at.pop(busy, None)
        self._write(busy, None)
        suspect = self._suspects.get(busy)
        if done and suspect and (suspect.name, suspect.blob) == (done.name, done.blob):
            self.forget(busy)

    def forget(self, *kinds: int) -> None:
        """Suspect these no more; all when none is named."""
        for busy in kinds or tuple(Busy):
            self._suspects.pop(busy, None)
            self._write(len(Busy) + busy, None)

    def close(self) -> None:
        """The daemon was told to end: however it does, nothing that is at hand is to blame."""
        for busy in Busy:
            self._write(busy, None)
        with self._lock:
            if self._file is not None:
                os.close(self._file)
            self._file = None

    def _write(self, place: int, crumb: Crumb | None) -> None:
        if self._file is None:
            return
        text = b"\n"
        if crumb is not None:
            text = json.dumps([crumb.busy, crumb.name, crumb.blob, crumb.deaths]).encode() + text
        with self._lock, contextlib.suppress(OSError):
            if self._file is not None:  # closed meanwhile
                os.pwrite(self._file, text if len(text) <= SPACE else b"\n", place * SPACE)

    def _read(self, place: int) -> Crumb | None:
        try:
            found = os.pread(self._file or 0, SPACE, place * SPACE).partition(b"\n")[0]
            busy, name, blob, deaths = json.loads(found)
            return Crumb(int(busy), str(name), str(blob), int(deaths))
        except (OSError, ValueError, TypeError):
            return None
