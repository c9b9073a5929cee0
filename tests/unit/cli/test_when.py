"""When a run is to start: moments and durations as people write them."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from reconciler.cli._print import ahead, shortly
from reconciler.cli._when import duration, moment, start, told
from reconciler.model.errors import InvalidRequestError

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("5m", 300), ("1h30m", 5400), ("2d", 172_800), ("1w", 604_800), ("1.5h", 5400), ("PT5M", 300),
     ("P1DT2H", 93_600), ("P2W", 1_209_600), ("PT0.5S", 0.5)],
)  # fmt: skip
def test_durations(text, seconds):
    assert duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "5", "5 m", "-5m", "P", "PT", "0s", "m", "1M", "9" * 400 + "d", "99999999999d", "5µ"]
)
def test_what_is_no_duration(text):
    with pytest.raises(InvalidRequestError, match="--in"):
        duration(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2026-03-09T09:00Z", "2026-03-09T09:00:00"), ("2026-03-09 09:00:00+02:00", "2026-03-09T07:00:00")],
)
def test_a_moment_with_a_zone_is_that_moment(text, expected):
    assert moment(text) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


def test_a_moment_without_a_zone_is_local():
    assert moment("2026-03-09T09:00") == datetime(2026, 3, 9, 9, 0).astimezone(UTC)


@pytest.mark.parametrize(
    ("local", "expected"),
    [("2027-03-14T02:30", "2027-03-14T07:30Z"), ("2027-11-07T01:30", "2027-11-07T05:30Z")],
)
def test_a_local_time_that_is_skipped_or_comes_twice(local, expected, monkeypatch):
    """As in schedules: shifted forward by the gap; the first of two."""
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        assert moment(local) == datetime.fromisoformat(expected)
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("text", ["", "soon", "25:00", "2026-13-01", "0001-01-01T00:00+23:00"])
def test_what_is_no_moment(text):
    with pytest.raises(InvalidRequestError, match="--at"):
        moment(text)


def test_one_of_both(capsys):
    assert start(None, None, NOW) is None
    assert start(None, "90s", NOW) == NOW + timedelta(seconds=90)
    told(NOW)
    assert "(2026-11-22 09:00:00Z)" in capsys.readouterr().err
    with pytest.raises(InvalidRequestError, match="exclude"):
        start("2026-01-01", "5m", NOW)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "now"), (-5, "now"), (9, "in 9 s"), (298, "in 4 min 58 s"), (7200, "in 2 h"), (90_061, "in 1 d 1 h")],
)
def test_how_far_ahead(seconds, said):
    assert ahead((NOW + timedelta(seconds=seconds)).isoformat(), NOW) == said
    assert ahead(None, NOW) == ""


def test_instants_within_a_text():
    assert shortly("at 2026-11-22T09:00:00.123456Z it fails") == "at 2026-11-22 09:00:00Z it fails"
