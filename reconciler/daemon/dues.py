"""The next slots: when to look at which deployment, computed ahead, kept for the next start. Owned by the loop."""

import contextlib
import json
from collections.abc import Iterator

from reconciler.core import agenda
from reconciler.daemon.ledger import Ledger
from reconciler.model.errors import StoreError
from reconciler.model.ids import canonical

KIND = "dues"
"""The kind under which next slots are cached in the store."""


class Dues:
    """What is to come, as far as it is computed."""

    ahead: Iterator[None]
    """Each step computes one more slot."""
    agenda: agenda.Agenda

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._kept = False
        agenda.remember(ledger.observed, json.loads(ledger.store.cache_get(KIND, "") or b"{}"))
        self.renew()

    def renew(self) -> None:
        """The state was read anew: so is what is to come."""
        self.look_ahead()
        self.agenda = agenda.Agenda(self._ledger.observed.deployments)

    def look_ahead(self) -> None:
        """Schedules or their slots changed: begin again."""
        self.ahead = agenda.look_ahead(self._ledger.observed)

    def keep(self, *, once: bool = False) -> None:
        """Keep the slots that were computed for the next start: there a crontab of thousands would take a second."""
        if not (once and self._kept):
            self._kept = True
            with contextlib.suppress(StoreError):
                self._ledger.store.cache_put(KIND, {"": canonical(agenda.known(self._ledger.observed))})
