"""The loop: one turn in a straight line, and the only writer of the log. Started by daemon/wiring.

A turn takes what came in (a read of git, a person's wish, a run's report), decides, makes every fact durable in one
append, and only then acts: answers, launches, kills. All waiting is in `_wait`; nothing calls back.
"""

import contextlib
import logging
import queue
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from reconciler import plugins, pools
from reconciler.core import admit, due, pinned, plan, report, suspension
from reconciler.core.admit import Host
from reconciler.core.plan import Policy
from reconciler.core.report import Report
from reconciler.daemon import said
from reconciler.daemon.acts import Acts
from reconciler.daemon.crumbs import Busy, Crumbs
from reconciler.daemon.dues import Dues
from reconciler.daemon.ledger import Ledger
from reconciler.daemon.payloads import Payloads
from reconciler.daemon.previews import Previews
from reconciler.daemon.reading import CACHE, Branches, Previewed, Read, Unchanged, Unreadable
from reconciler.daemon.supervise import Supervisor
from reconciler.model.errors import InvalidRequestError, ReconcilerError, StaleHeadError, StoreError
from reconciler.model.events import SourceFound, SourceLost
from reconciler.model.fact import Event, Fact
from reconciler.model.plan import Action, Json, Plan

log = logging.getLogger("reconciler")

IDLE = 60.0
"""Seconds between turns when nothing is known to come: a jump of the clock is noticed by then."""
BATCH = 512
"""Messages taken in one turn."""


@dataclass(frozen=True, slots=True)
class Request:
    """A person's wish: `decide` runs on the loop and returns (answer, facts); the answer is given once durable."""

    decide: "Callable[[Loop, datetime], tuple[Json, list[Fact]]]"
    answer: Future[Any] = field(default_factory=Future)


@dataclass(frozen=True, slots=True)
class Stop:
    """End the loop."""


Message = Read | Unchanged | Unreadable | Branches | Previewed | Request | Report | Stop


