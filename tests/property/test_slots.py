"""No slot twice and none lost, over a clock that jumps, sleeps and is set right again, across daylight saving.

The wait is the loop's: until the agenda's next look by the wall clock, at most a minute by the other one.
"""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from helpers_facts import a_ledger, a_rule, a_spec, apply, desired_of, history, rows_of, tell

from reconciler.core.agenda import Agenda, look_ahead
from reconciler.core.due import due
from reconciler.daemon.loop import IDLE
from reconciler.model.errors import NotFoundError
from reconciler.model.events import RunMoved
from reconciler.model.ids import moment
from reconciler.schedules import load

STARTS = (datetime(2026, 3, 29, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 0, 30, tzinfo=UTC))
"""Paris: the hour that does not exist, and the one that comes twice."""
PARIS = "Europe/Paris"
RULES = (
    {"cron": "*/5 * * * *", "timezone": PARIS},
    {"cron": "30 2 * * *", "timezone": PARIS, "catchup": "latest"},
    {"interval": 90, "catchup": "all", "catchup_window": 7200, "jitter": 30},
    {"interval": "P1D", "timezone": PARIS, "anchor_date": "2026-01-01T02:15:00[Europe/Paris]", "catchup": "all"},
    {"rrule": "FREQ=MINUTELY;INTERVAL=20", "timezone": PARIS, "catchup": "latest"},
)
AGAIN = -1.2
"""Days back, to hours whose slots ran."""


class Machine:
    """A wall clock that can be set and a machine that can sleep, around the real agenda, decisions and log."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.ledger = a_ledger()
        self.start = self.true = self.rng.choice(STARTS)
        self.skew = timedelta()
        self.rules = {rule["id"]: rule for rule in (a_rule(**r) for r in self.rng.sample(RULES, 3))}
        spec = a_spec("etl/a", schedules=list(self.rules.values()))
        apply(self.ledger, desired_of(spec, a_spec("etl/b"), revision="r1"), now=self.start)
        self.agenda = Agenda(self.ledger.observed.deployments)

    @property
    def now(self) -> datetime:
        return self.true + self.skew

    def wait(self, most: float) -> None:
        """As the loop waits: by the wall clock's word, but never longer than a minute."""
        wake = self.agenda.wake_at(self.now)
        left = min((wake - self.now).total_seconds() if wake else IDLE, IDLE, most)
        self.true += timedelta(seconds=max(0.0, left))

    def look(self) -> None:
        for _ in range(500):
            ripe = self.agenda.ripe(self.now)
            if not ripe:
                return
            if self.rng.random() < 0.3:
                list(look_ahead(self.ledger.observed))
            found = due(self.ledger.observed, self.now, lambda *_: "", ripe, ran=self.ran)
            self.agenda.touch(self.ledger.stage(found.facts, self.now))
            self.ledger.flush()
            self.agenda.learn(found.wakes)
            self.finish()
        raise AssertionError("it is never done")

    def finish(self) -> None:
        """Runs end at once: the log alone knows them from now on."""
        for run in list(self.ledger.observed.runs.values()):
            over = RunMoved(run=run.id, state="Cancelled", attempt=run.attempt, reason="over")
            tell(self.ledger, over, now=self.now)

    def ran(self, run: str) -> bool:
        try:
            return bool(self.ledger.store.run(run))
        except NotFoundError:
            return False

    def spend(self, seconds: float) -> None:
        end = self.true + timedelta(seconds=seconds)
        while self.true < end:
            self.wait((end - self.true).total_seconds())
            self.look()

    def told(self) -> dict[str, tuple[Counter[datetime], Counter[datetime]]]:
        """Of each schedule: the slots that have a run, and those told as missed or skipped."""
        found = {ident: (Counter(), Counter()) for ident in self.rules}
        for event in history(self.ledger.store):
            data = event.data
            if event.type == "RunCreated":
                found[data["cause"]][0][moment(data["due"])] += 1
            elif event.type in ("SlotsMissed", "SlotsSkipped"):
                first, last = moment(data["first"]), moment(data["last"])
                slots = load(self.rules[data["schedule"]]).slots(first - timedelta(microseconds=1), until=last)
                found[data["schedule"]][1].update(slots)
        return found

    def expected(self, ident: str, until: datetime) -> list[datetime]:
        return list(load(self.rules[ident]).slots(self.start, until=until))


def live(machine: Machine, hours: float) -> None:
    """Some hours of a machine that wakes, sleeps, restarts, and whose clock is wrong by less than a day."""
    rng, end = machine.rng, machine.true + timedelta(hours=hours)
    while machine.true < end:
        machine.spend(rng.choice((1, 30, 61, 600)))
        what = rng.random()
        if what < 0.2:
            machine.true += timedelta(seconds=rng.choice((59, 61, 1000, 20_000)))  # asleep
        elif what < 0.4:
            machine.skew = timedelta(seconds=rng.choice((0, -0.5, 5, -70, 300, -3600, 7300, 40_000, -40_000)))
        elif what < 0.5:
            machine.ledger.drop()
            machine.agenda = Agenda(machine.ledger.observed.deployments)
        machine.look()


@pytest.mark.parametrize("seed", range(16))
def test_every_slot_has_one_fate_whatever_the_clock_does(seed: int):
    machine = Machine(seed)
    live(machine, 30)
    machine.skew = timedelta()
    machine.look()
    ahead = max(s.accounted for s in machine.ledger.observed.deployments["etl/a"].schedules)
    machine.true = max(machine.true, ahead) + timedelta(seconds=30)
    machine.look()
    machine.spend(7200)
    for ident, (runs, others) in machine.told().items():
        fates = runs + others
        assert max(fates.values(), default=0) <= 1, ident
        assert sorted(fates) == machine.expected(ident, machine.now), ident
    assert machine.ledger.store.verify(rows_of).problems == ()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("days", [AGAIN, -40, 40], ids=lambda d: f"{d} days")
def test_a_clock_that_was_very_wrong_runs_nothing_twice_and_goes_on_when_set_right(seed: int, days: int):
    machine = Machine(seed)
    machine.spend(30 * 3600 if days == AGAIN else 3 * 3600)
    machine.skew = timedelta(days=days)
    machine.look()
    machine.spend(3600)
    machine.skew = timedelta()
    machine.look()
    begun = machine.now
    machine.spend(3 * 3600)
    for ident, (runs, others) in machine.told().items():
        assert max(runs.values(), default=0) <= 1, ident
        now = [slot for slot in machine.expected(ident, machine.now) if slot > begun]
        assert [slot for slot in now if not runs[slot]] == [], ident
        lost = [slot for slot in machine.expected(ident, machine.now) if not runs[slot] and not others[slot]]
        assert lost == [], ident


def test_a_machine_that_slept_is_heard_of_within_a_minute_of_its_own_clock():
    machine = Machine(1)
    machine.spend(1)
    far = machine.agenda.wake_at(machine.now)
    assert far is not None
    machine.true += timedelta(hours=5)
    before = machine.true
    machine.wait(3600)
    machine.look()
    assert machine.true - before <= timedelta(seconds=IDLE)
    accounted = [s.accounted for s in machine.ledger.observed.deployments["etl/a"].schedules]
    assert max(accounted) > before - timedelta(hours=1)
