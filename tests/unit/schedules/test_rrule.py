"""Recurrence rules: wall clock throughout, sets, ends, cost, and what is refused at the door."""

import time
from datetime import UTC, datetime

import pytest

from reconciler.schedules import ScheduleError, count, load, next_slot

NEW_YORK = "America/New_York"


@pytest.mark.parametrize(
    ("rrule", "zone", "after", "expected"),
    [
        pytest.param(
            "DTSTART:20240101T023000\nRRULE:FREQ=DAILY",
            NEW_YORK,
            "2024-03-09T12:00Z",
            ["2024-03-10T03:30-04:00", "2024-03-11T02:30-04:00"],
            id="a gap shifts forward, that day only",
        ),
        pytest.param(
            "DTSTART:20240101T013000\nRRULE:FREQ=DAILY",
            NEW_YORK,
            "2024-11-02T12:00Z",
            ["2024-11-03T01:30-04:00", "2024-11-04T01:30-05:00"],
            id="a fold is met once, at the first",
        ),
        pytest.param(
            "FREQ=HOURLY",
            NEW_YORK,
            "2024-11-03T04:30Z",
            ["2024-11-03T01:00-04:00", "2024-11-03T02:00-05:00"],
            id="hours follow the clock, so the repeated hour has none",
        ),
        pytest.param(
            "FREQ=HOURLY",
            "Australia/Lord_Howe",
            "2026-10-03T14:00Z",
            ["2026-10-04T01:00+10:30", "2026-10-04T02:30+11:00", "2026-10-04T03:00+11:00"],
            id="a gap of half an hour",
        ),
        pytest.param(
            "DTSTART:20240101T090000Z\nRRULE:FREQ=DAILY",
            NEW_YORK,
            "2024-07-01T00:00Z",
            ["2024-07-01T09:00-04:00"],
            id="the Z of DTSTART is dropped",
        ),
        pytest.param(
            "DTSTART;TZID=Asia/Tokyo:20240101T090000\nRRULE:FREQ=DAILY",
            NEW_YORK,
            "2024-07-01T00:00Z",
            ["2024-07-01T09:00-04:00"],
            id="the zone of DTSTART is dropped",
        ),
        pytest.param(
            "FREQ=DAILY;BYHOUR=9",
            NEW_YORK,
            "2024-07-01T00:00Z",
            ["2024-07-01T09:00-04:00", "2024-07-02T09:00-04:00"],
            id="without DTSTART it begins at midnight there",
        ),
        pytest.param(
            "FREQ=DAILY;INTERVAL=2",
            NEW_YORK,
            "2020-01-01T00:00Z",
            ["2020-01-01T00:00-05:00", "2020-01-03T00:00-05:00"],
            id="the implicit DTSTART is the phase",
        ),
        pytest.param(
            "FREQ=DAILY;BYHOUR=1;UNTIL=20241103T053000Z",
            NEW_YORK,
            "2024-11-01T12:00Z",
            ["2024-11-02T01:00-04:00", "2024-11-03T01:00-04:00"],
            id="UNTIL with a Z is an instant",
        ),
        pytest.param(
            "FREQ=MINUTELY;INTERVAL=30;UNTIL=20240310T071500Z",
            NEW_YORK,
            "2024-03-10T06:15Z",
            ["2024-03-10T01:30-05:00", "2024-03-10T03:00-04:00"],
            id="UNTIL inside the shadow of a gap",
        ),
        pytest.param(
            "FREQ=MINUTELY;INTERVAL=30;UNTIL=20241103T061500Z",
            NEW_YORK,
            "2024-11-03T05:15Z",
            ["2024-11-03T01:30-04:00"],
            id="UNTIL in the second pass of a fold",
        ),
        pytest.param(
            "DTSTART:20240101T090000\nRRULE:FREQ=DAILY;UNTIL=20240103T090000",
            NEW_YORK,
            "2024-01-02T00:00Z",
            ["2024-01-02T09:00-05:00", "2024-01-03T09:00-05:00"],
            id="UNTIL without a zone is local",
        ),
        pytest.param(
            "DTSTART:20240101T090000\nRRULE:FREQ=DAILY;COUNT=3",
            "UTC",
            "2024-01-02T00:00Z",
            ["2024-01-02T09:00+00:00", "2024-01-03T09:00+00:00"],
            id="COUNT counts from DTSTART",
        ),
        pytest.param(
            "DTSTART:20240101T090000\nRRULE:FREQ=DAILY;COUNT=9;UNTIL=20240102T100000",
            "UTC",
            "2024-01-01T00:00Z",
            ["2024-01-01T09:00+00:00", "2024-01-02T09:00+00:00"],
            id="COUNT and UNTIL: whichever ends first",
        ),
        pytest.param(
            "DTSTART:20240101T090000 RRULE:FREQ=WEEKLY;BYDAY=MO RRULE:FREQ=MONTHLY;BYMONTHDAY=15",
            "UTC",
            "2024-01-09T00:00Z",
            ["2024-01-15T09:00+00:00", "2024-01-22T09:00+00:00", "2024-01-29T09:00+00:00"],
            id="several rules, a common moment once",
        ),
        pytest.param(
            "DTSTART:20240101T090000\nRRULE:FREQ=DAILY;COUNT=5\nEXDATE:20240102T090000Z,20240104T090000\n"
            "RDATE:20240104T120000Z",
            "UTC",
            "2024-01-01T00:00Z",
            ["2024-01-01T09:00+00:00", "2024-01-03T09:00+00:00", "2024-01-04T12:00+00:00", "2024-01-05T09:00+00:00"],
            id="dates and exceptions, their Z dropped",
        ),
        pytest.param(
            "DTSTART:20240101T090000\nRRULE:FREQ=DAILY;COUNT=7\nEXRULE:FREQ=WEEKLY;BYDAY=TU,WE,TH,FR",
            "UTC",
            "2024-01-01T00:00Z",
            ["2024-01-01T09:00+00:00", "2024-01-06T09:00+00:00", "2024-01-07T09:00+00:00"],
            id="a rule of exceptions",
        ),
        pytest.param(
            "RDATE:20240104T120000", "UTC", "2024-01-01T00:00Z", ["2024-01-04T12:00+00:00"], id="a single date"
        ),
        pytest.param(
            "rrule:freq=monthly;byday=-1fr;byhour=17",
            "UTC",
            "2024-05-01T00:00Z",
            ["2024-05-31T17:00+00:00", "2024-06-28T17:00+00:00"],
            id="the last Friday, in small letters",
        ),
        pytest.param(
            "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
            "UTC",
            "2024-06-01T00:00Z",
            ["2024-06-28T00:00+00:00", "2024-07-31T00:00+00:00"],
            id="the last working day",
        ),
        pytest.param(
            "DTSTART:20240103T090000\nRRULE:FREQ=WEEKLY;BYDAY=MO,WE,FR;BYSETPOS=1",
            "UTC",
            "2024-01-01T00:00Z",
            ["2024-01-03T09:00+00:00", "2024-01-08T09:00+00:00"],
            id="a first week that DTSTART cuts",
        ),
        pytest.param(
            "FREQ=YEARLY;INTERVAL=2;BYMONTH=3;BYDAY=2SU;BYHOUR=6,18;BYSETPOS=2",
            "UTC",
            "2024-01-01T00:00Z",
            ["2024-03-10T18:00+00:00", "2026-03-08T18:00+00:00"],
            id="the second of a year's times, every other year",
        ),
        pytest.param(
            "DTSTART:20240131T000000\nRRULE:FREQ=MONTHLY",
            "UTC",
            "2024-02-01T00:00Z",
            ["2024-03-31T00:00+00:00", "2024-05-31T00:00+00:00"],
            id="months without a 31st have none",
        ),
        pytest.param(
            "DTSTART:19700101T000300\nRRULE:FREQ=MINUTELY;INTERVAL=7;BYHOUR=9",
            "UTC",
            "2024-05-01T09:50Z",
            ["2024-05-01T09:56+00:00", "2024-05-02T09:02+00:00"],
            id="minutes in step since 1970",
        ),
        pytest.param(
            "FREQ=HOURLY;INTERVAL=6;BYMINUTE=0,30;BYSETPOS=-1",
            "UTC",
            "2024-05-01T00:00Z",
            ["2024-05-01T00:30+00:00", "2024-05-01T06:30+00:00"],
            id="the last of an hour's times",
        ),
        pytest.param("FREQ=YEARLY;BYEASTER=0", "UTC", "2024-01-01T00:00Z", ["2024-03-31T00:00+00:00"], id="Easter"),
    ],
)
def test_when(fires, rrule, zone, after, expected):
    assert fires({"rrule": rrule, "timezone": zone}, after, len(expected)) == expected


