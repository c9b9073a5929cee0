"""A command of a person's own in a folder, to its end or the end of its time. Called by daemon/scratch for `bisect`."""

import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from reconciler.engine import environment

LATE = None
"""The exit code of what took too long."""


def run(command: str, folder: Path, declared: Mapping[str, str], output: Path, limit: float | None) -> int | None:
    """The exit code (minus the signal that ended it), LATE past `limit` seconds; it sees the caller's environment.

    What it started in its session ends with it, and when this call is interrupted.
    """
    with output.open("wb") as file:
        child = subprocess.Popen(
            ["/bin/sh", "-c", command],
            cwd=folder,
            env=environment.caller() | dict(declared),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    try:
        return child.wait(timeout=limit)
    except subprocess.TimeoutExpired:
        return LATE
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
