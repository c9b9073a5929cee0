"""A whole log folded to every row it should hold. Called by the verbs that check a log."""

from collections.abc import Iterable

from reconciler.core import project
from reconciler.daemon import ledger
from reconciler.model.events import Event
from reconciler.stores import Rows


def fold(events: Iterable[Event]) -> Rows:
    """The rows that follow from all events."""
    observed, touched = project.replay(events)
    return ledger.projected(observed, touched)
