"""Which slots are due."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from helpers_facts import NOW, a_deployment, a_run, a_scheduled, later, observed_of

from reconciler.core import project
from reconciler.core import rest as module
from reconciler.core.agenda import look_ahead
from reconciler.core.due import due, said
from reconciler.model.events import RunCreated, SlotsMissed
from reconciler.model.fact import Event
from reconciler.model.ids import instant, moment, run_id
from reconciler.model.state import Hold, State

EVERY_MINUTE = {"interval": 60, "anchor_date": "2026-11-22T00:00:00Z"}


def one(left=None, **fields):
    schedules = fields.pop("schedules", None) or (a_scheduled(**EVERY_MINUTE),)
    return observed_of(a_deployment(schedules=schedules, **fields), left=left)


def found(observed, now):
    return due(observed, now, lambda _deployment, own: "p" + str(sorted(own)))


def test_nothing_before_the_slot_and_the_wake_is_the_slot():
    told = found(one(), later(59.999999))
    assert (told.facts, told.wake_at) == ((), later(60))


def test_a_slot_on_its_second_runs_pinned():
    observed = one(digest="e" * 64, generation=4, tags=("t",), pool="p", queue="q", retries=2)
    told = found(observed, later(60))
    (run,) = told.facts
    assert isinstance(run, RunCreated)
    ident = observed.deployments["etl/nightly"].schedules[0].id
    assert run.run == run_id("etl/nightly", ident, later(60))
    assert (run.due, run.trigger, run.cause) == (instant(later(60)), "schedule", ident)
    assert (run.spec, run.generation, run.source_commit, run.spec_commit) == ("e" * 64, 4, "w" * 40, "s" * 40)
    assert (run.version, run.tags, run.pool, run.queue, run.retries) == ("w" * 8, ("t",), "p", "q", 2)
    assert told.wake_at == later(120)


GRACE = {
    "within the grace": (119, [60], None),
    "at its last microsecond": (120, [60, 120], None),
    "just past it": (120.000001, [120], (60, 60, 1)),
    "an hour away": (3630, [3600], (60, 3540, 59)),
}


@pytest.mark.parametrize(("now", "runs", "missed"), GRACE.values(), ids=GRACE)
@pytest.mark.parametrize("ahead", [False, True])
def test_the_grace(now, runs, missed, ahead):
    observed = one()
    if ahead:
        list(look_ahead(observed))
    facts = found(observed, later(now)).facts
    assert [f.due for f in facts if isinstance(f, RunCreated)] == [instant(later(s)) for s in runs]
    stretches = [(f.first, f.last, f.count) for f in facts if isinstance(f, SlotsMissed)]
    assert stretches == ([(instant(later(missed[0])), instant(later(missed[1])), missed[2])] if missed else [])


def test_a_year_down_is_one_fact_a_schedule():
    facts = found(
        one(schedules=(a_scheduled(**EVERY_MINUTE), a_scheduled(cron="0 * * * *"))), later(365 * 86_400)
    ).facts
    assert [f.count for f in facts if isinstance(f, SlotsMissed)] == [365 * 1440 - 2, 365 * 24 - 1]


@pytest.mark.parametrize(
    "fields",
    [{"paused": True}, {"suspended": Hold("r", "w", NOW)}, {"schedules": (a_scheduled(**EVERY_MINUTE, active=False),)}],
    ids=["paused", "suspended", "inactive"],
)
def test_what_stands_still_is_neither_due_nor_wakes(fields):
    told = found(one(**fields), later(600))
    assert (told.facts, told.wake_at) == ((), None)


def test_a_schedule_that_ends_wakes_nobody():
    observed = one(schedules=(a_scheduled(rrule="FREQ=DAILY;COUNT=1", anchor_date=None),))
    told = found(observed, NOW + timedelta(days=9_000))
    assert found(observed_of(a_deployment(schedules=())), NOW).wake_at is None
    assert told.wake_at is None


def test_a_schedules_own_parameters_and_identity():
    schedules = (a_scheduled(**EVERY_MINUTE), a_scheduled(**EVERY_MINUTE, parameters={"n": 1}))
    facts = found(one(schedules=schedules), later(60)).facts
    assert [f.parameters for f in facts] == ["p[]", "p['n']"]
    assert len({f.run for f in facts}) == 2


def test_nothing_is_due_again_when_the_clock_goes_back():
    observed = one(schedules=(a_scheduled(later(600), **EVERY_MINUTE),))
    assert found(observed, NOW).facts == ()
    assert found(observed, later(600)).facts == ()
    assert len(found(observed, later(660)).facts) == 1


def test_looking_ahead_changes_no_answer():
    plain, ahead = one(), one()
    list(look_ahead(ahead))
    assert ahead.deployments["etl/nightly"].schedules[0].following == later(120)
    assert found(plain, later(60)) == found(ahead, later(60))


def test_a_stretch_too_long_to_count_is_several(monkeypatch):
    monkeypatch.setattr(module, "MANY", 25)
    facts = [f for f in found(one(), later(3630)).facts if isinstance(f, SlotsMissed)]
    assert [(f.first, f.count) for f in facts] == [(instant(later(60 * n)), c) for n, c in ((1, 25), (26, 25), (51, 9))]


def test_the_fold_hour_fires_once_for_a_fixed_time():
    rule = {"cron": "30 1 * * *", "timezone": "America/New_York"}
    start = datetime(2026, 11, 1, 4, 0, tzinfo=UTC)
    observed = one(schedules=(a_scheduled(start, **rule),))
    (first,) = found(observed, datetime(2026, 11, 1, 5, 30, tzinfo=UTC)).facts
    assert first.due == "2026-11-01T05:30:00.000000Z"
    assert found(observed, datetime(2026, 11, 1, 5, 30, tzinfo=UTC)).wake_at == datetime(2026, 11, 2, 6, 30, tzinfo=UTC)


# --- catching up -----------------------------------------------------------------------------------------------------


def told(observed, now, **more):
    """The dues of the runs, and (first, last, count) of what is missed, in seconds after NOW."""
    facts = due(observed, now, lambda *_: "", **more).facts
    seconds = lambda text: (moment(text) - NOW).total_seconds()  # noqa: E731
    runs = [seconds(f.due) for f in facts if isinstance(f, RunCreated)]
    return runs, [(seconds(f.first), seconds(f.last), f.count) for f in facts if isinstance(f, SlotsMissed)]


HOUR = 3600
CATCHUP = {
    "none": ({}, [5 * HOUR], [(HOUR, 4 * HOUR, 4)]),
    "latest": ({"catchup": "latest"}, [4 * HOUR, 5 * HOUR], [(HOUR, 3 * HOUR, 3)]),
    "latest, too old": ({"catchup": "latest", "catchup_window": 300}, [5 * HOUR], [(HOUR, 4 * HOUR, 4)]),
    "latest, the only one": ({"catchup": "latest", "interval": 4 * HOUR}, [4 * HOUR], []),
    "all": ({"catchup": "all"}, [n * HOUR for n in range(1, 6)], []),
    "all in a window": (
        {"catchup": "all", "catchup_window": "PT2H"}, [n * HOUR for n in (4, 5)], [(HOUR, 3 * HOUR, 3)],
    ),
    "all, at the window's edge": (
        {"catchup": "all", "catchup_window": 2 * HOUR + 30}, [n * HOUR for n in (3, 4, 5)], [(HOUR, 2 * HOUR, 2)],
    ),
    "all, no window": ({"catchup": "all", "catchup_window": 0}, [5 * HOUR], [(HOUR, 4 * HOUR, 4)]),
}  # fmt: skip


@pytest.mark.parametrize(("fields", "runs", "missed"), CATCHUP.values(), ids=CATCHUP)
def test_what_becomes_of_slots_past_the_grace(fields, runs, missed):
    rule = {"interval": HOUR, "anchor_date": "2026-11-22T09:00:00Z"} | fields
    assert told(one(schedules=(a_scheduled(**rule),)), later(5 * HOUR + 30)) == (runs, missed)


def test_a_run_that_is_caught_up_says_how_late():
    latest = found(one(schedules=(a_scheduled(interval=HOUR, catchup="latest"),)), later(5 * HOUR - 60)).facts
    assert [f.reason for f in latest] == [
        "nobody looked within the grace of 60 s; only the latest is caught up", "caught up 59 min after its due",
    ]  # fmt: skip
    old = one(schedules=(a_scheduled(interval=86_400, anchor_date="2026-11-22", catchup="latest", catchup_window=9),))
    (missed,) = found(old, later(86_400)).facts
    assert missed.reason == "nobody looked within the grace of 60 s; older than the catchup_window of 9 s"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (90, "90 s"),
        (91, "1 min"),
        (3660, "1 h 1 min"),
        (86_400, "1 day"),
        (2 * 86_400 + 60, "2 days 1 min"),
    ],
)
def test_a_length_of_time_for_people(seconds, text):
    assert said(timedelta(seconds=seconds)) == text


def caught_up(observed, now, ran=lambda _run: False):
    """Look and make it so until nothing is left for now; the number of runs of each look."""
    looks = []
    while True:
        found = due(observed, now, lambda *_: "", ran=ran)
        for fact in found.facts:
            seq = observed.seq + 1
            project.fold(observed, Event(seq, fact.type, fact.subject, now, None, fact.data()), project.Touched())
        looks.append(sum(isinstance(f, RunCreated) for f in found.facts))
        if found.wake_at is None or found.wake_at > now:
            return looks, found.wake_at


def test_much_to_catch_up_goes_step_by_step_the_furthest_behind_first():
    def every(minutes, slug):
        return a_scheduled(interval=60 * minutes, anchor_date="2026-11-22T09:00:00Z", catchup="all", slug=slug)

    both = one(schedules=(every(1, "a"), every(10, "b")))
    looks, wake = caught_up(both, later(6 * HOUR))
    runs = sorted(both.runs.values(), key=lambda r: r.seq)
    assert Counter(r.cause for r in runs) == {"a": 360, "b": 36}
    assert max(looks) == 50
    assert wake == later(6 * HOUR + 60)
    assert [r.cause for r in runs[50:75]] == ["a"] * 25  # b had gone on to later slots by then


def test_while_many_runs_wait_slots_wait_to_be_caught_up():
    observed = one(schedules=(a_scheduled(**EVERY_MINUTE, catchup="all"),))
    for number in range(999):
        observed.place(a_run(number, deployment="other/one"))
    looks, wake = caught_up(observed, later(6 * HOUR))
    assert (sum(looks), wake) == (1, later(6 * HOUR + 1))
    for run in list(observed.runs.values())[:100]:
        run.state = State.CANCELLED
        observed.place(run)
    assert sum(caught_up(observed, later(6 * HOUR))[0]) == 100


# --- jitter and clocks -----------------------------------------------------------------------------------------------


def test_jitter_spreads_deployments_and_never_moves_a_slot():
    rule = EVERY_MINUTE | {"jitter": "PT5M"}
    starts = set()
    for number in range(50):
        deployment = a_deployment(f"etl/{number}", schedules=(a_scheduled(**rule),))
        runs = found(observed_of(deployment), later(120)).facts
        (offset,) = {moment(run.start_at) - moment(run.due) for run in runs}
        starts.add(offset)
        assert timedelta() <= offset <= timedelta(minutes=5)
    assert len(starts) == 50
    assert max(starts) - min(starts) > timedelta(minutes=4)
    (plain,) = found(one(), later(60)).facts
    assert plain.start_at is None


def test_a_clock_that_was_years_ahead_does_not_stop_a_schedule():
    observed = one(schedules=(a_scheduled(later(10 * 365 * 86_400), **EVERY_MINUTE),))
    assert caught_up(observed, later(60), lambda run: run in observed.runs) == ([2], later(120))
    assert caught_up(observed, later(90), lambda run: run in observed.runs) == ([0], later(120))
    assert caught_up(observed, later(120), lambda run: run in observed.runs) == ([1], later(180))


def test_a_schedule_that_comes_again_runs_no_slot_that_ran_before_the_clock_was_set_back():
    observed = one(left=later(300))
    ident = observed.deployments["etl/nightly"].schedules[0].id
    ran = run_id("etl/nightly", ident, later(60))
    skip, run = due(observed, later(120), lambda *_: "", ran=lambda run: run == ran).facts
    assert (skip.type, skip.first, skip.last, skip.count) == ("SlotsSkipped", instant(later(60)), instant(later(60)), 1)
    assert ran in skip.reason
    assert run.due == instant(later(120))
