"""Which slots of the past get a run, and the facts of it."""

from datetime import UTC, date, datetime

import pytest
from helpers_facts import NOW, a_deployment, a_rule, a_run, a_scheduled, later, observed_of

from reconciler.core import backfill, project
from reconciler.core.backfill import Asked, Wanted
from reconciler.model.errors import ConflictError, InvalidRequestError, NotFoundError
from reconciler.model.fact import Event
from reconciler.model.state import Hold, State

HOURLY = a_rule(interval=3600)
HOUR = HOURLY["id"]


def wanted(**fields) -> Wanted:
    given = {"deployment": "etl/nightly", "first": later(-3 * 3600), "last": NOW, "key": "k"}
    return Wanted(**given | fields)


def deployment(*rules, **fields):
    return a_deployment(schedules=tuple(a_scheduled(**rule) for rule in rules or ({"interval": 3600},)), **fields)


def found(*runs, known=None, **fields):
    return backfill.slots(known or deployment(), wanted(**fields), NOW, runs)


def asked(**fields) -> Asked:
    return Asked(wanted(**fields), NOW, "ada", lambda _deployment, own: f"p{sorted(own)}")


def ran(number, state=State.COMPLETED, at=-3600, **fields):
    return a_run(number, state=state, due=later(at), schedule=HOUR, **fields)


FATES = {
    "none": ([False, False, True, False], "none"),
    "failed": ([False, True, True, False], "failed"),
    "completed": ([True, True, True, False], "completed"),
}


@pytest.mark.parametrize(("runs", "reprocess"), FATES.values(), ids=FATES)
def test_which_slots_run(runs, reprocess):
    history = [
        ran(1, at=-3 * 3600),
        ran(2, at=-2 * 3600),
        ran(3, State.FAILED, at=-2 * 3600),
        ran(4, State.FAILED, at=0),
        ran(5, State.AWAITING_RETRY, at=0),
    ]
    slots = found(*history, reprocess=reprocess)
    assert [slot.due for slot in slots] == [later(n * 3600) for n in (-3, -2, -1, 0)]
    assert [slot.runs for slot in slots] == runs
    assert [slot.why for slot in slots] == [
        f"run {history[0].id} Completed", f"run {history[2].id} Failed", "it never ran",
        f"run {history[4].id} is AwaitingRetry",
    ]  # fmt: skip


def test_a_later_success_ends_a_failed_slot():
    slots = found(ran(1, State.FAILED), ran(2), first=later(-3600), last=later(-3600), reprocess="failed")
    assert [slot.runs for slot in slots] == [False]


def test_a_run_under_the_name_a_schedule_had_before_counts():
    known = deployment({"interval": 3600, "slug": "new", "replaces": "old"})
    run = a_run(1, state=State.COMPLETED, due=NOW, schedule="old")
    assert [slot.runs for slot in found(run, known=known, first=NOW)] == [False]


def test_every_active_schedule_or_the_one_that_is_named():
    known = deployment(
        {"interval": 3600, "slug": "a"},
        {"interval": 7200, "slug": "b"},
        {"interval": 60, "slug": "off", "active": False},
    )
    count = lambda **fields: len(found(known=known, **fields))  # noqa: E731
    assert (count(), count(schedule="b"), count(schedule="off")) == (6, 2, 181)


def test_a_day_is_midnight_on_the_schedules_clock():
    paris, utc = ({"cron": "0 * * * *", "slug": s, "timezone": s} for s in ("Europe/Paris", "UTC"))
    slots = found(known=deployment(paris, utc), first=date(2026, 11, 20), last=date(2026, 11, 21))
    for zone, hour in (("Europe/Paris", 23), ("UTC", 0)):
        dues = [slot.due for slot in slots if slot.scheduled.id == zone]
        assert dues[0] == datetime(2026, 11, 20 - (hour > 0), hour, tzinfo=UTC)
        assert len(dues) == 25


def test_the_span_ends_now():
    assert [slot.due for slot in found(first=later(-60), last=later(9e6))] == [NOW]


BAD = {
    "ahead": ({"first": later(60), "last": later(90)}, "is ahead"),
    "turned round": ({"first": NOW, "last": later(-1)}, "comes after"),
    "no such schedule": ({"schedule": "x"}, "no schedule 'x'"),
    "too many": ({"first": later(-10_001 * 3600)}, "more than 10000 slots"),
}


@pytest.mark.parametrize(("fields", "says"), BAD.values(), ids=BAD)
def test_what_names_no_usable_span_is_refused(fields, says):
    with pytest.raises(InvalidRequestError, match=says):
        found(**fields)
    with pytest.raises(InvalidRequestError, match="no active schedule"):
        found(known=deployment({"interval": 60, "active": False}))


@pytest.mark.parametrize("state", [{}, {"paused": True}, {"suspended": Hold("why", "who", NOW)}])
def test_the_request_and_its_runs_are_facts_that_fold(state):
    known = deployment({"interval": 3600, "parameters": {"n": 1}}, generation=7, tags=("t",), pool="p", **state)
    observed = observed_of(known)
    request, *runs = backfill.facts(observed, asked(), found(known=known))
    assert (request.type, request.count, request.who, request.reprocess) == ("BackfillRequested", 4, "ada", "none")
    assert [run.due for run in runs] == sorted(run.due for run in runs)
    assert {(r.trigger, r.cause, r.who, r.generation, r.parameters, r.pool) for r in runs} == {
        ("backfill", "k", "ada", 7, "p['n']", "p")
    }
    accounted = known.schedules[0].accounted
    for seq, fact in enumerate((request, *runs), 1):
        project.fold(observed, Event(seq, fact.type, fact.subject, NOW, None, fact.data()), project.Touched())
    assert {(r.schedule, r.start_at, r.made_for) for r in observed.runs.values()} == {
        (known.schedules[0].id, NOW, "backfilled: it never ran")
    }
    assert known.schedules[0].accounted == accounted
    assert [slot.runs for slot in found(*observed.runs.values(), known=known, reprocess="completed")] == [False] * 4


def test_two_requests_make_two_runs_of_a_slot():
    slots = found(first=NOW)
    ids = {backfill.facts(observed_of(deployment()), asked(key=key), slots)[1].run for key in ("k", "k", "l")}
    assert len(ids) == 2


def test_more_than_the_limit_is_refused_whole():
    observed = observed_of(deployment())
    with pytest.raises(InvalidRequestError, match="4 slots would run, more than --limit 3") as caught:
        backfill.facts(observed, asked(limit=3), found())
    assert "--limit 4" in str(caught.value)
    assert len(backfill.facts(observed, asked(limit=4), found())) == 5


def test_where_nothing_is_to_run_nothing_is_told():
    assert backfill.facts(observed_of(deployment()), asked(), found(ran(1, at=0), first=NOW)) == []


def test_a_run_needs_a_deployment_and_a_commit():
    with pytest.raises(NotFoundError):
        backfill.facts(observed_of(), asked(), found())
    with pytest.raises(ConflictError, match="source commit"):
        backfill.facts(observed_of(deployment(), whole_commit=None), asked(), found())
