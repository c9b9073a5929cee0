"""What the scenes of the demo are played on: commits, verbs, waiting on the log, narrating. Used by _demo_story."""

import textwrap
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from reconciler.cli._print import paint, plain, say
from reconciler.model.errors import NotFoundError
from reconciler.model.fact import Event
from reconciler.model.plan import Json
from reconciler.stores._reader import Reader

STEP = 0.01
"""Seconds between looks at the log."""
COUNTS = ("created", "updated", "pruned", "moved")


class StoryError(Exception):
    """Something did not go as told; `str()` says what."""


class Hands(Protocol):
    """The processes of the demo."""

    def git(self, *words: str) -> str:
        """What git prints. Raises StoryError."""

    def reconciler(self, *words: str) -> tuple[int, str]:
        """A verb's exit code and output. Raises StoryError when it takes too long."""

    def serving(self) -> bool:
        """Whether the daemon lives."""


class Stage:
    """Plays what it is told and shows it."""

    def __init__(self, hands: Hands, repo: Path, until: float) -> None:
        self._hands = hands
        self._repo = repo
        self._until = until
        self._seq = 0
        self._log: Reader | None = None
        self.scene = "the daemon starts"

    def close(self) -> None:
        """Let go of the log."""
        if self._log:
            self._log.close()

    def title(self, text: str) -> None:
        """The next scene."""
        self.scene = text
        say(f"\n{paint(text, bold=True)}")

    def tell(self, text: str) -> None:
        """A line of the narrator."""
        say(textwrap.indent(textwrap.fill(text, 110), "  "))

    def write(self, files: Mapping[str, str | None], show: str = "") -> None:
        """Change files of the work tree, None removing one; `show` names one to print."""
        for name, text in files.items():
            path = self._repo / name
            if text is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        if show:
            say(f"\n  {show}")
            say(textwrap.indent(str(files[show]).rstrip(), "    "))

    def commit(self, message: str) -> list[Event]:
        """Commit everything; what the daemon made of it, told line by line."""
        self._hands.git("add", "--all")
        self._hands.git("commit", "--quiet", f"--message={message}")
        return self._committed(f'git commit -m "{message}"')

    def revert(self) -> list[Event]:
        """Take the last commit back with another."""
        self._hands.git("revert", "--no-edit", "HEAD")
        return self._committed("git revert HEAD")

    def _committed(self, typed: str) -> list[Event]:
        head = self._hands.git("rev-parse", "HEAD")
        say(f"\n  $ {typed}\n    {paint(head[:8], 'yellow')} {self._hands.git('log', '-1', '--format=%s')}")
        return self.outcome(head)

    def outcome(self, revision: str) -> list[Event]:
        """The events up to a revision's being applied or refused, told."""
        found = self._until_seen(
            lambda e: e.type in {"RevisionApplied", "RevisionRefused"} and e.data["revision"] == revision,
            f"revision {revision[:8]} to be applied or refused",
        )
        for event in found:
            if event.type.startswith(("Deployment", "Revision")):
                say(f"    {paint(event.type.ljust(18), 'cyan')} {_words(event)}")
        return found

    def verb(self, *words: str, code: int = 0) -> str:
        """What a person would type, and what it prints. Raises StoryError for another exit code than `code`."""
        typed = " ".join(f"'{w}'" if " " in w else w for w in words)
        say(f"\n  $ reconciler {typed}")
        got, said = self._hands.reconciler(*words)
        say(textwrap.indent(said, "    "))
        self.expect(got == code, f"`reconciler {typed}` to exit with {code}, not {got}")
        return said

    def run(self, deployment: str, *words: str) -> dict[str, Json]:
        """Run a deployment to its end and print its output; the run's row."""
        ident = self.verb("run", deployment, *words, "--wait").split()[0]
        self.verb("logs", ident)
        return self.row(ident)

    def completed(self, deployment: str) -> dict[str, Json]:
        """Wait for the next Completed run of a deployment that nobody asked for; its row."""
        *_, event = self._until_seen(
            lambda e: e.type == "RunCompleted" and self.row(e.subject)["deployment"] == deployment,
            f"a run of {deployment} to complete",
        )
        return self.row(event.subject)

    def row(self, run: str) -> dict[str, Json]:
        """A run as the log has it."""
        return self.log.run(run)

    def deployments(self) -> dict[str, dict[str, Json]]:
        """Deployments as applied, by name."""
        return {row["name"]: row for row in self.log.deployments()}

    def expect(self, held: bool, what: str) -> None:
        """Raises StoryError unless it held."""
        if not held:
            raise StoryError(f"expected {what}")

    @property
    def log(self) -> Reader:
        """The daemon's log, waited for at first."""
        while self._log is None:
            try:
                self._log = Reader.open(self._repo / ".git" / "reconciler" / "log.db")
            except NotFoundError:
                self._pause("the daemon to open its log")
        return self._log

    def _until_seen(self, wanted: Callable[[Event], bool], what: str) -> list[Event]:
        found: list[Event] = []
        while True:
            for event in self.log.events(self._seq):
                self._seq = event.seq
                found.append(event)
                if wanted(event):
                    return found
            self._pause(what)

    def _pause(self, what: str) -> None:
        if not self._hands.serving():
            raise StoryError(f"the daemon ended while it was waited for {what}")
        if time.monotonic() > self._until:
            raise StoryError(f"waited too long for {what}")
        time.sleep(STEP)


def _words(event: Event) -> str:
    """What an event says, on one line."""
    data = event.data
    if event.type == "RevisionApplied":
        counts = ", ".join(f"{data[word]} {word}" for word in COUNTS if data.get(word)) or "no change"
        held = f"; held back: {', '.join(data['held'])}" if data.get("held") else ""
        return f"{data['revision'][:8]}: {counts}{held}"
    if event.type.startswith("Revision"):
        return f"{data['revision'][:8]}: {plain(data['reason'])}"
    return f"{plain(event.subject)}: {plain(data.get('reason') or 'moved')}"
