"""Source for a run whose interpreter lacks our git door, laid out by the one that has it. Called by copies and entry.

A run in an environment must not meet the libraries of the daemon, so it asks a process of the daemon's interpreter.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from reconciler.model.errors import ReconcilerError, StepError

ENTRY = str(Path(__file__).resolve().with_name("entry.py"))
"""Not through the link by which an environment sees us: beside it lie no libraries."""


def ask(python: str, request: dict[str, Any]) -> dict[str, Any]:
    """What `answer` says to a request. Raises StepError."""
    try:
        done = subprocess.run(
            [python, "-I", ENTRY, "fetch"], input=json.dumps(request).encode(), capture_output=True, check=False
        )
        found: dict[str, Any] = json.loads(done.stdout)
    except (OSError, ValueError) as error:
        raise StepError(f"git_clone: source cannot be laid out: {error}") from None
    if "error" in found:
        raise StepError(found["error"], hint=found.get("hint", ""))
    return found


def answer(lay_out: Callable[..., dict[str, Any]]) -> int:
    """Do what the request on standard input says, and print the manifest or what is wrong."""
    request = json.load(sys.stdin)
    try:
        found = lay_out(Path(request["git_dir"]), request["commit"], Path(request["target"]), request["directories"])
    except ReconcilerError as error:
        found = {"error": error.message, "hint": error.hint}
    print(json.dumps(found))  # noqa: T201 - the answer
    return 0