@pytest.mark.parametrize(
    ("rrule", "after"),
    [
        ("DTSTART:20240101T090000\nRRULE:FREQ=DAILY;COUNT=3", "2024-01-03T09:00Z"),
        ("DTSTART:20240101T090000\nRRULE:FREQ=DAILY;UNTIL=20240103T090000Z", "2024-01-03T09:00Z"),
        ("RDATE:20240104T120000", "2024-02-01T00:00Z"),
    ],
)
def test_a_rule_that_is_over_has_no_more_slots(rrule, after):
    assert next_slot(load({"rrule": rrule}), datetime.fromisoformat(after)) is None


@pytest.mark.parametrize(
    "rrule",
    [
        "DTSTART:19700101T000000\nRRULE:FREQ=MINUTELY",
        "DTSTART:19700101T000000\nRRULE:FREQ=SECONDLY;INTERVAL=7",
        "DTSTART:19700101T000000\nRRULE:FREQ=MINUTELY;INTERVAL=5;BYMONTH=2;BYMONTHDAY=29;BYHOUR=3",
        "DTSTART:19700101T000000\nRRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO",
        "DTSTART:19700101T000000\nRRULE:FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=29;BYHOUR=23;BYMINUTE=59;BYSECOND=59",
        "DTSTART:19700101T000000\nRRULE:FREQ=HOURLY\nEXRULE:FREQ=HOURLY;BYHOUR=0,1,2,3,4,5,6,7",
    ],
    ids=lambda rule: rule[-50:],
)
def test_a_fine_rule_from_long_ago_answers_at_once(rrule):
    schedule = load({"rrule": rrule})
    begin = time.perf_counter()
    assert next_slot(schedule, datetime(2026, 11, 22, tzinfo=UTC))
    assert time.perf_counter() - begin < 0.1


