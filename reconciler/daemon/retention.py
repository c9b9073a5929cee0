"""Lets go of what is old: outputs, payloads, environments, mirrors, leftovers. A thread of the daemon; called by `gc`.

Files go here, off the loop's thread and in small steps; payloads are purged by the loop, the only writer. What is there
is listed first and the log read after that: whatever a run that lives has made is known to be needed.
"""

import contextlib
import fcntl
import json
import logging
import os
import threading
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from reconciler.core import retention, rows, version
from reconciler.core.retention import Item, Keep
from reconciler.daemon.ledger import Ledger
from reconciler.daemon.mirrors import Mirrors
from reconciler.daemon.state_dir import StateDir
from reconciler.engine import marker
from reconciler.engine.order import ORDER
from reconciler.engine.pull import WORK
from reconciler.engine.removal import remove
from reconciler.model.errors import ConflictError, NotFoundError, ReconcilerError, SourceUnavailableError
from reconciler.model.events import PayloadsPurged
from reconciler.model.fact import Fact
from reconciler.model.ids import moment
from reconciler.model.plan import Json
from reconciler.stores import Log, RunFilter, Stored
from reconciler.stores._reader import Reader

log = logging.getLogger("reconciler")
T = TypeVar("T")

FIRST = 20.0
"""Seconds after the start until the first sweep."""
EVERY = 3600.0
PAYLOADS_EVERY = 24
"""Sweeps from one look at the payloads to the next: it walks the runs of all the time that is kept."""
STEP = 100
"""Directories looked at between two breaths."""
BREATH = 0.01
CHUNK = 1000
"""Payloads purged in one turn of the loop."""


@dataclass(slots=True)
class Freed:
    """How much of a kind went."""

    count: int = 0
    bytes: int = 0

    def add(self, size: int) -> None:
        """One more."""
        self.count += 1
        self.bytes += size


Purge = Callable[[list[Stored]], tuple[int, int]]
"""Deletes payloads, but for those that are needed now; how many went, and their bytes."""


