"""Flows that go wrong: one that fails twice, one that is too slow, one that waits to be killed."""

import os
import time

from reconciler import flow, get_run_context


@flow(retries=2, retry_delay_seconds=[0.2, 0.4], retry_jitter_factor=0.5)
def flaky() -> str:
    """Fail, until the third attempt."""
    attempt = get_run_context().attempt
    if attempt < 3:
        raise ConnectionError(f"attempt {attempt} did not get through")
    return f"attempt {attempt} got through"


@flow(timeout_seconds=0.3)
def slow(seconds: float) -> float:
    """Take some time."""
    time.sleep(seconds)
    return seconds


@flow(retries=1)
def lost() -> str:
    """Wait to be killed, once."""
    if get_run_context().attempt == 1:
        print("kill -9", os.getpid(), flush=True)
        time.sleep(600)
    return "found again"
