"""Why the runs that a verb shows wait. Called by `runs` and `show`."""

from functools import cached_property

from reconciler.cli import _clock
from reconciler.cli._place import Place
from reconciler.core import rows
from reconciler.core.waiting import next_move, waiting
from reconciler.daemon import client
from reconciler.model.plan import Json
from reconciler.model.state import Observed, Run, State
from reconciler.stores import Log

BY_ITSELF = {State.RUNNING, State.RETRYING}
"""What goes on without a daemon."""


class Waits:
    """Looks at the other runs, and for a daemon, only where a run waits for them; each once."""

    def __init__(self, place: Place, log: Log) -> None:
        self._place = place
        self._log = log
        self.now = _clock.now()

    def of(self, row: dict[str, Json]) -> dict[str, Json] | None:
        """`{reason, since, until, next}` of a run that waits, else None."""
        run = rows.run_of(row)
        found = None if run.final else waiting(self._others(run), run, self.now)
        return found and {**found, "next": self._served(run, found["next"])}

    def next(self, row: dict[str, Json]) -> str | None:
        """What happens to a run that is not over."""
        run = rows.run_of(row)
        return None if run.final else self._served(run, next_move(self._others(run), run, self.now))

    def _served(self, run: Run, move: str) -> str:
        if run.state in BY_ITSELF or self._daemon:
            return move
        return f"nothing until a daemon serves (reconciler serve); then: {move}"

    def _others(self, run: Run) -> Observed:
        return self._live if run.state is State.AWAITING_CONCURRENCY_SLOT else Observed()

    @cached_property
    def _daemon(self) -> bool:
        return client.answers(self._place.state)

    @cached_property
    def _live(self) -> Observed:
        """The runs that are not over, without the deployments."""
        observed = Observed()
        for row in self._log.live_runs():
            observed.place(rows.run_of(row))
        return observed
