"""Asks the daemon over its socket. Called by writing verbs; standard library only, so that a verb starts quickly."""

import json
import socket
import time
from typing import Any

from reconciler.daemon.state_dir import StateDir
from reconciler.model.errors import AccessError, DaemonError, ReconcilerError
from reconciler.model.plan import Json

TIMEOUT = 60.0
BUSY = 0.02
"""Seconds before knocking again at a full house."""


def ask(state: StateDir, verb: str, args: dict[str, Any]) -> Json:
    """The daemon's answer. Raises DaemonError when none runs, and the daemon's own refusals."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(TIMEOUT)
            _connect(line, state.address("socket"))
            line.sendall(json.dumps({"verb": verb, "args": args}).encode() + b"\n")
            with line.makefile("rb") as stream:
                answer = json.loads(stream.readline() or b"null")
    except PermissionError:
        raise AccessError(
            f"no permission to ask the daemon at {state.root}", hint="only its own user and root may"
        ) from None
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
        raise DaemonError("no daemon serves this repository", hint="start one: reconciler serve") from None
    except (OSError, ValueError) as error:
        raise DaemonError(f"the daemon does not answer: {error}", hint="see its output, or start it again") from None
    if not isinstance(answer, dict):
        raise DaemonError("the daemon ended while it was asked", hint="start it again: reconciler serve")
    if "error" in answer:
        raise refused(answer["error"])
    return answer["ok"]


def _connect(line: socket.socket, address: str) -> None:
    """Connect, again and again while the daemon has more callers than it can take up at once."""
    until = time.monotonic() + TIMEOUT
    while True:
        try:
            line.connect(address)
        except BlockingIOError:
            if time.monotonic() > until:
                raise
            time.sleep(BUSY)
        else:
            return


def refused(told: dict[str, Any]) -> ReconcilerError:
    """The daemon's refusal as the error it was."""
    error = ReconcilerError(str(told.get("message")), hint=str(told.get("hint") or ""))
    error.reason = str(told.get("reason"))
    error.exit_code = int(told.get("exit_code") or 1)
    return error


def answers(state: StateDir) -> bool:
    """Whether a daemon listens; reading verbs ask, to say what waits for one."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(1.0)
            line.connect(state.address("socket"))
    except OSError:
        return False
    return True
