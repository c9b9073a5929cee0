"""The versions of a deployment, read from the log page by page. Called by daemon/quarantines and by reading verbs."""

from collections.abc import Iterator
from heapq import merge

from reconciler.core.versions import OWN, Version, versions
from reconciler.model.fact import REPOSITORY, Event
from reconciler.stores import Log

PAGE = 1000
APPLIED = ("RevisionApplied",)
PREVIEWED = ("PreviewApplied",)


def read(log: Log, name: str) -> Iterator[Version]:
    """Every version in order; none for a name that the log never had."""
    return versions(name, _merged(log, name))


def _merged(log: Log, name: str) -> Iterator[Event]:
    """The facts about the deployment and the applied revisions, by number."""
    own = _paged(log, subject=name, types=OWN)
    left = next(own, None)
    if left is None:
        return
    # What was applied before there was a deployment of this name says nothing of it.
    applied = _paged(log, subject=REPOSITORY, types=APPLIED, after=left.seq)
    if branch := left.data.get("preview"):
        moves = _paged(log, subject=branch, types=PREVIEWED, after=left.seq)
        applied = merge(applied, moves, key=lambda event: event.seq)
    right = next(applied, None)
    while left or right:
        if right is None or (left is not None and left.seq < right.seq):
            assert left is not None  # noqa: S101 - one of them is there
            yield left
            left = next(own, None)
        else:
            yield right
            right = next(applied, None)


def _paged(log: Log, *, subject: str, types: tuple[str, ...], after: int = 0) -> Iterator[Event]:
    while page := log.events(after, limit=PAGE, types=types, subject=subject):
        yield from page
        after = page[-1].seq
