"""Which slots are due."""

from datetime import UTC, datetime, timedelta

import pytest
from helpers_facts import NOW, a_deployment, a_scheduled, later, observed_of

from reconciler.core import rest as module
from reconciler.core.agenda import look_ahead
from reconciler.core.due import due
from reconciler.model.events import RunCreated, SlotsMissed
from reconciler.model.ids import instant, run_id
from reconciler.model.state import Hold

EVERY_MINUTE = {"interval": 60, "anchor_date": "2026-11-22T00:00:00Z"}


def one(**fields):
    schedules = fields.pop("schedules", None) or (a_scheduled(**EVERY_MINUTE),)
    return observed_of(a_deployment(schedules=schedules, **fields))


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
