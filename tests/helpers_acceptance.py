"""What the acceptance tests share: specs in a line, reading verbs without a process of their own."""

import json
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from helpers_daemon import Daemon, command, until
from helpers_git import Repo

from reconciler.cli import cli
from reconciler.daemon.client import answers
from reconciler.daemon.state_dir import StateDir

FINAL = {"Completed", "Failed", "TimedOut", "Crashed", "Cancelled"}


def spec(name: str, entrypoint: str, **fields: Any) -> str:
    """A spec file of one deployment."""
    return json.dumps({"deployments": [{"name": name, "entrypoint": entrypoint, **fields}]})


def specs(*deployments: Mapping[str, Any], **top: Any) -> str:
    """A spec file of several deployments."""
    return json.dumps({"deployments": list(deployments), **top})


def ask(path: Path, *words: str, code: int = 0) -> Any:
    """What a reading verb's `--json` prints, run in this process: it reads what the daemon wrote all the same."""
    done = CliRunner().invoke(cli, ["-C", str(path), *words, "--json"])
    assert done.exit_code == code, (words, done.output, done.exception)
    return json.loads(done.stdout)


def status(path: Path) -> dict[str, dict[str, Any]]:
    """The rows of `status` by deployment."""
    return {row["deployment"]: row for row in ask(path, "status")}


def events(path: Path, *types: str, subject: str | None = None) -> list[dict[str, Any]]:
    """The events of some types, all when none is named, oldest first."""
    words = ["-C", str(path), "events", "--json", *(w for t in types for w in ("--type", t))]
    done = CliRunner().invoke(cli, [*words, *(["--subject", subject] if subject else [])])
    assert done.exit_code == 0, (done.output, done.exception)
    return [json.loads(line) for line in done.stdout.splitlines()]


def start(path: Path, deployment: str, *words: str) -> str:
    """Ask for a run; its id."""
    done = command(path, "run", deployment, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def in_state(path: Path, run: str, *states: str) -> dict[str, Any]:
    """The run as `show` tells it, once it is in one of the states."""
    last: dict[str, Any] = {}

    def look() -> bool:
        last.update(ask(path, "show", run))
        return last["state"] in states

    until(look, f"run {run} is not {states}: {last}")
    return last


def ended(path: Path, run: str) -> dict[str, Any]:
    """The run as `show` tells it, once it is over."""
    return in_state(path, run, *FINAL)


def output(path: Path, run: str) -> str:
    """What a run printed."""
    return command(path, "logs", run).stdout


def processes(marker: str) -> list[int]:
    """The pids of living processes whose command line, environment or working directory names `marker`."""
    others = (entry for entry in Path("/proc").iterdir() if entry.name.isdigit() and int(entry.name) != os.getpid())
    return [int(entry.name) for entry in others if _names(entry, marker.encode())]


def _names(entry: Path, marker: bytes) -> bool:
    try:
        words = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
        place = os.fsencode((entry / "cwd").readlink())
    except OSError:
        return False
    return marker in words or marker in place


def restart(daemon: Daemon, number: int = signal.SIGTERM) -> None:
    """End the daemon by a signal and start another, ready to answer."""
    daemon.stop(number)
    begin(daemon)


def begin(daemon: Daemon) -> None:
    """Start a daemon on what another one left, and wait until it answers."""
    daemon.start()
    state = StateDir(state_root(daemon.repo))
    until(lambda: answers(state), "the daemon does not answer")


def state_root(repo: Repo) -> Path:
    """Where the state of a repository lies."""
    return Path(repo.path, repo.git("rev-parse", "--git-common-dir"), "reconciler")
