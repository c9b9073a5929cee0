"""Runs that are not over, filed so that the next to start is found without looking at all. Kept by `Observed`.

No decision is made here: core/admit says which deployments are full, and looks at the fronts of the lanes.
"""

from collections import Counter
from datetime import datetime
from heapq import heapify, heappop, heappush
from typing import Generic, Protocol, TypeVar

Key = tuple[datetime, int, str]
"""What a pile is ordered by: an instant, the order of creation, the run."""
Lane = tuple[str, str]
"""A work pool and a queue of it."""
SLACK = 64
"""Entries of runs that left, which a pile may hold before it is tidied."""


class Filed(Protocol):
    """What is filed here: a run."""

    @property
    def id(self) -> str: ...  # noqa: D102 - as in model/state.Run, and so below
    @property
    def seq(self) -> int: ...  # noqa: D102
    @property
    def deployment(self) -> str: ...  # noqa: D102
    @property
    def pool(self) -> str: ...  # noqa: D102
    @property
    def queue(self) -> str: ...  # noqa: D102
    @property
    def turn(self) -> datetime: ...  # noqa: D102
    @property
    def ready_at(self) -> datetime: ...  # noqa: D102


R = TypeVar("R", bound=Filed)


class Pile:
    """Runs by the order of their keys. What left is forgotten when it comes to the top."""

    __slots__ = ("_heap", "_in")

    def __init__(self) -> None:
        self._heap: list[Key] = []
        self._in: dict[str, Key] = {}

    def __len__(self) -> int:
        return len(self._in)

    def __contains__(self, run: str) -> bool:
        return run in self._in

    def put(self, run: Filed, at: datetime) -> None:
        """File a run under an instant; again under the same changes nothing."""
        key = (at, run.seq, run.id)
        if self._in.get(run.id) != key:
            self._in[run.id] = key
            heappush(self._heap, key)

    def drop(self, run: str) -> None:
        """Forget a run, there or not."""
        if self._in.pop(run, None) is not None and len(self._heap) > 2 * len(self._in) + SLACK:
            self._heap = list(self._in.values())
            heapify(self._heap)

    def first(self) -> Key | None:
        """The first key, None of an empty pile."""
        heap = self._heap
        while heap and self._in.get(heap[0][2]) != heap[0]:
            heappop(heap)
        return heap[0] if heap else None

    def take(self) -> Key | None:
        """The first key, which leaves."""
        first = self.first()
        if first is not None:
            heappop(self._heap)
            del self._in[first[2]]
        return first


class Lanes(Generic[R]):
    """Who holds a slot, who waits for one, and who waits for its time."""

    __slots__ = ("fronts", "held", "parked", "pools", "queues", "ripened", "stirred", "times", "turned", "waits")

    def __init__(self) -> None:
        self.held: dict[str, dict[str, R]] = {}
        """Runs that hold a slot, by deployment."""
        self.queues: Counter[Lane] = Counter()
        self.pools: Counter[str] = Counter()
        """How many hold a slot of a queue, of a pool."""
        self.waits: dict[str, dict[str, R]] = {}
        """Runs that wait for a slot, by deployment."""
        self.times = Pile()
        """Runs that wait for their time."""
        self.ripened: dict[str, R] = {}
        """Those whose time has come and that nobody decided about yet."""
        self.fronts: dict[Lane, Pile] = {}
        """Who waits in a lane, but for those parked, by due."""
        self.parked: dict[str, dict[Lane, Pile]] = {}
        """By deployment: who was found to wait for a slot of the deployment itself, out of the others' way."""
        self.stirred: set[str] = set()
        """Deployments of which a run moved, or whose limit changed: of their parked runs some may go on."""
        self.turned: set[str] = set()
        """Work pools and deployments declared otherwise: who waits there may wait for something else now."""

    def file(self, run: R, *, holds: bool, waits: bool, queued: bool) -> None:
        """Put a run where its state belongs; nowhere when it is over."""
        self.stirred.add(run.deployment)
        lane = (run.pool, run.queue)
        if _filed(self.held, run, there=holds):
            step = 1 if holds else -1
            self.queues[lane] += step
            self.pools[run.pool] += step
        if _filed(self.waits, run, there=waits) and waits and not self._is_parked(run, lane):
            self.come(run)
        if not waits:
            self._leave(run, lane)
        if not queued:
            self.ripened.pop(run.id, None)
            self.times.drop(run.id)
        elif run.id not in self.ripened:
            self.times.put(run, run.ready_at)

    def ripe(self, now: datetime, runs: dict[str, R]) -> list[R]:
        """The runs whose time has come and that nobody decided about yet."""
        while (first := self.times.first()) is not None and first[0] <= now:
            self.times.take()
            self.ripened[first[2]] = runs[first[2]]
        return list(self.ripened.values())

    def come(self, run: R) -> None:
        """A run lines up in its lane."""
        self.fronts.setdefault((run.pool, run.queue), Pile()).put(run, run.turn)

    def park(self, run: R) -> None:
        """A run steps aside, as its deployment is full."""
        lane = (run.pool, run.queue)
        self.parked.setdefault(run.deployment, {}).setdefault(lane, Pile()).put(run, run.turn)

    def unpark(self, deployment: str, runs: dict[str, R], most: int) -> None:
        """The first `most` of each lane that stepped aside for a deployment line up again."""
        piles = self.parked.get(deployment, {})
        for lane, pile in list(piles.items()):
            for _ in range(min(most, len(pile))):
                key = pile.take()
                if key is not None:
                    self.come(runs[key[2]])
            if not pile:
                del piles[lane]
        if not piles:
            self.parked.pop(deployment, None)

    def turn(self, what: str) -> None:
        """A work pool or deployment is declared otherwise."""
        if self.waits:
            self.turned.add(what)
            self.stirred.add(what)

    def _is_parked(self, run: R, lane: Lane) -> bool:
        piles = self.parked.get(run.deployment, {})
        return lane in piles and run.id in piles[lane]

    def _leave(self, run: R, lane: Lane) -> None:
        if lane in self.fronts:
            self.fronts[lane].drop(run.id)
        if run.deployment in self.parked and lane in self.parked[run.deployment]:
            self.parked[run.deployment][lane].drop(run.id)


def _filed(groups: dict[str, dict[str, R]], run: R, *, there: bool) -> bool:
    """Put a run into its deployment's group, or take it out; whether that changed anything."""
    group = groups.get(run.deployment, {})
    if (run.id in group) == there:
        return False
    if there:
        groups.setdefault(run.deployment, group)[run.id] = run
    else:
        del group[run.id]
        if not group:
            del groups[run.deployment]
    return True
