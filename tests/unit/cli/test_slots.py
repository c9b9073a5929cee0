"""The `slots` verb: JSON for programs, local time with notes for people, one clear line for what does not fit."""

import json

import pytest
from click.testing import CliRunner

from reconciler.cli.slots import command
from reconciler.model.errors import InvalidRequestError

GAP = ["--cron", "30 2 * * *", "--timezone", "America/New_York", "--from", "2024-03-09T07:30:00Z", "--count", "3"]


def run(*args: str):
    return CliRunner().invoke(command, args)


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        pytest.param(
            GAP,
            ["2024-03-09T07:30:00.000000Z", "2024-03-10T07:30:00.000000Z", "2024-03-11T06:30:00.000000Z"],
            id="a slot exactly at --from is included",
        ),
        pytest.param(
            ["--interval", "3600", "--from", "2024-01-01T00:00:00Z", "--to", "2024-01-01T01:00:00Z"],
            ["2024-01-01T00:00:00.000000Z", "2024-01-01T01:00:00.000000Z"],
            id="so is one at --to; a plain number is seconds",
        ),
        pytest.param(
            ["--interval", "PT90M", "--anchor-date", "2030-01-01T00:10:00Z", "--from", "2024-01-01", "--count", "2"],
            ["2024-01-01T00:10:00.000000Z", "2024-01-01T01:40:00.000000Z"],
            id="an anchor is a phase",
        ),
        pytest.param(
            ["--cron", "0 0 13 * 5", "--day-or", "false", "--from", "2024-05-01T00:00Z", "--count", "1"],
            ["2024-09-13T00:00:00.000000Z"],
            id="day of month and day of week",
        ),
        pytest.param(
            ["--rrule", "FREQ=DAILY;COUNT=2", "--from", "2020-01-02T00:00Z"],
            ["2020-01-02T00:00:00.000000Z"],
            id="a rule that ends",
        ),
        pytest.param(["--rrule", "RDATE:20240101T000000", "--from", "2025-01-01"], [], id="a rule that is over"),
    ],
)
def test_json_is_a_list_of_instants(args, expected):
    result = run(*args, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == expected


def test_without_a_count_there_are_ten_and_with_an_end_all():
    args = ["--interval", "60", "--from", "2024-01-01T00:00Z", "--json"]
    assert len(json.loads(run(*args).stdout)) == 10
    assert len(json.loads(run(*args, "--to", "2024-01-01T01:00Z").stdout)) == 61
    assert len(json.loads(run("--interval", "60", "--json").stdout)) == 10


def test_people_see_local_time_and_what_daylight_saving_did():
    lines = run(*GAP).stdout.splitlines()
    assert lines[0] == "Sat 2024-03-09 02:30:00-05:00  2024-03-09T07:30:00.000000Z"
    assert lines[1].startswith("Sun 2024-03-10 03:30:00-04:00  2024-03-10T07:30:00.000000Z")
    assert lines[1].endswith("shifted: 02:30 does not exist on that day")
    fold = run("--cron", "30 * * * *", "--timezone", "America/New_York", "--from", "2024-11-03T05:00Z", "--count", "3")
    notes = [line.partition("Z")[2].strip() for line in fold.stdout.splitlines()]
    assert notes == ["first of two 01:30", "second of two 01:30", ""]
    skipped = run("--cron", "0 12 30 12 *", "--timezone", "Pacific/Apia", "--from", "2011-12-01", "--count", "1")
    assert skipped.stdout.rstrip().endswith("shifted: 12:00 does not exist on 2011-12-30")
    assert run("--rrule", "RDATE:20240101T000000", "--from", "2025-01-01").stdout == "no slots there\n"


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ([], "one of cron, interval, rrule"),
        (["--cron", "* * * *"], "--cron: the cron expression '* * * *' has 4 fields"),
        (["--cron", "* * * * *", "--interval", "60"], "--interval: "),
        (["--cron", "* * * * *", "--timezone", "Mars/Base"], "--timezone: 'Mars/Base' is no name"),
        (["--interval", "1h"], "--interval: '1h' is no interval"),
        (["--interval", "nan"], "finite numbers"),
        (["--interval", "60", "--anchor-date", "soon"], "--anchor-date: 'soon' is no date"),
        (["--rrule", "FREQ=NEVER"], "--rrule: "),
        (["--cron", "* * * * *", "--from", "soon"], "--from: 'soon' is no moment"),
        (["--cron", "* * * * *", "--to", "later"], "--to: 'later' is no moment"),
    ],
)
def test_what_does_not_fit_is_told(args, says):
    error = run(*args).exception
    assert isinstance(error, InvalidRequestError)
    assert says in str(error)
    assert error.exit_code == 2


def test_a_count_out_of_range_is_a_usage_error():
    assert run("--cron", "* * * * *", "--count", "10001").exit_code == 2
    assert run("--cron", "* * * * *", "--count", "0").exit_code == 2
