"""Results of runs as git notes: one summary per source commit. A thread of the daemon, told by the loop; nobody waits.

Runs that are over are counted per commit, in small files of the state directory that each name the last event they
count; a summary is made of the whole count. So a crash anywhere loses no run and counts none twice.
"""

import contextlib
import json
import logging
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Self

from reconciler.engine import whole
from reconciler.git import notes
from reconciler.git.repository import Repository
from reconciler.model.errors import NotFoundError, ReconcilerError, StoreError
from reconciler.model.fact import Event
from reconciler.model.ids import instant
from reconciler.model.plan import Json
from reconciler.model.state import FINAL
from reconciler.stores import Log
from reconciler.stores._reader import Reader

log = logging.getLogger("reconciler")

OVER = {f"Run{state}": str(state) for state in FINAL}
"""The events that end a run, with the state they say."""
PACE = 3.0
"""Seconds between two writes, at least."""
RETRIES = (60.0, 300.0, 900.0)
"""Seconds until a write that failed is tried again."""
MOST_LINES = 100
"""Deployments told of one commit."""
TURN = 0.05
"""Seconds that another writer of notes is given to finish."""
_PAGE = 1000
_THROUGH = "through"
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


@dataclass(slots=True)
class Tally:
    """The runs of one commit that are over."""

    seq: int = 0
    """The last event that is counted."""
    states: dict[str, dict[str, int]] = field(default_factory=dict)
    """How many runs, by deployment and state."""
    last: dict[str, str] = field(default_factory=dict)
    """When the last one was over, by deployment."""

    @classmethod
    def load(cls, text: bytes) -> Self:
        """The tally that `json` wrote. Raises ValueError, KeyError, TypeError for anything else."""
        data = json.loads(text)
        return cls(int(data["seq"]), {d: dict(found) for d, found in data["states"].items()}, dict(data["last"]))

    def json(self) -> dict[str, Json]:
        """As kept in a file."""
        return {"seq": self.seq, "states": self.states, "last": self.last}

    def count(self, event: Event, deployment: str) -> None:
        """Count the end of a run, unless it is counted already."""
        if event.seq > self.seq:
            self.seq = event.seq
            states = self.states.setdefault(deployment, {})
            state = OVER[event.type]
            states[state] = states.get(state, 0) + 1
            self.last[deployment] = instant(event.at)

    def text(self) -> str:
        """The lines of the note, a deployment each."""
        lines = []
        for name in sorted(self.states)[:MOST_LINES]:
            states = self.states[name]
            total = sum(states.values())
            by_state = [f"{n} {state}" for state, n in sorted(states.items(), key=lambda item: (-item[1], item[0]))]
            last = f"last at {self.last[name][:19]}Z"
            lines.append(", ".join([f"{name}: {total} run{'s' * (total != 1)}", *by_state, last]))
        more = len(self.states) - MOST_LINES
        return "\n".join([*lines, *([f"and {more} more deployments"] if more > 0 else [])])


class Notes:
    """Writes the notes of one repository."""

    def __init__(
        self, log_file: Path, folder: Path, opened: Callable[[], Repository], clock: Callable[[], datetime]
    ) -> None:
        self._log = log_file
        self._folder = folder
        self._opened = opened
        self._clock = clock
        self._news = threading.Event()
        self._stopping = threading.Event()
        self._failures = 0
        self._thread = threading.Thread(target=self._work, name="notes", daemon=True)

    def start(self) -> None:
        """Write what an earlier daemon left unwritten, and then what is told."""
        self._news.set()
        self._thread.start()

    def tell(self, events: Iterable[Event]) -> None:
        """These events are durable; returns at once."""
        if any(event.type in OVER for event in events):
            self._news.set()

    def stop(self) -> None:
        """Write once more, and end."""
        self._stopping.set()
        self._news.set()
        if self._thread.is_alive():
            self._thread.join(timeout=2)

    def _work(self) -> None:
        while True:
            self._news.wait()
            last = self._stopping.is_set()
            self._news.clear()
            rest = self._tried()
            if last:
                return
            self._stopping.wait(rest)
            if self._failures or self._stopping.is_set():
                self._news.set()

    def _tried(self) -> float:
        """Write; seconds until the next time, which is for what failed or is told meanwhile."""
        try:
            changed = self.write()
        except (ReconcilerError, OSError) as error:
            wait = RETRIES[min(self._failures, len(RETRIES) - 1)]
            if not self._failures:
                log.warning("run results are not noted in git, tried again later: %s", error)
            self._failures += 1
            return wait
        except Exception:
            log.exception("run results are not noted in git, tried again later")
            self._failures += 1
            return RETRIES[-1]
        if self._failures:
            log.info("run results are noted in git again")
        self._failures = 0
        return PACE if changed else 0.0

    def write(self) -> int:
        """Note what is over since the last time; how many notes changed. Raises ReconcilerError, OSError."""
        with Reader.open(self._log) as reader:
            through = self._through(reader)
            head, digest = reader.head()
            if head == through:
                return 0
            tallies = self._counted(reader, through, head)
        self._keep({f"{commit}.json": json.dumps(tally.json()) for commit, tally in tallies.items()})
        blocks = {commit: tally.text() for commit, tally in tallies.items()}
        changed = 0
        if blocks:
            at = int(self._clock().timestamp())
            changed = notes.write(self._opened, blocks, at, lambda: time.sleep(TURN))
        self._keep({_THROUGH: f"{head} {digest}"})
        return changed

    def _counted(self, reader: Log, through: int, head: int) -> dict[str, Tally]:
        """The tallies that runs which ended in `through` < seq <= `head` belong to, with these runs."""
        tallies: dict[str, Tally] = {}
        while page := reader.events(through, before=head + 1, limit=_PAGE, types=tuple(OVER)):
            for event in page:
                with contextlib.suppress(NotFoundError):
                    row = reader.run(event.subject)
                    commit = row.get("source_commit") or ""
                    if _COMMIT.fullmatch(commit):
                        tally = tallies.get(commit) or tallies.setdefault(commit, self._tally(commit))
                        tally.count(event, row["deployment"])
            through = page[-1].seq
        return tallies

    def _tally(self, commit: str) -> Tally:
        try:
            return Tally.load((self._folder / f"{commit}.json").read_bytes())
        except FileNotFoundError:
            return Tally()
        except (ValueError, KeyError, TypeError, AttributeError):
            (self._folder / _THROUGH).unlink(missing_ok=True)
            raise StoreError(f"the count of {commit[:8]} is damaged: all runs are counted anew") from None

    def _through(self, reader: Log) -> int:
        """The last event that is noted; 0, with every count forgotten, where the log or a count is not what it was."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, IndexError):
            seq, _, digest = (self._folder / _THROUGH).read_text().partition(" ")
            if reader.events(int(seq) - 1, limit=1)[0].hash == digest:
                return int(seq)
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return 0

    def _keep(self, files: Mapping[str, str]) -> None:
        """Have files hold this, durably: what is kept next relies on it."""
        for name, text in files.items():
            whole.put(self._folder, name, text.encode())
        for name in (*files, "."):
            place = os.open(self._folder / name, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(place)
            finally:
                os.close(place)