class Loop:
    """Decides and appends; owns the ledger."""

    def __init__(
        self,
        ledger: Ledger,
        supervisor: Supervisor,
        clock: Callable[[], datetime],
        policy: Policy,
        places: int,
        inbox: "queue.SimpleQueue[Message]",
    ) -> None:
        self.ledger = ledger
        self.payloads = Payloads(ledger)
        self.inbox = inbox
        self.acts = Acts(supervisor, self.payloads, inbox.put)
        self._clock = clock
        self._policy = policy
        self._host = Host(places, frozenset(plugins.words(pools)))
        self._read: Read | None = None
        self._keep: Read | None = None
        self._told: list[Plan] = []
        """Plans staged in this turn: said in the daemon's output once they are durable."""
        self._unheard: list[Message] = []
        """What git said in a turn that could not be made durable: nobody would say it again."""
        self._dues = Dues(ledger)
        self._failures = 0
        self._acted = ledger.observed.seq
        """How far the log was carried out; what comes before a start, `adopt` carries out."""
        self.once = False
        """Whether to end when git was read and no run is left."""
        self._looked = False
        self._stopping = False
        self.takers: Callable[[], Mapping[str, admit.Taker]] = dict
        """Asked which processes of users take the runs of which deployments over."""
        self.grace = timedelta(seconds=30)
        """From a cancelled run's SIGTERM to its SIGKILL, as the supervisor keeps it."""
        self.crumbs = Crumbs()
        """What is at hand, noted for the next daemon."""
        self.previews = Previews()
        self.settled: Callable[[str], None] = lambda _revision: None
        """Told when what was read at a revision is applied and kept."""
        self.durable: Callable[[list[Event]], None] = lambda _events: None
        """Told of events once they are durable and carried out; it returns at once."""

    def run(self) -> None:
        """Turn until told to stop."""
        while self._turn(self._take()):
            pass
        self.save()
        self._dues.keep()

    def _take(self) -> list[Message]:
        """The messages that are there, or the first that comes before something is due by time."""
        messages: list[Message] = []
        try:
            messages.append(self.inbox.get(timeout=self._wait()))
            while len(messages) < BATCH:
                messages.append(self.inbox.get_nowait())
        except queue.Empty:
            pass
        return messages

    def _wait(self) -> float:
        """Seconds until something is due; uses the time to look ahead first."""
        if self._failures:
            return report.backoff(self._failures, "log")
        self.save()
        self.ledger.checkpoint()
        now = self._clock()
        observed = self.ledger.observed
        all_wakes = (
            self._dues.agenda.wake_at(now),
            admit.wake_at(observed),
            suspension.wake_at(observed),
            self.previews.wake_at(),
        )
        wakes = [w for w in all_wakes if w]
        left = min([(w - now).total_seconds() for w in wakes], default=IDLE)
        for _ in self._dues.ahead:
            left = min(left, (min(wakes) - self._clock()).total_seconds() if wakes else left)
            if left < 0.02 or not self.inbox.empty():  # noqa: PLR2004 - a schedule takes well under 20 ms
                break
        else:
            self._dues.keep(once=True)
        return max(0.0, min(left, IDLE))

    def _turn(self, messages: list[Message]) -> bool:
        """Take messages in; whether to go on."""
        now = self._clock()
        answers: list[tuple[Future[Any], Json]] = []
        messages = [*self._unheard, *messages]
        self._unheard = []
        try:
            if self.ledger.recover():
                self._dues.renew()
            self._catch_up()
            self._slots(now)
            for message in messages:
                self._handle(message, now, answers)
            self.previews.decide(self.ledger.observed, now, lambda facts: self.stage(facts, now), self.payloads)
            self._admit(now)
            events = self.ledger.flush()
        except (StoreError, StaleHeadError) as error:
            self._failed(error, messages)
            return not self._stopping
        except Exception as error:
            # A bug, met by one message: it must not end the daemon, nor take the others with it.
            log.exception("a turn of the loop failed")
            return self._apart(error, messages)
        self._failures = 0
        self.payloads.stored()
        while self._told:
            said.applied(self._told.pop(0))
        self.previews.stored(self.ledger.store, self.ledger.observed)
        for answer, value in answers:
            answer.set_result(value)
        self._carry_out(events)
        idle = self._looked and self.previews.settled and not self.ledger.observed.runs
        return not (self._stopping or (self.once and idle))

    def _carry_out(self, events: list[Event]) -> None:
        self._acted = self.ledger.observed.seq
        self.acts.carry_out(events, self.ledger.observed)
        self.durable(events)

    def _catch_up(self) -> None:
        """Carry out what became durable though its append was said to have failed. Raises StoreError."""
        if self.ledger.observed.seq > self._acted:
            self._carry_out(self.ledger.store.events(self._acted, limit=self.ledger.observed.seq))

    def _failed(self, error: ReconcilerError, messages: list[Message]) -> None:
        """The log cannot be written: nothing happened. People are told; what git and runs say is taken up again."""
        self._undo()
        self.previews.stir()
        self._failures += 1
        log.error("the log cannot be written, trying again: %s", error)
        for message in messages:
            if isinstance(message, Request):
                if not message.answer.done():
                    message.answer.set_exception(error)
            elif isinstance(message, Report):
                self.acts.again(message.run)
            elif not isinstance(message, Stop):
                self._unheard.append(message)

    def _apart(self, error: Exception, messages: list[Message]) -> bool:
        """A turn for each message alone; one that fails alone is left out, and told."""
        self._undo()
        if len(messages) > 1:
            return min([self._turn([message]) for message in messages])
        for message in messages:
            if isinstance(message, Request) and not message.answer.done():
                message.answer.set_exception(ReconcilerError("internal error; the daemon's log has the details"))
            elif isinstance(message, Report) and (message.exit or message.dead):
                self._give_up(message, error)
            elif isinstance(message, Read):
                what = f"revision {message.desired.revision[:8]} cannot be planned: {type(error).__name__}"
                self.inbox.put(Unreadable(what))
        self._failures += not messages  # time alone met it: not again at once
        return not self._stopping

    def _give_up(self, message: Report, error: Exception) -> None:
        """What a run said of its end cannot be recorded: that much can, so that it does not run for ever."""
        final = {"fact": "failed", "message": f"what the run reported cannot be recorded: {type(error).__name__}"}
        if message.final is not None and message.final.get("message") != final["message"]:
            self.inbox.put(Report(message.run, message.attempt, (), final, None, dead=True))

    def _undo(self) -> None:
        """Nothing of this turn happened."""
        self._keep = None
        self.previews.undone()
        self.payloads.forget()
        with contextlib.suppress(StoreError):
            self.ledger.drop()
        self._dues.renew()

    def _handle(self, message: Message, now: datetime, answers: list[tuple[Future[Any], Json]]) -> None:
        self._looked = self._looked or isinstance(message, Read | Unchanged | Unreadable)
        if isinstance(message, Read):
            self._reconcile(message, now)
        elif isinstance(message, Unchanged):
            self._found(message.revision, now)
        elif isinstance(message, Unreadable):
            self._lost(message, now)
        elif isinstance(message, Branches | Previewed):
            self.previews.take(message)
        elif isinstance(message, Report):
            self._reported(message, now)
        elif isinstance(message, Request):
            self._requested(message, now, answers)
        else:
            self._stopping = True

    def _requested(self, request: Request, now: datetime, answers: list[tuple[Future[Any], Json]]) -> None:
        try:
            value, facts = request.decide(self, now)
            self.stage(facts, now)
        except StoreError:
            raise
        except ReconcilerError as error:
            request.answer.set_exception(error)
        except Exception as error:
            # One wish that was not foreseen must not end the daemon for all others.
            log.exception("a request failed")
            request.answer.set_exception(InvalidRequestError(f"the request cannot be decided: {error}"))
        else:
            answers.append((request.answer, value))

    def stage(self, facts: list[Fact], now: datetime) -> None:
        """Fold facts with the payloads they name; durable at the end of the turn."""
        if facts:
            self._dues.agenda.touch(self.ledger.stage(facts, now, self.payloads.new()))

    # --- git ---------------------------------------------------------------------------------------------------

    def _reconcile(self, read: Read, now: datetime) -> None:
        self._found(read.desired.revision, now)
        self._read = replace(read, desired=self.payloads.with_specs(read.desired))
        self.apply(now)

    def _found(self, revision: str, now: datetime) -> None:
        if self.ledger.observed.stale:
            self.stage([SourceFound(revision=revision)], now)

    def apply(self, now: datetime) -> None:
        """Plan what git says now and stage what follows; again after a confirmation."""
        if self._read is None:
            return
        observed, desired = self.ledger.observed, self._read.desired
        made = plan.plan(desired, observed, self._policy)
        facts = plan.facts(made, desired, observed)
        if facts and not made.refused:
            self.payloads.add_specs(self._read.texts, (c.declared for c in made.changes))
            facts = [*pinned.before(made, desired, observed, now), *facts]
        if facts:
            self.stage(facts, now)
            self._dues.look_ahead()
            self._told.append(made)
            if made.pools or any(change.action is not Action.UPDATE for change in made.changes):
                self.previews.stir()
        if not made.refused:
            self._keep = self._read

    def _lost(self, message: Unreadable, now: datetime) -> None:
        if not self.ledger.observed.stale and self.ledger.observed.branch:
            self.stage([SourceLost(reason=message.reason)], now)
        self.previews.looked = True
        log.warning("git cannot be read: %s", message.reason)

    def save(self) -> None:
        """Keep what was read of git for the next start, once it is applied: a cache, written when nothing waits."""
        keep, self._keep = self._keep, None
        if keep is None:
            return
        try:
            gone = [path for path, text in keep.rows.items() if not text]
            # Without the empty key nothing of it counts: a kill between the two leaves no file that is gone.
            self.ledger.store.cache_delete(CACHE, ["", *gone])
            self.ledger.store.cache_put(CACHE, {path: text for path, text in keep.rows.items() if text})
        except ReconcilerError as error:  # a name that no column holds, too: a cache must not end the daemon
            log.warning("what was read of git is not kept for the next start: %s", error)
        else:
            self.settled(keep.desired.revision)
            if self._read is keep:
                self._read = replace(keep, texts={}, rows={})

    # --- runs --------------------------------------------------------------------------------------------------

    def _slots(self, now: datetime) -> None:
        ripe = self._dues.agenda.ripe(now)
        if not ripe:
            return
        found = due.due(self.ledger.observed, now, self.payloads.parameters, ripe, ran=self._ran)
        self.stage(list(found.facts), now)
        self._dues.agenda.learn(found.wakes)
        if found.facts:
            self._dues.look_ahead()

    def _ran(self, run: str) -> bool:
        return self.ledger.run(run) is not None

    def _admit(self, now: datetime) -> None:
        observed = self.ledger.observed
        if not observed.runs:
            return
        self.stage(suspension.expired(observed, now), now)
        self.stage(admit.late(observed, now), now)
        self.stage(admit.admit(observed, now, self._host, self.takers()), now)

    def _reported(self, message: Report, now: datetime) -> None:
        run = self.ledger.observed.runs.get(message.run)
        if run is None:
            return
        self.crumbs.enter(Busy.HANDLING, run.id)
        facts = report.moves(run, self.payloads.recorded(message), now, self.payloads.spec(run.spec))
        self.stage(facts, now)
        self.crumbs.leave(Busy.HANDLING)
