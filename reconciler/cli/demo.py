"""Tell the whole story in a throw-away repository, with real commits and a real daemon."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType

import click

from reconciler.cli import _demo_story
from reconciler.cli._demo_stage import Stage, StoryError
from reconciler.cli._print import paint, say
from reconciler.daemon import config
from reconciler.engine import linux

LIMIT = 18.0
"""Seconds for the whole story; then it ends, told or not."""
PATIENCE = 5.0
"""Seconds for the daemon, then for what it started, to end."""
KEPT = ("PATH", "HOME", "TMPDIR", "LANG", "TZ")
"""What git and the daemon see of this environment: no setting of the operator's plays a part."""
GIT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
}


@click.command("demo")
def command() -> None:
    """Tell the whole story in a throw-away repository, with real commits and a real daemon.

    Takes some seconds, ends by itself and leaves nothing behind. Exits 0 only when every step went as told.
    """
    signal.signal(signal.SIGTERM, _ended)
    if shutil.which("git") is None:
        raise click.ClickException("the demo makes its commits with git, which is not on PATH")
    began = time.monotonic()
    linux.adopt_orphans()
    with tempfile.TemporaryDirectory(prefix="reconciler-demo-", ignore_cleanup_errors=True) as folder:
        hands = Hands(Path(folder), began + LIMIT)
        try:
            code = _tell(hands)
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            hands.clean_up()
    if Path(folder).exists():
        raise click.ClickException(f"{folder} could not be removed")
    say(f"\nCleaned up: no process and no file is left. It took {time.monotonic() - began:.1f} s.")
    sys.exit(code)


def _tell(hands: "Hands") -> int:
    """Everything from the first commit to the last; 1 when it did not go as told."""
    stage = Stage(hands, hands.repo, hands.until)
    try:
        hands.git("init", "--quiet", "--initial-branch=main")
        hands.git("commit", "--quiet", "--allow-empty", "--message=An empty repository")
        say(f"An empty repository in {hands.repo}, and `reconciler serve` beside it; both go at the end.")
        hands.serve()
        _demo_story.tell(stage)
    except StoryError as error:
        say(f"\n{paint('The story did not go as told', 'red')}, at {stage.scene!r}: {error}", err=True)
        say(f"What the daemon said:\n{hands.daemon_said()}", err=True)
        return 1
    finally:
        stage.close()
    return 0


class Hands:
    """The processes of the demo: git, the daemon, the verbs a person types."""

    def __init__(self, folder: Path, until: float) -> None:
        self.repo = folder / "greetings"
        self.repo.mkdir()
        self.until = until
        self._said = folder / "daemon"
        self._daemon: subprocess.Popen[bytes] | None = None
        ours = str(Path(__file__).parents[2])
        self._environment = config.passed_on(KEPT) | GIT | {"PYTHONPATH": ours}

    def git(self, *words: str) -> str:
        """What git prints. Raises StoryError with git's own words."""
        code, said = self._run(["git", *words])
        if code:
            raise StoryError(f"git {words[0]} failed: {said}")
        return said

    def reconciler(self, *words: str) -> tuple[int, str]:
        """A verb's exit code and what it prints."""
        return self._run([sys.executable, "-P", "-m", "reconciler", "-C", str(self.repo), *words])

    def serve(self) -> None:
        """Start the daemon, in a session of its own so that Ctrl-C reaches it only through us."""
        with self._said.open("wb") as said:
            self._daemon = subprocess.Popen(
                [sys.executable, "-P", "-m", "reconciler", "-C", str(self.repo), "serve"],
                env=self._environment, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True,
            )  # fmt: skip

    def serving(self) -> bool:
        """Whether the daemon lives."""
        return self._daemon is not None and self._daemon.poll() is None

    def daemon_said(self) -> str:
        """Its output so far."""
        return "nothing: it was not started" if self._daemon is None else self._said.read_text("utf-8", "replace")

    def clean_up(self) -> None:
        """End the daemon and whatever it started, however far the story came."""
        if self._daemon is not None:
            self._daemon.terminate()
            try:
                self._daemon.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._daemon.kill()
                self._daemon.wait()
        until = time.monotonic() + PATIENCE
        while children := linux.children():
            for child in children:
                with suppress(ProcessLookupError):
                    os.kill(child, 0 if time.monotonic() < until else signal.SIGKILL)
                with suppress(ChildProcessError):
                    os.waitpid(child, os.WNOHANG)
            time.sleep(0.01)

    def _run(self, command: list[str]) -> tuple[int, str]:
        try:
            done = subprocess.run(
                command, cwd=self.repo, env=self._environment, stdin=subprocess.DEVNULL, capture_output=True,
                timeout=max(0.1, self.until - time.monotonic()), check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise StoryError(f"{Path(command[0]).name} {' '.join(command[1:])} took too long") from None
        return done.returncode, (done.stdout + done.stderr).decode("utf-8", "replace").strip()


def _ended(_number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + signal.SIGTERM)
