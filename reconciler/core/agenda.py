"""When to look at which deployment, and the slots computed ahead of time. Called by the loop.

What is due costs what is due and not what is deployed; and while nothing else is to do, the slot after each next one is
computed, so that many slots due at once start quickly.
"""

import heapq
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from reconciler.core.rest import first_due, next_after, resting
from reconciler.model.ids import instant, moment
from reconciler.model.plan import Json
from reconciler.model.state import Observed


class Agenda:
    """A heap of the next looks, by deployment."""

    def __init__(self, names: Iterable[str]) -> None:
        self._unknown = set(names)
        self._at: dict[str, datetime] = {}
        self._heap: list[tuple[datetime, str]] = []
        self._last: datetime | None = None

    def touch(self, names: Iterable[str]) -> None:
        """These changed: their next slots are to be looked at again."""
        self._unknown.update(names)

    def ripe(self, now: datetime) -> list[str]:
        """The deployments to look at now: all of them when the clock was set back, as the looks were set by it."""
        if self._last is not None and now < self._last:
            self._unknown.update(self._at)
        self._last = now
        while self._heap and (self._heap[0][0] <= now or self._at.get(self._heap[0][1]) != self._heap[0][0]):
            at, name = heapq.heappop(self._heap)
            if self._at.get(name) == at:
                del self._at[name]
                self._unknown.add(name)
        return sorted(self._unknown)

    def learn(self, wakes: Mapping[str, datetime | None]) -> None:
        """What looking at them said."""
        for name, at in wakes.items():
            self._unknown.discard(name)
            if at is None:
                self._at.pop(name, None)
            elif self._at.get(name) != at:
                self._at[name] = at
                heapq.heappush(self._heap, (at, name))

    def wake_at(self, now: datetime) -> datetime | None:
        """When the next one is to be looked at: now, a later instant, or never."""
        if self._unknown:
            return now
        return self._heap[0][0] if self._heap else None


def look_ahead(observed: Observed) -> Iterator[None]:
    """Compute the slot after each next one, a schedule a step: the loop does this while nothing else is to do."""
    for deployment in list(observed.deployments.values()):
        for scheduled in deployment.schedules:
            if scheduled.following is None and not scheduled.ended and not resting(deployment, scheduled):
                first = first_due(scheduled)
                if first is not None:
                    scheduled.following = next_after(scheduled, first)
                yield


# --- a restart ------------------------------------------------------------------------------------------------------


def known(observed: Observed) -> dict[str, Json]:
    """The next slots that were computed, as JSON by deployment: a cache for the next start."""
    return {
        d.name: [d.digest, [[s.id, instant(s.accounted), instant(s.next_due)] for s in d.schedules if s.next_due]]
        for d in observed.deployments.values()
        if any(s.next_due for s in d.schedules)
    }


def remember(observed: Observed, kept: Mapping[str, Json]) -> None:
    """Take up what an earlier process computed, where the deployment and its place are still the same."""
    for name, (digest, slots) in kept.items():
        deployment = observed.deployments.get(name)
        if deployment is None or deployment.digest != digest:
            continue
        by_id = {ident: (accounted, following) for ident, accounted, following in slots}
        for scheduled in deployment.schedules:
            accounted, following = by_id.get(scheduled.id, ("", ""))
            if accounted == instant(scheduled.accounted):
                scheduled.next_due = moment(following)
