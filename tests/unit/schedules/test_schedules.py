"""The door: which kind a rule is, its identity, its zone, and counting."""

import time
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest

from reconciler.schedules import ScheduleError, count, identity, load, next_slot

NINE = {"cron": "0 9 * * *"}
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("rule", "key", "says"),
    [
        ({}, "", "one of cron, interval, rrule; none is given"),
        ({"cron": None, "timezone": "UTC"}, "", "none is given"),
        ({"cron": "0 9 * * *", "interval": 60}, "interval", "not cron and interval"),
        ({"cron": "0 9 * * *", "anchor_date": "2024-01-01"}, "anchor_date", "no meaning for cron"),
        ({"interval": 60, "day_or": False}, "day_or", "no meaning for interval"),
        ({"rrule": "FREQ=DAILY", "day_or": True}, "day_or", "no meaning for rrule"),
        ({"interval": float("nan")}, "", "finite numbers"),
        ({"interval": 10**5000}, "", "finite numbers"),
        ({"cron": {"a", "b"}}, "", "finite numbers"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, str) else "",
)
def test_a_rule_is_of_one_kind_and_says_what_that_kind_reads(rule, key, says):
    with pytest.raises(ScheduleError) as error:
        load(rule)
    assert says in str(error.value)
    assert error.value.key == key


def test_what_does_not_decide_when_is_left_to_others():
    assert load({**NINE, "slug": "x", "active": False, "parameters": {"a": 1}, "timezone": None}) is load(NINE)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Europe/Pariss", "did you mean Europe/Paris?"),
        ("europe/paris", "did you mean Europe/Paris?"),
        ("America", "no name of the tz database"),
        ("../../../etc/passwd", "no name of the tz database"),
        ("/usr/share/zoneinfo/UTC", "no name of the tz database"),
        ("posix/Europe/Paris", "no name of the tz database"),
        ("localtime", "no name of the tz database"),
        ("EST5EDT,M3.2.0,M11.1.0", "no name of the tz database"),
        ("UTC+3", "no name of the tz database"),
        ("", "no name of the tz database"),
        ("Europe/Paris\n", "no name of the tz database"),
        ("x" * 10_000, "no name of the tz database"),
        ("\ud800", "no name of the tz database"),
        (3, "is a name such as"),
        (["UTC"], "is a name such as"),
    ],
    ids=lambda value: repr(value)[:30],
)
@pytest.mark.parametrize("rule", [NINE, {"interval": 60}, {"rrule": "FREQ=DAILY"}], ids=["cron", "interval", "rrule"])
def test_a_timezone_is_a_name_of_the_tz_database(rule, name, says):
    with pytest.raises(ScheduleError) as error:
        load({**rule, "timezone": name})
    assert says in str(error.value)
    assert error.value.key == "timezone"
    assert len(str(error.value)) < 300


def test_identity_is_the_slug_or_what_decides():
    assert identity({**NINE, "slug": "morning"}) == "morning"
    plain = identity(NINE)
    assert len(plain) == 12
    same = [
        {**NINE, "active": False},
        {**NINE, "slug": "", "timezone": None, "day_or": True, "parameters": {}},
        {**NINE, "catchup": "all", "jitter": 5},
    ]
    assert {identity(rule) for rule in same} == {plain}
    others = [
        {"cron": "1 9 * * *"},
        {**NINE, "timezone": "Europe/Paris"},
        {**NINE, "day_or": False},
        {**NINE, "parameters": {"a": 1}},
        {**NINE, "parameters": {"a": 2}},
        {"interval": 60},
        {"interval": 60, "anchor_date": "2024-01-01T00:00:00Z"},
    ]
    assert len({plain, *map(identity, others)}) == len(others) + 1


def test_until_is_included_and_after_is_not():
    schedule = load(NINE)
    nine = datetime(2024, 5, 1, 9, tzinfo=UTC)
    assert list(schedule.slots(nine, until=nine + timedelta(days=1))) == [nine + timedelta(days=1)]
    assert list(schedule.slots(nine, until=nine)) == []
    assert next_slot(schedule, nine - timedelta(microseconds=1)) == nine


