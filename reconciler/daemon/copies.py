"""Working copies prepared ahead, so that a run takes one by rename. A thread of its own; asked by daemon/orders.

Only a hint about what will be needed: a run that finds no copy lays its source out itself. Copies are never shared;
the least recently wanted go when they hold more bytes than the operator gives them. Of a small source a parcel is made
once, on the asking thread, and every run writes it out for itself: cheaper than a folder made ahead for each.
"""

import contextlib
import hashlib
import logging
import queue
import secrets
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.engine import whole
from reconciler.engine.removal import remove
from reconciler.git import parcel
from reconciler.git.checkout import copy_name, prepare
from reconciler.git.repository import Repository
from reconciler.model.errors import ReconcilerError

log = logging.getLogger("reconciler")

SPARE = 2
"""Copies kept ready of what was last wanted."""


QUIET = 0.1
"""Seconds without a run that ends, after which what is over is removed."""
MOST_GONE = 256
"""Working copies of ended runs that wait for it."""

PARCELS = 256
"""Parcels kept, the most recently wanted ones."""

STALE = 600.0
"""Seconds after which copies that no run took make room."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A commit and scope of one object database."""

    git_dir: Path
    commit: str
    directories: tuple[str, ...]


@dataclass(slots=True)
class _Kind:
    """The copies of one commit and scope."""

    bytes: int = 0
    """Of one copy; 0 while none was made."""
    failed: bool = field(default=False)
    wanted_at: float = 0.0
    """Monotonic seconds of the last run that took one."""


class Copies:
    """Keeps spare copies of what runs lately took."""

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder = folder
        self._limit = limit
        self._kinds: dict[Wanted, _Kind] = {}
        self._parcels: dict[Wanted, str | None] = {}
        """By what they hold, most recently wanted last; None where there is none."""
        self._gone: list[Path] = []
        """Working copies of runs that are over."""
        self._asked: queue.SimpleQueue[Wanted | Path | None] = queue.SimpleQueue()
        self._old: list[Path] = []
        self._thread = threading.Thread(target=self._work, name="copies", daemon=True)

    def start(self) -> None:
        """Begin; copies of an earlier daemon go."""
        for old in self._folder.iterdir():
            self._old.append(old)
        self._thread.start()

    def want(self, wanted: Wanted, repo: Repository) -> str | None:
        """A run takes a copy of this: the name of its parcel, or None where a folder is prepared for the next run."""
        name = self._parcel(wanted, repo)
        if name is None:
            self._asked.put(wanted)
        return name

    def _parcel(self, wanted: Wanted, repo: Repository) -> str | None:
        """The parcel of a small source, made when it is not there (any more)."""
        name = self._parcels.pop(wanted, "")
        if name == "" or (name and not (self._folder / name).exists()):
            try:
                data = parcel.wrap(repo, wanted.commit, wanted.directories)
                name = hashlib.sha256(data).hexdigest()
                self._folder.mkdir(mode=0o700, exist_ok=True)
                whole.put(self._folder, name, data)
            except (ReconcilerError, ValueError):
                name = None  # too large: a folder is prepared
            except OSError:
                return None  # not to be written, now; laying the source out says why
        self._parcels[wanted] = name
        if len(self._parcels) > PARCELS:
            oldest = self._parcels.pop(next(iter(self._parcels)))
            if oldest and oldest not in self._parcels.values():
                (self._folder / oldest).unlink(missing_ok=True)
        return name

    def remove(self, work: Path) -> None:
        """A run is over: its working copy leaves it at once and goes soon; after a crash, at the next start.

        A file goes at once.
        """
        with contextlib.suppress(OSError):
            work.unlink()
            return
        aside = self._folder / f".over-{secrets.token_hex(8)}"
        try:
            work.rename(aside)
        except FileNotFoundError:
            return
        except OSError:
            aside = work
        self._asked.put(aside)

    def close(self) -> None:
        """End after the copy that is being made."""
        self._asked.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout=1)

    def _work(self) -> None:
        for old in self._old:
            remove(old)
        while (wanted := self._next()) is not None:
            kind = self._kinds.pop(wanted, None) or _Kind()
            self._kinds[wanted] = kind
            kind.wanted_at = time.monotonic()
            try:
                while not kind.failed and self._asked.empty() and len(self._spares(wanted)) < SPARE:
                    self._make(wanted, kind)
            except (ReconcilerError, OSError) as error:
                kind.failed = True
                log.info("no copy of %s is prepared ahead: %s", wanted.commit[:12], error)
            self._evict()

    def _next(self) -> Wanted | None:
        """What is wanted next; meanwhile, in a quiet moment or when there are many, what is over is removed."""
        while True:
            try:
                asked = self._asked.get(timeout=QUIET if self._gone else None)
            except queue.Empty:
                while self._gone and self._asked.empty():
                    remove(self._gone.pop())
                continue
            if isinstance(asked, Path):
                self._gone.append(asked)
            if asked is None or len(self._gone) >= MOST_GONE:
                while self._gone:
                    remove(self._gone.pop())
            if not isinstance(asked, Path):
                return asked

    def _make(self, wanted: Wanted, kind: _Kind) -> None:
        with Repository.open(wanted.git_dir, trust_owner=True) as repo:
            path = prepare(repo, wanted.commit, wanted.directories, self._folder)
        with contextlib.suppress(OSError):  # a run may take it while it is measured
            kind.bytes = sum(file.lstat().st_size for file in path.rglob("*"))

    def _spares(self, wanted: Wanted) -> list[Path]:
        return list(self._folder.glob(f"{copy_name(wanted.commit, wanted.directories)}*.json"))

    def _evict(self) -> None:
        """Drop what no run took for long, and the least recently wanted while there is too much."""
        for wanted in [w for w, kind in self._kinds.items() if time.monotonic() - kind.wanted_at > STALE]:
            self._drop(wanted)
        held = {wanted: len(self._spares(wanted)) * kind.bytes for wanted, kind in self._kinds.items()}
        while sum(held.values()) > self._limit:
            oldest = next(iter(held))
            del held[oldest]
            self._drop(oldest)

    def _drop(self, wanted: Wanted) -> None:
        del self._kinds[wanted]
        for manifest in self._spares(wanted):
            manifest.unlink(missing_ok=True)
            remove(manifest.with_suffix(""))
