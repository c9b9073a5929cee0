"""Cron: daylight saving, fields, and what is refused at the door."""

import time
from datetime import UTC, datetime

import pytest

from reconciler.schedules import ScheduleError, load, next_slot

PARIS, NEW_YORK = "Europe/Paris", "America/New_York"


@pytest.mark.parametrize(
    ("cron", "zone", "after", "expected"),
    [
        pytest.param(
            "30 2 * * *",
            PARIS,
            "2026-03-28T12:00Z",
            ["2026-03-29T03:30+02:00", "2026-03-30T02:30+02:00"],
            id="a time in a gap shifts forward by the gap, that day only",
        ),
        pytest.param(
            "0 2,3 * * *",
            PARIS,
            "2026-03-29T00:00Z",
            ["2026-03-29T03:00+02:00", "2026-03-30T02:00+02:00"],
            id="two local times that become one instant are one",
        ),
        pytest.param(
            "30 2,3 * * *",
            PARIS,
            "2026-03-29T00:00Z",
            ["2026-03-29T03:30+02:00", "2026-03-30T02:30+02:00"],
            id="the shifted time and the plain one are one",
        ),
        pytest.param(
            "15,45 1-3/2,2 * * *",
            PARIS,
            "2026-03-29T00:00Z",
            ["2026-03-29T01:15+01:00", "2026-03-29T01:45+01:00", "2026-03-29T03:15+02:00", "2026-03-29T03:45+02:00"],
            id="order is kept where shifted times meet plain ones",
        ),
        pytest.param(
            "15 */2 * * *",
            PARIS,
            "2026-03-28T23:00Z",
            ["2026-03-29T00:15+01:00", "2026-03-29T03:15+02:00", "2026-03-29T04:15+02:00"],
            id="every other hour across a gap",
        ),
        pytest.param(
            "30 2 * * *",
            PARIS,
            "2026-10-24T12:00Z",
            ["2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"],
            id="a time in a fold is due once, at the first",
        ),
        pytest.param(
            "0 */1 * * *",
            PARIS,
            "2026-10-24T23:30Z",
            ["2026-10-25T02:00+02:00", "2026-10-25T03:00+01:00"],
            id="an hour field other than a bare star follows the clock",
        ),
        pytest.param(
            "0 * * * *",
            PARIS,
            "2026-10-24T23:30Z",
            ["2026-10-25T02:00+02:00", "2026-10-25T02:00+01:00", "2026-10-25T03:00+01:00"],
            id="every hour is also due in the repeated hour",
        ),
        pytest.param(
            "@hourly",
            PARIS,
            "2026-10-24T23:30Z",
            ["2026-10-25T02:00+02:00", "2026-10-25T02:00+01:00", "2026-10-25T03:00+01:00"],
            id="so is @hourly",
        ),
        pytest.param(
            "*/30 * * * *",
            PARIS,
            "2026-10-25T00:00Z",
            ["2026-10-25T02:30+02:00", "2026-10-25T02:00+01:00", "2026-10-25T02:30+01:00", "2026-10-25T03:00+01:00"],
            id="both passes, in the order of time",
        ),
        pytest.param(
            "30 2 * * *",
            PARIS,
            "2026-10-25T02:45+02:00",
            ["2026-10-26T02:30+01:00"],
            id="asked between the two, the second is not due",
        ),
        pytest.param(
            "30 * * * *",
            PARIS,
            "2026-10-25T02:30+01:00",
            ["2026-10-25T03:30+01:00"],
            id="asked at the second, nothing earlier comes back",
        ),
        pytest.param(
            "*/15 * * * *",
            NEW_YORK,
            "2024-11-03T05:30Z",
            ["2024-11-03T01:45-04:00", "2024-11-03T01:00-05:00", "2024-11-03T01:15-05:00", "2024-11-03T01:30-05:00"],
            id="no hole of 75 minutes",
        ),
        pytest.param(
            "0 * * * *",
            "Australia/Lord_Howe",
            "2026-10-03T14:00Z",
            ["2026-10-04T01:00+10:30", "2026-10-04T02:30+11:00", "2026-10-04T03:00+11:00"],
            id="a gap of half an hour",
        ),
        pytest.param(
            "15 2 * * *",
            "Australia/Lord_Howe",
            "2026-10-03T14:00Z",
            ["2026-10-04T02:45+11:00", "2026-10-05T02:15+11:00"],
            id="shifted by the half hour of the gap",
        ),
        pytest.param(
            "*/30 * * * *",
            "Australia/Lord_Howe",
            "2026-04-04T14:00Z",
            ["2026-04-05T01:30+11:00", "2026-04-05T01:30+10:30", "2026-04-05T02:00+10:30"],
            id="a fold of half an hour",
        ),
        pytest.param(
            "0 0 * * *",
            "America/Sao_Paulo",
            "2018-11-03T12:00Z",
            ["2018-11-04T01:00-02:00", "2018-11-05T00:00-02:00"],
            id="a gap at midnight",
        ),
        pytest.param(
            "0 0 * * *",
            "Asia/Beirut",
            "2026-03-28T12:00Z",
            ["2026-03-29T01:00+03:00", "2026-03-30T00:00+03:00"],
            id="another gap at midnight",
        ),
        pytest.param(
            "0 12 30 12 *",
            "Pacific/Apia",
            "2011-12-01T00:00Z",
            ["2011-12-31T12:00+14:00", "2012-12-30T12:00+14:00"],
            id="a day that was skipped",
        ),
        pytest.param(
            "0 1 * * *",
            "Antarctica/Troll",
            "2026-03-28T12:00Z",
            ["2026-03-29T03:00+02:00", "2026-03-30T01:00+02:00"],
            id="a gap of two hours",
        ),
        pytest.param(
            "30 1 * * *",
            "Europe/Dublin",
            "2026-10-24T12:00Z",
            ["2026-10-25T01:30+01:00", "2026-10-26T01:30+00:00"],
            id="a zone whose winter is the saving",
        ),
    ],
)
def test_daylight_saving(fires, cron, zone, after, expected):
    assert fires({"cron": cron, "timezone": zone}, after, len(expected)) == expected


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"cron": "@daily"}, ["2024-05-02T00:00+00:00", "2024-05-03T00:00+00:00"]),
        ({"cron": "@Weekly"}, ["2024-05-05T00:00+00:00", "2024-05-12T00:00+00:00"]),
        ({"cron": "@annually"}, ["2025-01-01T00:00+00:00", "2026-01-01T00:00+00:00"]),
        ({"cron": "  0 9 * * MON-FRI "}, ["2024-05-01T09:00+00:00", "2024-05-02T09:00+00:00"]),
        ({"cron": "0 9 * * 7"}, ["2024-05-05T09:00+00:00", "2024-05-12T09:00+00:00"]),
        ({"cron": "0 9 L * *"}, ["2024-05-31T09:00+00:00", "2024-06-30T09:00+00:00"]),
        ({"cron": "0 9 * * 5#3"}, ["2024-05-17T09:00+00:00", "2024-06-21T09:00+00:00"]),
        ({"cron": "0 9 * * L5"}, ["2024-05-31T09:00+00:00", "2024-06-28T09:00+00:00"]),
        ({"cron": "0 9 15W * *"}, ["2024-05-15T09:00+00:00", "2024-06-14T09:00+00:00"]),
        ({"cron": "0 9 ? * ?"}, ["2024-05-01T09:00+00:00", "2024-05-02T09:00+00:00"]),
        ({"cron": "0 0 13 * FRI"}, ["2024-05-03T00:00+00:00", "2024-05-10T00:00+00:00"]),
        ({"cron": "0 0 13 * FRI", "day_or": True}, ["2024-05-03T00:00+00:00", "2024-05-10T00:00+00:00"]),
        ({"cron": "0 0 13 * FRI", "day_or": False}, ["2024-09-13T00:00+00:00", "2024-12-13T00:00+00:00"]),
        ({"cron": "0 0 29 2 *"}, ["2028-02-29T00:00+00:00", "2032-02-29T00:00+00:00"]),
        ({"cron": "0 0 29 2 MON", "day_or": False}, ["2044-02-29T00:00+00:00", "2072-02-29T00:00+00:00"]),
        ({"cron": "59/15 * * * *"}, ["2024-05-01T00:59+00:00", "2024-05-01T01:59+00:00"]),
        ({"cron": "0 22-2/2 * * *"}, ["2024-05-01T02:00+00:00", "2024-05-01T22:00+00:00"]),
    ],
    ids=lambda value: " ".join(map(str, value.values())) if isinstance(value, dict) else "",
)
def test_fields(fires, rule, expected):
    assert fires(rule, "2024-05-01T00:00Z", 2) == expected


