"""Results and exceptions as facts."""

import pytest

from reconciler.engine import journal, report
from reconciler.engine.journal import Journal, attachment, read

LIMIT = 200_000


class Unspeakable(Exception):  # noqa: N818
    def __str__(self):
        raise RuntimeError("no words")

    __repr__ = __str__


def fact(tmp_path, call, what, **extra):
    writer = Journal(tmp_path, run="r", attempt=1, address=None)
    call(writer, tmp_path, what, limit=LIMIT, **extra)
    (found,), _, skipped = read(tmp_path / journal.JOURNAL, 0, 1)
    assert skipped == 0
    return found


@pytest.mark.parametrize("result", [None, 1, "é", {"a": [1, {"b": None}]}, True])
def test_a_result_that_is_json_is_kept(tmp_path, result):
    assert fact(tmp_path, report.completed, result)["result"] == result


NESTED: list = []
NESTED.append(NESTED)


@pytest.mark.parametrize(
    ("result", "shown"),
    [
        ({1, 2}, "{1, 2}"),
        (float("nan"), "nan"),
        (NESTED, "[[...]]"),
        (Unspeakable(), "<Unspeakable>"),
        ({"k": b"x"}, "{'k': b'x'}"),
    ],
)
def test_any_other_result_is_told_by_its_repr(tmp_path, result, shown):
    found = fact(tmp_path, report.completed, result)
    assert (found["result"], found["result_repr"]) == (None, shown)


def test_a_long_result_lies_beside_the_journal(tmp_path):
    found = fact(tmp_path, report.completed, "x" * 100_000)
    assert attachment(tmp_path, found["result_file"], LIMIT) == "x" * 100_000


def test_a_result_over_the_limit_is_only_described(tmp_path):
    found = fact(tmp_path, report.completed, "x" * LIMIT)
    assert found["result_repr"] == f"<str: {LIMIT + 2} bytes of JSON, {LIMIT} are kept>"
    assert not (tmp_path / "result.json").exists()


def raised(error, cause=None):
    try:
        raise error from cause  # noqa: TRY301
    except BaseException as caught:  # noqa: BLE001
        return caught


def test_an_exception_is_told_with_its_cause(tmp_path):
    error = fact(tmp_path, report.failed, raised(ValueError("outer"), raised(KeyError("inner"))))["error"]
    assert (error["type"], error["message"]) == ("ValueError", "outer")
    assert "KeyError: 'inner'" in error["traceback"]
    assert "direct cause" in error["traceback"]


@pytest.mark.parametrize("error", [Unspeakable(), ExceptionGroup("several", [ValueError("one")]), ValueError("\ud800")])
def test_no_exception_is_too_strange_to_record(tmp_path, error):
    assert fact(tmp_path, report.failed, raised(error))["error"]["type"].rpartition(".")[2] == type(error).__name__


def test_a_long_message_lies_beside_the_journal(tmp_path):
    found = fact(tmp_path, report.failed, raised(ValueError("m" * 90_000)))
    assert found["error"]["message"] == "m" * 2000
    assert attachment(tmp_path, found["error_file"], 4 * LIMIT)["message"] == "m" * 90_000


def test_a_failed_step_has_a_reason_and_no_traceback(tmp_path):
    found = fact(tmp_path, report.failed, raised(ValueError("why")), reason="StepFailed")
    assert (found["reason"], found["error"]["traceback"]) == ("StepFailed", None)


@pytest.mark.parametrize(("code", "expected"), [(None, 0), (0, 0), (3, 1), ("bad", 1)])
def test_sys_exit_completes_or_fails(tmp_path, code, expected):
    writer = Journal(tmp_path, run="r", attempt=1, address=None)
    assert report.exited(writer, tmp_path, raised(SystemExit(code)), limit=LIMIT) == expected
    assert read(tmp_path / journal.JOURNAL, 0, 1).facts[0]["fact"] == ("failed" if expected else "completed")


def test_an_exception_that_no_output_can_show_is_a_fact_still(tmp_path, monkeypatch):
    with (tmp_path / "output").open("w", encoding="utf-8") as output:
        monkeypatch.setattr("sys.stdout", output)
        assert fact(tmp_path, report.failed, OSError("no file \udcff"))["error"]["message"] == "no file \udcff"
    assert "no file \\udcff" in (tmp_path / "output").read_text()
    (tmp_path / journal.JOURNAL).unlink()
    assert fact(tmp_path, report.failed, OSError("the output is closed"))["fact"] == "failed"
