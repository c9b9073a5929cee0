"""Deadlines inside of each other, in threads, and stopped by pauses."""

import threading
import time

import pytest

from reconciler.engine import deadline
from reconciler.engine.late import FlowTimeout, RunTimeoutError


def spin(seconds=60.0):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


@pytest.mark.parametrize(("outer", "inner", "ends"), [(0.05, 30, "outer"), (30, 0.05, "inner"), (None, 0.05, "inner")])
def test_the_first_to_pass_is_told(outer, inner, ends):
    def nested():
        with deadline.within(outer, "outer"), deadline.within(inner, "inner"):
            spin()

    with pytest.raises(RunTimeoutError, match=f"^{ends} took longer than"):
        nested()
    spin(0.1)  # no alarm is left


def test_in_a_thread_code_is_interrupted_and_what_follows_is_not():
    told = []

    def work():
        for limit, seconds in ((0.05, 60), (60, 0.05)):
            try:
                with deadline.within(limit, "work"):
                    spin(seconds)
                told.append("in time")
            except RunTimeoutError as error:
                told.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(30)
    assert told == ["work took longer than 0.05 s", "in time"]


def test_a_stopped_clock_has_its_time_left_when_it_goes_on():
    clock = deadline.start(0.1)
    with deadline.stopped():
        spin(0.2)
    left = clock.at - time.monotonic()
    assert 0 < left <= 0.1
    with pytest.raises(FlowTimeout) as caught:
        spin()
    assert caught.value.of is clock
    deadline.end(clock)