@pytest.mark.parametrize(
    ("rrule", "says"),
    [
        ("", "says nothing that recurs"),
        ("DTSTART:20240101", "says nothing that recurs"),
        ("DTSTART:20240101 DTSTART:20240102 RRULE:FREQ=DAILY", "more than once"),
        ("DTSTART:soon RRULE:FREQ=DAILY", "'SOON' is no date"),
        ("VEVENT:1", "unknown line 'VEVENT'"),
        ("INTERVAL=2", "needs a FREQ"),
        ("FREQ=FORTNIGHTLY", "needs a FREQ"),
        ("FREQ=DAILY;", "is no part"),
        ("FREQ=DAILY;BYDAYS=MO", "'BYDAYS=MO' is no part"),
        ("FREQ=DAILY;BYHOUR=9;BYHOUR=10", "given twice"),
        ("FREQ=DAILY;INTERVAL=0", "'INTERVAL=0' does not fit"),
        ("FREQ=DAILY;INTERVAL=1,2", "one number"),
        ("FREQ=DAILY;INTERVAL=-1", "does not fit"),
        ("FREQ=DAILY;BYHOUR=24", "whole numbers from 0 to 23"),
        ("FREQ=DAILY;BYHOUR=", "does not fit"),
        ("FREQ=DAILY;BYMONTHDAY=0", "or from -31"),
        ("FREQ=DAILY;BYSETPOS=0", "does not fit"),
        ("FREQ=WEEKLY;BYDAY=XX", "'XX' is no weekday"),
        ("FREQ=WEEKLY;BYDAY=2MO", "counts weekdays"),
        ("FREQ=WEEKLY;WKST=XX", "is no weekday"),
        ("FREQ=DAILY;UNTIL=whenever", "is no date"),
        ("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "never happens"),
        ("FREQ=YEARLY;BYDAY=MO;BYSETPOS=366", "never happens"),
        ("FREQ=HOURLY;INTERVAL=24;BYHOUR=5", "never happens"),
        ("FREQ=SECONDLY;INTERVAL=60;BYSECOND=1", "never happens"),
        ("FREQ=DAILY;UNTIL=20190101T000000Z", "names no moment"),
        ("FREQ=DAILY\nEXRULE:FREQ=DAILY", "names no moment"),
        ("FREQ=SECONDLY;COUNT=1000000000", "COUNT=1000000000 would take long"),
        ("FREQ=DAILY " * 17, "16 are the most"),
        ("FREQ=DAILY;BYHOUR=" + ",".join(["1"] * 5000), "6500 are the most"),
        (7, "is text such as"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_refused_at_the_door_and_quickly(rrule, says):
    begin = time.perf_counter()
    with pytest.raises(ScheduleError) as error:
        load({"rrule": rrule})
    assert says in str(error.value)
    assert error.value.key == "rrule"
    assert len(str(error.value)) < 400
    assert time.perf_counter() - begin < 2


def test_a_year_of_minutes_is_counted_not_stepped_through():
    schedule = load({"rrule": "DTSTART:19700101T000000\nRRULE:FREQ=MINUTELY", "timezone": "Europe/Paris"})
    begin = time.perf_counter()
    first, last, n = count(schedule, datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC), 10**6)
    assert time.perf_counter() - begin < 1
    assert (first, last) == (datetime(2024, 1, 1, 0, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC))
    assert n == 366 * 24 * 60 - 60  # the repeated hour has none