def test_an_end_in_the_repeated_hour_leaves_out_nothing_of_the_first():
    schedule = load({"cron": "45 1 * * *", "timezone": "America/New_York"})
    begin, end = datetime.fromisoformat("2024-11-03T00:00-04:00"), datetime.fromisoformat("2024-11-03T01:15-05:00")
    assert list(schedule.slots(begin, until=end)) == [datetime(2024, 11, 3, 5, 45, tzinfo=UTC)]


@pytest.mark.parametrize("rule", [NINE, {"interval": 60}, {"interval": "P1D"}, {"rrule": "FREQ=DAILY"}])
def test_a_moment_without_a_zone_is_a_mistake(rule):
    with pytest.raises(ValueError, match="no timezone"):
        next_slot(load(rule), datetime(2024, 5, 1))  # noqa: DTZ001 - the mistake itself


@pytest.mark.parametrize(
    "rule",
    [
        {"cron": "*/7 * * * *", "timezone": "Europe/Paris"},
        {"cron": "0 9 * * MON", "timezone": "America/New_York"},
        {"interval": "PT50M"},
        {"interval": "P1D", "timezone": "America/New_York"},
        {"rrule": "FREQ=MINUTELY;INTERVAL=9", "timezone": "America/New_York"},
        {"rrule": "FREQ=DAILY;BYHOUR=1,2,3;BYSETPOS=2", "timezone": "America/New_York"},
        {"rrule": "FREQ=HOURLY\nEXDATE:20240310T030000\nRDATE:20240310T022000", "timezone": "America/New_York"},
        {"rrule": "FREQ=HOURLY;UNTIL=20240310T060000Z", "timezone": "America/New_York"},
    ],
    ids=str,
)
@pytest.mark.parametrize("limit", [1, 2, 30, 10**6])
def test_a_count_is_what_stepping_finds(rule, limit):
    schedule = load(rule)
    begin, end = datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 4, 5, tzinfo=UTC)
    stepped = list(islice(schedule.slots(begin, until=end), limit))
    assert count(schedule, begin, end, limit) == (stepped[0], stepped[-1], len(stepped))


@pytest.mark.parametrize("rule", [NINE, {"interval": "PT5H"}, {"rrule": "FREQ=DAILY"}])
def test_an_empty_stretch_counts_nothing(rule):
    assert count(load(rule), NOON, NOON, 10) == (None, None, 0)
    assert count(load(rule), NOON, NOON - timedelta(days=3), 10) == (None, None, 0)


@pytest.mark.parametrize("rule", [{"cron": "* * * * *", "timezone": "Europe/Paris"}, {"interval": 60}])
def test_a_year_of_minutes_is_counted_not_stepped_through(rule):
    begin = time.perf_counter()
    found = count(load(rule), NOON, NOON.replace(year=2025), 10**6)
    assert time.perf_counter() - begin < 1
    assert found == (NOON + timedelta(minutes=1), NOON.replace(year=2025), 365 * 24 * 60)


@pytest.mark.parametrize(
    ("rule", "slot", "asked"),
    [
        ({"cron": "30 2 * * *"}, "2024-03-10T07:30Z", "2024-03-10T02:30"),
        ({"cron": "30 2,3 * * *"}, "2024-03-10T07:30Z", "2024-03-10T03:30"),
        ({"rrule": "FREQ=DAILY;BYHOUR=2"}, "2024-03-10T07:00Z", "2024-03-10T02:00"),
        ({"interval": "P1D", "anchor_date": "2024-01-01T02:00-05:00"}, "2024-03-10T07:00Z", "2024-03-10T02:00"),
        ({"interval": "PT1H"}, "2024-03-10T07:00Z", "2024-03-10T03:00"),
        ({"cron": "30 1 * * *"}, "2024-11-03T05:30Z", "2024-11-03T01:30"),
    ],
)
def test_the_local_time_that_was_asked_for(rule, slot, asked):
    schedule = load({**rule, "timezone": "America/New_York"})
    assert schedule.asked(datetime.fromisoformat(slot)) == datetime.fromisoformat(asked)