def test_the_sixth_field_is_seconds():
    schedule = load({"cron": "* * * * * */20"})
    slots = schedule.slots(datetime(2024, 5, 1, 0, 0, 39, 500, tzinfo=UTC))
    assert [next(slots).second for _ in range(4)] == [40, 0, 20, 40]


@pytest.mark.parametrize(
    ("cron", "says"),
    [
        ("* * * *", "has 4 fields"),
        ("0 0 1 1 * 0 2030", "has 7 fields"),
        ("", "has 0 fields"),
        ("60 * * * *", "'60' is no minute"),
        ("* 24 * * *", "'24' is no hour"),
        ("* * 0 * *", "'0' is no day of month"),
        ("* * * 13 *", "'13' is no month"),
        ("* * * * 8", "'8' is no day of week"),
        ("* * * * * 60", "'60' is no second"),
        ("*/0 * * * *", "'*/0' is no minute"),
        ("* * * FOO *", "'FOO' is no month"),
        ("-5 * * * *", "'-5' is no minute"),
        ("0 9 * * 5#6", "'5#6' is no day of week"),
        ("0\u00a09 * * * *", "is no minute"),
        ("٣ * * * *", "is no minute"),
        ("@reboot", "unknown cron alias '@reboot'"),
        ("H * * * *", "'H' would draw a time"),
        ("0 H(0-7) * * *", "'H(0-7)' would draw a time"),
        ("1,R/5 * * * *", "'R/5' would draw a time"),
        ("5-5 * * * *", "begins where it ends"),
        ("0 0 31 2 *", "never happens"),
        ("0 0 30 2 *", "never happens"),
        ("0 0 31 4,6,9,11 *", "never happens"),
        (",".join(["1"] * 20_000) + " * * * *", "256 are the most"),
        ("\x00 * * * *", "is no minute"),
        (5, "is text such as"),
        (["*"] * 5, "is text such as"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_refused_at_the_door_and_quickly(cron, says):
    begin = time.perf_counter()
    with pytest.raises(ScheduleError) as error:
        load({"cron": cron})
    assert says in str(error.value)
    assert error.value.key == "cron"
    assert len(str(error.value)) < 400
    assert time.perf_counter() - begin < 0.5


@pytest.mark.parametrize("value", ["false", 0, [True]])
def test_day_or_is_a_boolean(value):
    with pytest.raises(ScheduleError, match="true or false") as error:
        load({"cron": "0 0 * * *", "day_or": value})
    assert error.value.key == "day_or"


def test_the_ends_of_the_calendar_are_no_traps():
    schedule = load({"cron": "0 0 * * MON", "timezone": "Asia/Tokyo"})
    assert next_slot(schedule, datetime.max.replace(tzinfo=UTC)) is None
    assert next_slot(schedule, datetime.min.replace(tzinfo=UTC)).year == 1
    assert list(schedule.slots(datetime(9999, 12, 20, tzinfo=UTC))) == [
        datetime(9999, 12, 26, 15, tzinfo=UTC),
    ]
