"""Intervals: elapsed time, whole days, anchors, and the ways to write a length."""

from datetime import UTC, datetime, timedelta

import pytest

from reconciler.schedules import ScheduleError, load
from reconciler.schedules.interval import duration

NEW_YORK = "America/New_York"
NINE = {"interval": "P1D", "timezone": NEW_YORK, "anchor_date": "2024-01-01T09:00:00-05:00"}
GAP = {"interval": "P1D", "timezone": NEW_YORK, "anchor_date": "2024-01-01T02:30:00-05:00"}


@pytest.mark.parametrize(
    ("rule", "after", "expected"),
    [
        pytest.param(NINE, "2024-03-09T12:00Z", ["2024-03-09T09:00-05:00", "2024-03-10T09:00-04:00"], id="into summer"),
        pytest.param(NINE, "2024-03-11T00:00Z", ["2024-03-11T09:00-04:00"], id="asked after the change"),
        pytest.param(NINE, "2024-06-15T00:00Z", ["2024-06-15T09:00-04:00"], id="asked in summer"),
        pytest.param(NINE, "2024-11-03T00:00Z", ["2024-11-03T09:00-05:00", "2024-11-04T09:00-05:00"], id="into winter"),
        pytest.param(NINE, "2023-07-01T00:00Z", ["2023-07-01T09:00-04:00"], id="before the anchor"),
        pytest.param(
            GAP,
            "2024-03-09T12:00Z",
            ["2024-03-10T03:30-04:00", "2024-03-11T02:30-04:00", "2024-03-12T02:30-04:00"],
            id="a gap shifts that day only",
        ),
        pytest.param(
            {"interval": 2 * 86400, "timezone": NEW_YORK, "anchor_date": "2024-11-01T01:30:00-04:00"},
            "2024-11-02T00:00Z",
            ["2024-11-03T01:30-04:00", "2024-11-05T01:30-05:00"],
            id="a fold is met once, at the first",
        ),
        pytest.param(
            {"interval": "P1W", "timezone": "Europe/Paris", "anchor_date": "2026-10-19T08:00:00+02:00"},
            "2026-10-19T12:00Z",
            ["2026-10-26T08:00+01:00", "2026-11-02T08:00+01:00"],
            id="weeks keep the hour",
        ),
        pytest.param(
            {"interval": "PT1H", "timezone": NEW_YORK},
            "2024-11-03T04:30Z",
            ["2024-11-03T01:00-04:00", "2024-11-03T01:00-05:00", "2024-11-03T02:00-05:00"],
            id="hours are elapsed time in a fold",
        ),
        pytest.param(
            {"interval": "PT36H", "timezone": NEW_YORK, "anchor_date": "2024-03-09T02:30:00-05:00"},
            "2024-03-09T08:00Z",
            ["2024-03-10T15:30-04:00", "2024-03-12T03:30-04:00"],
            id="a day and a half is elapsed time",
        ),
        pytest.param(
            {"interval": 3600, "anchor_date": "2030-01-01T00:20:00Z"},
            "2024-01-01T00:00Z",
            ["2024-01-01T00:20+00:00", "2024-01-01T01:20+00:00"],
            id="an anchor in the future is a phase",
        ),
        pytest.param(
            {"interval": 1800.0, "anchor_date": "2024-01-01T00:20:00"},
            "2024-01-01T00:20Z",
            ["2024-01-01T00:50+00:00"],
            id="a slot at the moment of asking is past",
        ),
        pytest.param(
            {"interval": "P1D", "anchor_date": "2024-01-01T09:00:00", "timezone": NEW_YORK},
            "2024-01-02T00:00Z",
            ["2024-01-02T04:00-05:00"],
            id="a naive anchor is UTC",
        ),
        pytest.param(
            {"interval": "P1D", "anchor_date": "2024-01-01T09:00:00-05:00"},
            "2024-07-01T00:00Z",
            ["2024-07-01T14:00+00:00"],
            id="an anchor with an offset gives no zone",
        ),
        pytest.param(
            {"interval": "P1D", "anchor_date": "2024-01-01T09:00:00[America/New_York]"},
            "2024-07-01T00:00Z",
            ["2024-07-01T09:00-04:00"],
            id="an anchor with a named zone gives the zone",
        ),
        pytest.param(
            {"interval": "P1D", "timezone": NEW_YORK},
            "2024-07-01T00:00Z",
            ["2024-07-01T00:00-04:00"],
            id="without an anchor: midnight in the zone",
        ),
        pytest.param(
            {"interval": "P1D", "timezone": "Pacific/Apia"},
            "2011-12-29T12:00Z",
            ["2011-12-31T00:00+14:00", "2012-01-01T00:00+14:00"],
            id="a skipped day becomes the day after, once",
        ),
    ],
)
def test_when(fires, rule, after, expected):
    assert fires(rule, after, len(expected)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (90, timedelta(seconds=90)),
        (1.5, timedelta(seconds=1.5)),
        ("PT10M", timedelta(minutes=10)),
        ("PT1H30M", timedelta(hours=1.5)),
        ("PT0.5H", timedelta(minutes=30)),
        ("P1D", timedelta(days=1)),
        ("P1DT12H", timedelta(days=1.5)),
        ("P1W", timedelta(weeks=1)),
        ("P1M", timedelta(days=30)),
        ("P1Y", timedelta(days=365)),
        ("1:30:00", timedelta(hours=1.5)),
        ("0:00:01.5", timedelta(seconds=1.5)),
    ],
)
def test_lengths(value, expected):
    assert duration(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        "600",
        "10 minutes",
        "1h",
        "1:30",
        "1:60:00",
        "P",
        "PT",
        "P1DT",
        "P1H",
        "PT1D",
        "-PT1H",
        "PT-1H",
        "",
        "P" + "9" * 60 + "D",
        "P9999Y",
        0,
        -5,
        0.1,
        10**400,
        1e300,
        float("inf"),
        float("nan"),
        True,
        None,
        [60],
        {"hours": 1},
    ],
    ids=lambda value: repr(value)[:20],
)
def test_lengths_refused(value):
    with pytest.raises(ScheduleError) as error:
        duration(value)
    assert error.value.key == "interval"


@pytest.mark.parametrize("value", ["yesterday", "2024-13-01", "0001-01-01", "9999-12-31", 5, "2024-01-01T09:00[x", ""])
def test_anchors_refused(value):
    with pytest.raises(ScheduleError) as error:
        load({"interval": 60, "anchor_date": value})
    assert error.value.key == "anchor_date"


def test_an_anchor_in_an_unknown_zone_is_about_the_zone():
    with pytest.raises(ScheduleError) as error:
        load({"interval": 60, "anchor_date": "2024-01-01T09:00:00[Mars/Base]"})
    assert error.value.key == "timezone"


def test_the_ends_of_the_calendar_are_no_traps():
    schedule = load({"interval": "PT1H"})
    assert list(schedule.slots(datetime.max.replace(tzinfo=UTC))) == []
    assert next(schedule.slots(datetime.min.replace(tzinfo=UTC))).year == 1
