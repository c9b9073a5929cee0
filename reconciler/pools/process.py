"""`process`: a run is a fork of a warm template process, in a session of its own on this machine."""

import json
import os
import socket
import sys
from contextlib import suppress
from pathlib import Path

from reconciler.model.errors import Next, StepError
from reconciler.pools._local import LocalPool, ended, start

_PATIENCE_SECONDS = 5.0


class ProcessPool(LocalPool):
    """Keeps one template for one interpreter, starts another when it is gone, and leaves it to drain at the end."""

    def __init__(self, python: str = sys.executable) -> None:
        self._python = python
        self._template: tuple[int, socket.socket] | None = None
        self._in_hand: set[Path] = set()

    def warm(self) -> None:
        """Start the template."""
        with suppress(OSError):
            self._warm()

    def launch(self, run_dir: Path) -> None:
        """Ask the template; if it is gone, ask a new one."""
        request = json.dumps({"launch": str(run_dir.absolute())}).encode()
        for _ in range(2):
            try:
                self._warm().send(request)
            except BrokenPipeError:
                self._lose()
            except OSError as error:
                raise self._refusal(str(error)) from None
            else:
                self._in_hand.add(run_dir)
                return
        raise self._refusal("the template process ends as soon as it is started")

    def has_in_hand(self, run_dir: Path) -> bool:
        """Whether the template that was asked still lives."""
        if self._template and ended(self._template[0]):
            self._lose()
        return run_dir in self._in_hand

    def alive(self, run_dir: Path) -> bool:
        """As for every local run; one that is over is forgotten here."""
        found = super().alive(run_dir)
        if not found:
            self._in_hand.discard(run_dir)
        return found

    def close(self) -> None:
        """The template sees that nobody asks any more, waits for its runs, and ends."""
        if self._template:
            pid, requests = self._template
            requests.close()
            ended(pid)
        self._template = None
        self._in_hand.clear()

    def _warm(self) -> socket.socket:
        if self._template and ended(self._template[0]):
            self._lose()
        if self._template is None:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                try:
                    pid = start("template", python=self._python, descriptor=theirs.fileno())
                except OSError:
                    ours.close()
                    raise
            ours.settimeout(_PATIENCE_SECONDS)
            self._template = pid, ours
        return self._template[1]

    def _lose(self) -> None:
        """The template is gone: what it had in hand it has no more. Its runs live on."""
        if self._template:
            pid, requests = self._template
            requests.close()
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        self._template = None
        self._in_hand.clear()

    def _refusal(self, why: str) -> StepError:
        error = StepError(f"the run cannot be launched: {why}", hint=f"does {self._python} start?")
        error.next = Next.TRANSIENT
        return error
