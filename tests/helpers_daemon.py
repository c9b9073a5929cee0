"""The real daemon and the real command as children, on a real repository. For all tests that need either."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from helpers_git import ENVIRONMENT, Repo

ROOT = Path(__file__).resolve().parents[1]
DEADLINE = 30.0


def command(
    path: Path,
    *words: str,
    input: str | None = None,  # noqa: A002 - the word of subprocess
    env: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """`reconciler -C path words...`, run to its end."""
    return subprocess.run(
        [sys.executable, "-m", "reconciler", "-C", str(path), *words],
        env=environment() | (env or {}),
        input=input,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def answer(path: Path, *words: str, code: int = 0) -> Any:
    """What `--json` printed; the exit code must be as expected."""
    done = command(path, *words, "--json")
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def environment() -> dict[str, str]:
    """Of every child: nothing of the machine's but PATH."""
    return ENVIRONMENT | {
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": os.environ.get("PYTHONDONTWRITEBYTECODE", ""),
    }


def until(what: Callable[[], Any], said: str = "it did not happen") -> Any:
    """The first true answer, asked again and again until the deadline."""
    end = time.monotonic() + DEADLINE
    while not (found := what()):
        assert time.monotonic() < end, said
        time.sleep(0.01)
    return found


class Daemon:
    """`reconciler serve` on a repository, ready when `with` is entered, ended when it is left; its runs too."""

    def __init__(self, repo: Repo, *options: str, env: dict[str, str] | None = None) -> None:
        self.repo = repo
        self.options = options
        self.env = env or {}
        self.output = repo.path.parent / f"{repo.path.name}.serve.log"
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def start(self) -> None:
        """Start it and wait until it answers and has read git."""
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "reconciler", "-C", str(self.repo.path), "serve", *self.options],
                env=environment() | self.env, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip
        until(self._ready, "the daemon did not start")

    def _ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.output.read_text()
        text = self.output.read_text()
        return "applied:" in text or "refused" in text or "cannot be read" in text

    def applied(self, revision: str) -> None:
        """Wait until a revision is applied."""
        until(lambda: f"revision {revision[:8]} applied" in self.output.read_text(), self.output.read_text())

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it; its exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(timeout=DEADLINE)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process is not None and self.process.poll() is None:
            for run in json.loads(command(self.repo.path, "runs", "--json").stdout or "[]"):
                if run["finished_at"] is None:
                    command(self.repo.path, "cancel", run["id"])
            self.process.terminate()
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
