"""Asks the daemon over its socket. Called by writing verbs and, inside a user's process, by scripts.

Standard library only, so that a verb starts quickly and a script needs nothing of ours but this.
"""

import contextlib
import json
import os
import socket
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

from reconciler.model.errors import AccessError, DaemonError, ReconcilerError

TIMEOUT = 60.0
BUSY = 0.02
"""Seconds before knocking again at a full house."""
SOCKET = "socket"
SOCKET_LIMIT = 100
"""Bytes of a path that a socket address surely holds (108 on Linux, 104 elsewhere)."""


def address(root: Path, name: str) -> str:
    """Where to bind or connect the socket `name`: its path, or a short way to it where that is too long."""
    path = root / name
    if len(os.fsencode(path)) <= SOCKET_LIMIT:
        return str(path)
    return f"/proc/self/fd/{_folder(root)}/{name}"


@lru_cache(maxsize=16)
def _folder(root: Path) -> int:
    """A descriptor that stands for a directory as long as this process lives."""
    return os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


class Line:
    """One open conversation with the daemon of a state directory: JSON lines both ways."""

    def __init__(self, root: Path, *, timeout: float = TIMEOUT) -> None:
        """Connect. Raises DaemonError when no daemon runs, AccessError when it is another user's."""
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._line.settimeout(timeout)
        try:
            _connect(self._line, address(root, SOCKET), timeout)
        except PermissionError:
            self._line.close()
            raise AccessError(
                f"no permission to ask the daemon at {root}", hint="only its own user and root may"
            ) from None
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
            self._line.close()
            raise DaemonError("no daemon serves this repository", hint="start one: reconciler serve") from None
        except OSError as error:
            self._line.close()
            raise _silent(error) from None
        self._stream = self._line.makefile("rb")

    def ask(self, verb: str, args: dict[str, Any]) -> Any:
        """The daemon's answer. Raises DaemonError, and the daemon's own refusals."""
        try:
            self.tell({"verb": verb, "args": args})
            answer = self.hear()
        except (OSError, ValueError) as error:
            raise _silent(error) from None
        if not isinstance(answer, dict):
            raise DaemonError("the daemon ended while it was asked", hint="start it again: reconciler serve")
        if "error" in answer:
            raise refused(answer["error"])
        return answer["ok"]

    def tell(self, message: dict[str, Any]) -> None:
        """Send one line. Raises OSError."""
        self._line.sendall(json.dumps(message).encode() + b"\n")

    def hear(self) -> Any:
        """The next line; None when the daemon closed. Raises OSError, and ValueError for what is no JSON."""
        return json.loads(self._stream.readline() or b"null")

    def patience(self, seconds: float | None) -> None:
        """How long `hear` waits; None for ever."""
        self._line.settimeout(seconds)

    def hang_up(self) -> None:
        """Say no more; what waits in `hear`, on any thread, is told that the conversation is over."""
        with contextlib.suppress(OSError):
            self._line.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of the connection."""
        self._stream.close()
        self._line.close()


def ask(root: Path, verb: str, args: dict[str, Any], *, timeout: float = TIMEOUT) -> Any:
    """One question to the daemon of a state directory. Raises DaemonError when none runs, and its own refusals."""
    line = Line(root, timeout=timeout)
    try:
        return line.ask(verb, args)
    finally:
        line.close()


def answers(root: Path) -> bool:
    """Whether a daemon listens; reading verbs ask, to say what waits for one."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(1.0)
            line.connect(address(root, SOCKET))
    except OSError:
        return False
    return True


def refused(told: dict[str, Any]) -> ReconcilerError:
    """The daemon's refusal as the error it was."""
    error = ReconcilerError(str(told.get("message")), hint=str(told.get("hint") or ""))
    error.reason = str(told.get("reason"))
    error.exit_code = int(told.get("exit_code") or 1)
    return error


def _silent(error: Exception) -> DaemonError:
    return DaemonError(f"the daemon does not answer: {error}", hint="see its output, or start it again")


def _connect(line: socket.socket, where: str, patience: float) -> None:
    """Connect, again and again while the daemon has more callers than it can take up at once."""
    until = time.monotonic() + patience
    while True:
        try:
            line.connect(where)
        except BlockingIOError:
            if time.monotonic() > until:
                raise
            time.sleep(BUSY)
        else:
            return
