"""`process`: a run is a fork of a warm template process, in a session of its own on this machine."""

import json
import os
import socket
import sys
from contextlib import suppress
from pathlib import Path

from reconciler.engine import environments
from reconciler.engine.environments import Environment
from reconciler.model.errors import Next, StepError
from reconciler.pools._local import LocalPool, ended, start

IDLE_SECONDS = 300.0
"""After which the template of an environment that no run asks for ends by itself."""
_PATIENCE_SECONDS = 5.0


class ProcessPool(LocalPool):
    """Keeps a template for each interpreter that runs need, starts another when it is gone, lets it drain at the end.

    A deployment that installs requirements is launched where its last run ended up: whether that is still the right
    environment the run finds out itself, when it gets to that step.
    """

    def __init__(self, python: str = sys.executable, idle: float = IDLE_SECONDS) -> None:
        self._python = python
        self._idle = idle
        self._templates: dict[str, tuple[int, socket.socket]] = {}
        self._in_hand: dict[Path, str] = {}

    def warm(self) -> None:
        """Start the template."""
        with suppress(OSError):
            self._warm(self._python, None)

    def launch(self, run_dir: Path) -> None:
        """Ask the template; if it is gone, ask a new one."""
        environment = environments.recall(run_dir) if self._python == sys.executable else None
        python = environment.python if environment else self._python
        request = json.dumps({"launch": str(run_dir.absolute())}).encode()
        for _ in range(2):
            try:
                self._warm(python, environment).send(request)
            except BrokenPipeError:
                self._lose(python)
            except OSError as error:
                raise self._refusal(str(error)) from None
            else:
                self._in_hand[run_dir] = python
                return
        raise self._refusal("the template process ends as soon as it is started")

    def has_in_hand(self, run_dir: Path) -> bool:
        """Whether the template that was asked still lives."""
        self._look_after()
        return run_dir in self._in_hand

    def alive(self, run_dir: Path) -> bool:
        """As for every local run; one that is dead is forgotten here."""
        found = super().alive(run_dir)
        if not found:
            self._in_hand.pop(run_dir, None)
        return found

    def exit_status(self, run_dir: Path) -> dict[str, int | None] | None:
        """As for every local run; one that has ended is forgotten here."""
        found = super().exit_status(run_dir)
        if found is not None:
            self._in_hand.pop(run_dir, None)
        return found

    def close(self) -> None:
        """The templates see that nobody asks any more, wait for their runs, and end."""
        for pid, requests in self._templates.values():
            requests.close()
            ended(pid)
        self._templates.clear()
        self._in_hand.clear()

    def _warm(self, python: str, environment: Environment | None) -> socket.socket:
        self._look_after()
        if python not in self._templates:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                try:
                    pid = self._start(environment, theirs.fileno())
                except OSError:
                    ours.close()
                    raise
            ours.settimeout(_PATIENCE_SECONDS)
            self._templates[python] = pid, ours
        return self._templates[python][1]

    def _start(self, environment: Environment | None, descriptor: int) -> int:
        if environment is None:
            return start("template", python=self._python, descriptor=descriptor)
        return start(
            "template", str(self._idle), python=environment.python, descriptor=descriptor, entry=environment.entry
        )

    def _look_after(self) -> None:
        """Let go of the templates that have ended."""
        for python in [python for python, (pid, _) in self._templates.items() if ended(pid)]:
            self._lose(python)

    def _lose(self, python: str) -> None:
        """A template is gone: what it had in hand it has no more. Its runs live on."""
        pid, requests = self._templates.pop(python)
        requests.close()
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        self._in_hand = {path: where for path, where in self._in_hand.items() if where != python}

    def _refusal(self, why: str) -> StepError:
        error = StepError(f"the run cannot be launched: {why}", hint=f"does {self._python} start?")
        error.next = Next.TRANSIENT
        return error
