import os
import signal
import time

import pytest
from engine_runs import output, wait_until

from reconciler.engine import outflow


def lines(run_dir, flow) -> None:
    """Say something in a process of its own, as a run does."""
    pid = os.fork()
    if pid == 0:
        try:
            flow.enter()
            flow.tell(["s3cr3t", "another"])
            os.write(1, b"one s3c")
            os.write(2, b"r3t and an")
            os.write(1, b"other\nlast s3c")
        finally:
            os._exit(0)
    flow.leave()
    os.waitpid(pid, 0)


def test_everything_said_arrives_without_secrets_and_to_the_last_byte(tmp_path):
    flow = outflow.start(tmp_path)
    lines(tmp_path, flow)
    flow.finish(lambda: None)
    assert output(tmp_path) == "one *** and ***\nlast s3c"


def test_what_is_said_is_there_while_the_run_goes_on_and_after_a_termination(tmp_path):
    flow = outflow.start(tmp_path)
    mine = os.dup(flow.writing)
    lines(tmp_path, flow)
    wait_until(lambda: (tmp_path / "output").exists() and "***\nlast " in output(tmp_path), "the first line")
    os.kill(flow.pid, signal.SIGTERM)
    os.write(mine, b"r3t.")
    os.close(mine)
    flow.finish(lambda: None)
    assert output(tmp_path).endswith("last ***.")


def test_a_filter_that_is_killed_leaves_a_word_on_the_gap(tmp_path):
    flow = outflow.start(tmp_path)
    os.kill(flow.pid, signal.SIGKILL)
    flow.leave()
    flow.finish(lambda: None)
    assert "was killed: what was said after this is lost" in output(tmp_path)


def test_a_run_that_ends_before_it_tells_anything_is_waited_for(tmp_path):
    flow = outflow.start(tmp_path)
    flow.leave()
    flow.finish(lambda: None)
    assert output(tmp_path) == ""


def test_what_keeps_the_pipe_open_is_swept_away_or_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(outflow, "_PATIENCE", 0.1)
    flow = outflow.start(tmp_path)
    mine = os.dup(flow.writing)
    flow.leave()
    asked: list[float] = []
    flow.finish(lambda: asked.append(time.monotonic()))
    os.close(mine)
    assert len(asked) > 1
    with pytest.raises(ChildProcessError):
        os.waitpid(flow.pid, 0)
