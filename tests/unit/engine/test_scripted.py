"""A flow that is called in a script: nothing of recording is felt in the call, with or without a daemon."""

import asyncio
import logging
import os
import reprlib
import time
from pathlib import Path

import pytest
from engine_runs import holding

from reconciler.engine import marker, nearby, recording, scripted
from reconciler.engine.context import FlowRun, Frame, Run
from reconciler.engine.flows import Flow
from reconciler.engine.journal import read


def test_without_a_daemon_a_call_is_the_call_and_its_exception_the_exception(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Flow(lambda x: x + 1)(2) == 3

    async def later(x: int) -> int:
        return x

    assert asyncio.run(Flow(later)(4)) == 4  # type: ignore[arg-type]
    error = KeyError("mine")

    def fail() -> None:
        raise error

    with pytest.raises(KeyError) as raised:
        Flow(fail)()
    assert raised.value is error


def test_looking_for_a_daemon_that_is_not_there_costs_a_call_next_to_nothing(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frame = Frame(Run("a"), Flow(lambda: 5), FlowRun("a", "a", "a"))

    def once() -> float:
        began = time.perf_counter()
        scripted.Call(frame)
        return time.perf_counter() - began

    assert min(once() for _ in range(50)) < 0.001


@pytest.fixture
def deaf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    """A daemon that lives and answers nobody is nearby: whoever wants to record warns once."""
    monkeypatch.setenv(nearby.STATE_DIR, str(tmp_path))
    monkeypatch.setattr(scripted, "_warned", [])
    caplog.set_level(logging.WARNING, logger="reconciler")
    with holding(tmp_path):
        yield


@pytest.mark.usefixtures("deaf")
def test_a_record_that_fails_is_one_warning_and_never_the_callers(caplog):
    flow = Flow(lambda: 5)
    assert [flow(), flow()] == [5, 5]
    (warning,) = caplog.records
    assert warning.getMessage().startswith("calls of flows are not recorded: DaemonError: no daemon serves")


@pytest.mark.usefixtures("deaf")
@pytest.mark.parametrize(("name", "value"), [(scripted.RUN, "abc"), (scripted.RECORD, "0")])
def test_inside_a_run_or_by_wish_nothing_is_recorded(monkeypatch, caplog, name: str, value: str):
    monkeypatch.setenv(name, value)
    assert Flow(lambda: 1)() == 1
    assert caplog.records == []


@pytest.fixture
def record(tmp_path: Path) -> recording.Record:
    assert marker.claim_call(tmp_path)
    assert not marker.claim_call(tmp_path)
    return recording.Record(tmp_path, "abc", str(tmp_path / "nobody"))


@pytest.mark.parametrize(
    ("result", "fact"),
    [
        ({"a": [1]}, {"fact": "completed", "result": {"a": [1]}}),
        (object, {"fact": "completed", "result": None, "result_repr": reprlib.repr(object)}),
        ("x" * 100_000, {"fact": "completed", "result": None, "result_file": "result.json"}),
        (
            ["x" * 100] * 30_000,
            {"fact": "completed", "result": None, "result_repr": reprlib.repr(["x" * 100] * 30_000)},
        ),
    ],
    ids=["JSON", "no JSON", "long", "too long"],
)
def test_a_result_is_kept_within_bounds(record: recording.Record, tmp_path: Path, result: object, fact: dict):
    record.completed(result)
    (over,) = read(tmp_path / "journal.jsonl", 0, 1).facts
    assert {k: v for k, v in over.items() if k not in {"attempt", "at"}} == fact
    assert marker.read_exit(tmp_path) == {"code": 0, "signal": None}


@pytest.mark.parametrize(
    ("error", "fact", "code"),
    [
        (ValueError("no"), "failed", 1),
        (ValueError("x" * 200_000), "failed", 1),
        (SystemExit(0), "completed", 0),
        (SystemExit("why"), "failed", 1),
        (KeyboardInterrupt(), "failed", 1),
    ],
    ids=["raised", "at length", "exit 0", "exit with words", "interrupted"],
)
def test_an_end_of_another_kind_is_a_fact(record: recording.Record, tmp_path: Path, error, fact: str, code: int):
    record.failed(error)
    over = read(tmp_path / "journal.jsonl", 0, 1).facts[-1]
    assert over["fact"] == fact
    assert marker.read_exit(tmp_path) == {"code": code, "signal": None}
    if fact == "failed":
        assert over["error"]["type"] == type(error).__name__


def test_a_fork_of_the_caller_says_nothing_of_the_call(record: recording.Record, tmp_path: Path):
    pid = os.fork()
    if pid == 0:
        record.completed(1)
        os._exit(0)
    os.waitpid(pid, 0)
    assert read(tmp_path / "journal.jsonl", 0, 1).facts == []
    assert marker.read_exit(tmp_path) is None


def test_a_thousand_calls_leave_no_descriptor(tmp_path: Path):
    before = len(list(Path("/proc/self/fd").iterdir()))
    for number in range(20):
        folder = tmp_path / str(number)
        folder.mkdir()
        marker.claim_call(folder)
        recording.Record(folder, "abc", "").completed(1)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_arguments_are_told_within_bounds():
    told = recording.arguments({"a": 1, "b": object, "c": {1, 2}, "d": "x" * 600_000, "e": [2]})
    assert {**told, "d": None} == {"a": 1, "b": reprlib.repr(object), "c": "{1, 2}", "d": None, "e": [2]}
    assert len(told["d"]) < 100
