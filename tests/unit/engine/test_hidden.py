"""What is cut is cleaned first: half a secret is not found any more."""

import json

import pytest

from reconciler.engine import hidden, names, parameters, report
from reconciler.engine.journal import Journal
from reconciler.engine.secrets import Held

SECRET = "0123456789" + "abcdef"


@pytest.fixture(autouse=True)
def held():
    hidden.hold(Held({"A": SECRET}))
    yield
    hidden.hold(None)


@pytest.fixture
def journal(tmp_path):
    made = Journal(tmp_path, run="r", attempt=1, address=None)
    yield made
    made.close()


def written(tmp_path) -> dict:
    return json.loads((tmp_path / "journal.jsonl").read_text().splitlines()[-1])


def test_an_error_and_its_traceback(journal, tmp_path):
    report.failed(journal, tmp_path, ValueError("x" * 92 + SECRET + "y" * 100), limit=100)
    error = written(tmp_path)["error"]
    assert error["message"] == "x" * 92 + "***" + "y" * 5
    assert SECRET[-4:] not in error["traceback"]


def test_a_result_that_is_no_json(journal, tmp_path):
    report.completed(journal, tmp_path, {1.5: object(), "x" * 1980: SECRET * 9}, limit=100)
    assert SECRET[:4] not in written(tmp_path)["result_repr"]


@pytest.mark.parametrize("length", [10, 70_000])
def test_a_result_in_the_journal_and_in_a_file_of_its_own(journal, tmp_path, length):
    report.completed(journal, tmp_path, ["x" * length, {SECRET: (SECRET, 1)}], limit=1_000_000)
    fact = written(tmp_path)
    found = json.loads((tmp_path / "result.json").read_text()) if fact.get("result_file") else fact["result"]
    assert found == ["x" * length, {"***": ["***", 1]}]


def test_an_error_in_a_file_of_its_own(journal, tmp_path):
    report.failed(journal, tmp_path, ValueError("x" * 70_000 + SECRET), limit=1_000_000)
    assert SECRET[:4] not in (tmp_path / "error.json").read_text()


def test_a_task(journal, tmp_path):
    journal.task(id="1", name="x" * 190 + SECRET, message="y" * 490 + SECRET, state="Failed", tries=1, kind=SECRET)
    fact = written(tmp_path)
    assert (fact["name"], fact["message"]) == ("x" * 190 + "***", "y" * 490 + "***")
    assert fact["kind"] == SECRET  # a word of ours: no secret gets there


def test_the_name_of_a_run():
    assert names.filled("flow_run_name", "{a}{b}", {"a": "x" * 190, "b": SECRET}) == "x" * 190 + "***"


def test_a_parameter_that_does_not_fit():
    def flow(n: int) -> None: ...

    with pytest.raises(parameters.ParameterError) as told:
        parameters.bind(flow, {"n": ["x" * 70, SECRET]})
    assert SECRET[:4] not in str(told.value)
