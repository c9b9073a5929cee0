"""The command as people use it: verbs, and a daemon as a child process, always ended. For acceptance tests."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from helpers_git import ENVIRONMENT

ROOT = Path(__file__).parents[1]
COMMAND = [sys.executable, "-P", "-m", "reconciler"]
DEADLINE = 20.0
ENV = {**ENVIRONMENT, "PYTHONPATH": str(ROOT), "HOME": "/tmp", "NO_COLOR": "1"}


def reconciler(
    repo: Path, *words: str, code: int | None = 0, env: Mapping[str, str] = ENV, deadline: float = DEADLINE
) -> str:
    """What a verb prints on stdout; with a code of None, any exit code will do."""
    done = subprocess.run(
        [*COMMAND, "-C", str(repo), *words], env=env, capture_output=True, text=True, timeout=deadline, check=False
    )
    assert code is None or done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def told(repo: Path, *words: str) -> Any:
    """What a reading verb prints with --json."""
    return json.loads(reconciler(repo, *words, "--json", code=None) or "null")


def deployments(repo: Path) -> dict[str, dict[str, Any]]:
    """`status --json` by name."""
    return {row["deployment"]: row for row in told(repo, "status") or []}


def until(found: Callable[[], Any], what: str) -> Any:
    """Ask until there is an answer; fails after DEADLINE seconds."""
    end = time.monotonic() + DEADLINE
    while not (answer := found()):
        assert time.monotonic() < end, f"still waiting for {what}"
        time.sleep(0.05)
    return answer


def applied(repo: Path, revision: str) -> None:
    """Wait until a revision is applied."""
    seen = lambda: revision in reconciler(repo, "events", "--type", "RevisionApplied", "--json", code=None)  # noqa: E731
    until(seen, f"{revision[:8]} to be applied")


@contextmanager
def served(repo: Path, *options: str) -> Iterator[None]:
    """`reconciler serve` as a child, and what it started, gone at the end."""
    said = repo.parent / f"{repo.name}.daemon"
    with said.open("wb") as output:
        child = subprocess.Popen(
            [*COMMAND, "-C", str(repo), "serve", *options],
            env=ENV,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        until(lambda: b"serving" in said.read_bytes() or child.poll() is not None, "the daemon")
        yield
    finally:
        child.terminate()
        child.wait(DEADLINE)
        until(lambda: not in_session(child.pid), "the template to end")
    assert child.returncode in {0, 1}, said.read_text()


def in_session(leader: int) -> list[int]:
    """Live processes of a session: a daemon's template stays in it."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _parent, _group, session, *_ = entry.read_text("latin-1").rpartition(")")[2].split()
        except OSError:
            continue
        if session == str(leader) and state != "Z":
            found.append(int(entry.parent.name))
    return found


def processes_naming(text: str) -> list[int]:
    """Processes whose command line or working directory names a text: nothing may be left behind."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line, folder = (
                    (entry / "cmdline").read_bytes().decode("utf-8", "replace"),
                    str((entry / "cwd").readlink()),
                )
            except OSError:
                continue
            if text in line or text in folder:
                found.append(int(entry.name))
    return found


def blocks(markdown: str, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", markdown, re.DOTALL | re.MULTILINE)