class Retention:
    """Sweeps a state directory."""

    def __init__(
        self, state: StateDir, keep: Keep, clock: Callable[[], datetime], mirrors: Mirrors, purge: Purge
    ) -> None:
        self._state = state
        self._keep = keep
        self._clock = clock
        self._mirrors = mirrors
        self._purge = purge
        self._one = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="retention", daemon=True)

    def start(self) -> None:
        """Sweep now and then."""
        self._thread.start()

    def stop(self) -> None:
        """End; a sweep under way ends at its next breath."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=1)

    def _work(self) -> None:
        wait, number = FIRST, 0
        while not self._stopping.wait(wait):
            try:
                went = self.sweep(payloads=number % PAYLOADS_EVERY == 0)
                if total := sum(freed["bytes"] for freed in went.values()):
                    log.info("retention freed %d bytes", total)
            except (ReconcilerError, OSError) as error:
                log.warning("retention is tried again later: %s", error)
            except Exception:
                log.exception("retention is tried again later")
            wait, number = EVERY, number + 1

    def sweep(self, *, dry: bool = False, payloads: bool = True, copies: bool = False) -> dict[str, dict[str, int]]:
        """Let go of what is old, or only count it; `{kind: {count, bytes}}`.

        `copies` drops the working copies prepared ahead as well: only where no daemon keeps them.
        Raises StoreError, NotFoundError where there is no log.
        """
        with self._one:
            found = {kind: Freed() for kind in ("outputs", "leftovers", "environments", "mirrors", "payloads")}
            runs, others = _listed(self._state.runs), _listed(self._state.mirrors)
            with contextlib.closing(Reader.open(self._state.log)) as reader:
                self._runs(reader, runs, found, dry=dry)
                self._mirrors_gone(reader, others, found["mirrors"], dry=dry)
                if payloads:
                    self._payloads(reader, found["payloads"], dry=dry)
            self._environments(found["environments"], dry=dry)
            for path in _listed(self._state.copies) if copies else ():
                self._drop(path, found["leftovers"], dry=dry)
            return {kind: asdict(freed) for kind, freed in found.items()}

    # --- runs ------------------------------------------------------------------------------------------------------

    def _runs(self, reader: Log, listed: list[Path], found: dict[str, Freed], *, dry: bool) -> None:
        live = {row["id"] for row in reader.live_runs()}
        items = []
        for path in self._breathing(listed):
            if path.name in live:
                continue
            ended, known = _ended(reader, path)
            if not known and any(_lives(attempt) for attempt in _listed(path)):
                continue
            for attempt in _listed(path) if known else ():
                for left in (attempt / WORK, attempt / ORDER):
                    if os.path.lexists(left):
                        self._drop(left, found["leftovers"], dry=dry)
            items.append(Item(path.name, ended, _size(path)))
        for item in retention.surplus(items, self._clock(), self._keep.output, self._keep.output_bytes):
            self._drop(self._state.runs / item.name, found["outputs"], dry=dry, size=item.bytes)

    # --- environments and mirrors ----------------------------------------------------------------------------------

    def _environments(self, freed: Freed, *, dry: bool) -> None:
        folders = self._breathing(_listed(self._state.root / "environments"))
        items = [Item(path.name, _used(path), _size(path)) for path in folders]
        for item in retention.surplus(items, self._clock(), self._keep.environments, self._keep.environments_bytes):
            path = self._state.root / "environments" / item.name
            with _unused(path) as free:
                if free:
                    self._drop(path, freed, dry=dry, size=item.bytes)

    def _mirrors_gone(self, reader: Log, listed: list[Path], freed: Freed, *, dry: bool) -> None:
        if not listed:
            return
        needed = set(self._mirrored(reader))
        items = [Item(path.name, _changed(path), _size(path)) for path in listed if path not in needed]
        for item in retention.surplus(items, self._clock(), self._keep.mirrors):
            self._drop(self._state.mirrors / item.name, freed, dry=dry, size=item.bytes)

    def _mirrored(self, reader: Log) -> Iterator[Path]:
        """The mirrors that deployments and live runs name."""
        specs = {row["spec"] for row in reader.live_runs()}
        specs.update(*map(_specs, reader.deployments()))
        for digest in self._breathing(specs):
            spec = json.loads(reader.payload(digest) or b"{}")
            for source in version.sources(spec.get("pull"), self._mirrors.ours):
                if source.repository:
                    with contextlib.suppress(SourceUnavailableError):
                        yield self._mirrors.git_dir(source)

    # --- payloads --------------------------------------------------------------------------------------------------

    def _payloads(self, reader: Reader, freed: Freed, *, dry: bool) -> None:
        since = self._clock() - timedelta(seconds=self._keep.payloads)
        last = _seq_before(reader, since)
        old = list(_until(reader.payloads(), last)) if last else []
        needed = needs(reader.deployments(), reader.live_runs()) if old else set()
        old = [stored for stored in old if stored.digest not in needed]
        if old:
            recent = self._named_since(reader, since)
            old = [stored for stored in old if stored.digest not in recent]
        for start in range(0, len(old), CHUNK):
            chunk = old[start : start + CHUNK]
            count, size = (len(chunk), sum(s.size for s in chunk)) if dry else self._purge(chunk)
            freed.count, freed.bytes = freed.count + count, freed.bytes + size

    def _named_since(self, reader: Log, since: datetime) -> set[str]:
        """What runs name that are not as old: they may share a payload with one that is."""
        found: set[str] = set()
        before: int | None = None
        while page := reader.runs(RunFilter(since=since), before_seq=before, limit=STEP):
            for row in page:
                found.update(retention.named(row))
            before = page[-1]["seq"]
            self._breathe()
        return found

    # --- acting ----------------------------------------------------------------------------------------------------

    def _drop(self, path: Path, freed: Freed, *, dry: bool, size: int | None = None) -> None:
        freed.add(_size(path) if size is None else size)
        if dry:
            return
        remove(path)

    def _breathing(self, items: Iterable[T]) -> Iterator[T]:
        """The items, with a rest now and then; fewer when the daemon ends."""
        for number, item in enumerate(items, 1):
            if number % STEP == 0:
                self._breathe()
            yield item

    def _breathe(self) -> None:
        if self._stopping.wait(BREATH):
            raise ReconcilerError("the daemon ends")


def purge(ledger: Ledger, stored: Iterable[Stored], kept: Container[str] = ()) -> tuple[tuple[int, int], list[Fact]]:
    """Let payloads go that nothing needs at this moment: ((how many, bytes), the fact that tells it). On the loop.

    They are deleted in the transaction of that fact.

    `kept` are those that the loop holds in memory and would believe to be in the store.
    """
    observed = ledger.observed
    needed = needs(map(rows.deployment_row, observed.deployments.values()), map(rows.run_row, observed.runs.values()))
    gone = [each for each in stored if each.digest not in needed and each.digest not in kept]
    if not gone:
        return (0, 0), []
    ledger.purge(each.digest for each in gone)
    size = sum(each.size for each in gone)
    return (len(gone), size), [PayloadsPurged(count=len(gone), bytes=size, reason="older than the operator keeps them")]


def needs(deployments: Iterable[Mapping[str, Json]], runs: Iterable[Mapping[str, Json]]) -> set[str]:
    """The payloads that deployments, and runs that are not over, name: rows of theirs."""
    found: set[str] = set()
    found.update(*map(_specs, deployments))
    for row in runs:
        found.update(retention.named(row))
    return found


def _specs(row: Mapping[str, Json]) -> set[str]:
    """What a deployment runs, and what git says of it while it is quarantined."""
    held = row.get("quarantine")
    return {str(row["digest"])} | ({str(held["wanted"]["digest"])} if held else set())


def _until(stored: Iterable[Stored], last: int) -> Iterator[Stored]:
    for each in stored:
        if each.seq > last:
            return
        yield each


def _seq_before(reader: Log, at: datetime) -> int:
    """The last event before an instant; 0 for none."""
    low, high = 0, reader.head()[0]
    while low < high:
        middle = (low + high + 1) // 2
        (event,) = reader.events(middle - 1, limit=1)
        low, high = (middle, high) if event.at < at else (low, middle - 1)
    return low


def _ended(reader: Log, path: Path) -> tuple[datetime, bool]:
    """When a run that is not live ended, and whether the log knows it: else when it was last written to.

    A log that was restored from a backup does not know the runs made since: it makes those of slots again, under the
    same ids, and what lies here says that they have started.
    """
    try:
        row = reader.run(path.name)
    except (NotFoundError, ConflictError):
        return _changed(path), False
    known = row["id"] == path.name and row["final"]
    return (moment(row["finished_at"]), True) if known else (_changed(path), False)


def _lives(attempt: Path) -> bool:
    owner = marker.owner(attempt)
    return owner is not None and marker.alive(owner)


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _size(path: Path) -> int:
    """Bytes of a file, or of all files below a directory; links are not followed."""
    with contextlib.suppress(OSError):
        if path.is_symlink() or not path.is_dir():
            return path.lstat().st_size
    total, folders = 0, [str(path)]
    while folders:  # os.walk goes down by recursion on some Pythons, and a run may nest folders as it likes
        with contextlib.suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                else:
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
    return total


def _changed(path: Path) -> datetime:
    """The newest change of a directory and what lies directly in it."""
    times = [p.lstat().st_mtime for p in (path, *_listed(path)) if os.path.lexists(p)]
    return datetime.fromtimestamp(max(times, default=0.0), UTC)


def _used(path: Path) -> datetime:
    used = path / "used"
    return datetime.fromtimestamp(used.stat().st_mtime, UTC) if used.is_file() else _changed(path)


@contextlib.contextmanager
def _unused(environment: Path) -> Iterator[bool]:
    """Whether no run uses an environment; none begins to while this holds its lock."""
    try:
        lock = os.open(environment / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        yield False
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        yield False
    else:
        yield True
    finally:
        os.close(lock)
