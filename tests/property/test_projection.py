"""Every slot once and every projection the fold, over random pauses, changes, absences and clocks that jump."""

import random

import pytest
from helpers_facts import a_ledger, a_rule, a_spec, apply, desired_of, history, later, picture, rows_of, tell
from helpers_invariants import Account

from reconciler.core import admit, agenda, commands, due, plan, project, quarantine, report
from reconciler.core.plan import Policy
from reconciler.core.report import Report
from reconciler.daemon import past
from reconciler.daemon.ledger import load
from reconciler.model.errors import ConflictError
from reconciler.model.state import ACTIVE

RULES = (
    {"interval": 30},
    {"interval": 60, "slug": "s"},
    {"interval": 45, "slug": "s"},
    {"cron": "*/3 * * * *"},
    {"cron": "30 2 * * *", "timezone": "America/New_York"},
    {"rrule": "FREQ=MINUTELY;INTERVAL=7"},
    {"interval": 50, "active": False},
    {"interval": 40, "catchup": "latest", "catchup_window": 300, "jitter": 30},
    {"cron": "*/2 * * * *", "catchup": "all", "catchup_window": 3600, "slug": "all"},
    {"interval": 90, "catchup": "all", "slug": "all"},
    {"interval": 50},
)


class Story:
    """A deployment and what happens to it, told to a ledger by the decisions alone."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.ledger = a_ledger()
        self.account = Account(3)
        self.seen = 0
        self.seconds = 0.0
        self.revision = 0
        self.commit()

    @property
    def now(self):
        return later(self.seconds)

    def commit(self) -> None:
        self.revision += 1
        chosen = self.rng.sample(RULES, self.rng.randint(0, 3))
        rules = {rule["id"]: rule for rule in (a_rule(**each) for each in chosen)}
        spec = a_spec("etl/a", schedules=list(rules.values()), paused=self.rng.random() < 0.3)
        there = [spec] if self.rng.random() < 0.85 else []
        self.desired = desired_of(*there, a_spec("etl/other"), revision=f"r{self.revision}")
        apply(self.ledger, self.desired, now=self.now)

    def hold(self) -> None:
        observed = self.ledger.observed
        ask = self.rng.choice(("suspend", "resume", "quarantine", "release"))
        if "etl/a" not in observed.deployments:
            return
        try:
            if ask == "suspend":
                facts = commands.suspend(observed, "etl/a", self.now, "ada", "why")
            elif ask == "quarantine":
                facts = self.quarantine()
            elif ask == "release":
                facts = quarantine.release(observed, "etl/a", self.now, "ada", "why")
            else:
                facts = commands.resume(observed, "etl/a", self.now, "ada", "why")
        except ConflictError:
            return
        tell(self.ledger, *facts, now=self.now)

    def quarantine(self) -> list:
        had = [v for v in past.read(self.ledger.store, "etl/a") if v.what != "pruned"]
        held = self.rng.choice(had)
        return quarantine.quarantine(self.ledger.observed, "etl/a", held, now=self.now, who="ada", reason="why")

    def ran(self, run: str) -> bool:
        return any(row["id"] == run for row in self.ledger.store.runs(limit=10**9))

    def runs(self) -> None:
        tell(
            self.ledger,
            *admit.admit(self.ledger.observed, self.now, admit.Host(3, frozenset({"process"}))),
            now=self.now,
        )
        for run in list(self.ledger.observed.runs.values()):
            if run.state in ACTIVE and self.rng.random() < 0.7:
                said = Report(run.id, run.attempt, (), {"fact": "completed"}, {"code": self.rng.choice((0, 1))})
                tell(self.ledger, *report.moves(run, said, self.now, {}), now=self.now)

    def step(self) -> None:
        jump = (-200_000, -4000, -100, -20, 0, 1, 10, 30, 59, 60, 61, 130, 5000, 90_000)
        weights = (0.3, 1, 2, 4, 4, 9, 9, 9, 5, 9, 5, 5, 2, 1)
        self.seconds += self.rng.choices(jump, weights)[0]
        if self.rng.random() < 0.4:
            list(agenda.look_ahead(self.ledger.observed))
        for _ in range(200):
            told = due.due(self.ledger.observed, self.now, lambda *_: "", ran=self.ran)
            tell(self.ledger, *told.facts, now=self.now)
            if told.wake_at is None or told.wake_at > self.now:
                break
            if self.rng.random() < 0.1:  # a change meets slots that still wait to be caught up
                self.rng.choice((self.commit, self.hold))()
        else:
            raise AssertionError("it is never done")
        self.rng.choice((self.commit, self.hold, self.runs, self.runs, lambda: None))()
        for event in history(self.ledger.store)[self.seen :]:
            self.account.see(event)
            self.seen = event.seq
        self.account.settled(self.now)


@pytest.mark.parametrize("seed", range(70))
def test_every_slot_is_a_run_skipped_or_missed_exactly_once(seed: int):
    story = Story(seed)
    for _ in range(40):
        story.step()
    ledger = story.ledger
    folded = picture(project.replay(history(ledger.store))[0])
    assert folded == picture(ledger.observed) == picture(load(ledger.store))
    assert ledger.store.verify(rows_of).problems == ()


@pytest.mark.parametrize("seed", range(30))
def test_what_is_released_is_what_git_says(seed: int):
    story = Story(1000 + seed)
    for _ in range(25):
        story.step()
        live = story.ledger.observed.deployments.get("etl/a")
        assert plan.plan(story.desired, story.ledger.observed, Policy()).empty
        if live is not None and live.quarantine is not None and story.rng.random() < 0.3:
            tell(
                story.ledger,
                *quarantine.release(story.ledger.observed, "etl/a", story.now, "ada", "why"),
                now=story.now,
            )
    live = story.ledger.observed.deployments.get("etl/a")
    if live is not None and live.quarantine is not None:
        tell(story.ledger, *quarantine.release(story.ledger.observed, "etl/a", story.now, "ada", "why"), now=story.now)
    fresh = a_ledger()
    apply(fresh, story.desired, now=story.now)
    git, live = (ledger.observed.deployments.get("etl/a") for ledger in (fresh, story.ledger))
    assert (git is None) == (live is None)
    if git is not None:
        same = "digest file source label paused limit collision pool queue tags retries spec_commit invalid".split()
        assert [getattr(git, key) for key in same] == [getattr(live, key) for key in same]
        assert [s.rule for s in git.schedules] == [s.rule for s in live.schedules]
        assert live.quarantine is None
    assert plan.plan(story.desired, story.ledger.observed, Policy()).empty


@pytest.mark.parametrize("seed", range(8))
def test_a_restart_at_any_moment_decides_the_same(seed: int):
    kept, restarted = Story(seed), Story(seed)
    for _ in range(30):
        kept.step()
        restarted.ledger.drop()
        restarted.step()
    assert kept.ledger.store.head() == restarted.ledger.store.head()


def test_the_stories_hold_what_they_are_about():
    slots = sum((story.account.slots for story in map(_told, range(12))), start=type(Account().slots)())
    assert all(slots[kind] > 20 for kind in ("RunCreated", "caught up", "SlotsSkipped", "SlotsMissed"))


def _told(seed: int) -> Story:
    story = Story(seed)
    for _ in range(40):
        story.step()
    return story
