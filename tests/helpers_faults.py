"""A daemon under fire and the judgement of what it leaves: the real log against the same promises as the simulation."""

import contextlib
import ctypes
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers_acceptance import processes, specs, state_root
from helpers_daemon import Daemon, environment, until
from helpers_facts import rows_of
from helpers_git import Repo
from helpers_invariants import OVER, Account

from reconciler.daemon.client import answers, ask
from reconciler.daemon.state_dir import StateDir
from reconciler.model.errors import ReconcilerError
from reconciler.stores._reader import Reader

LAUNCHER = Path(__file__).with_name("crashing.py")

FLOWS = """\
import os, time
from pathlib import Path

def witness(side: str, seconds: float = 0.0, go: str = ""):
    place = Path(os.getcwd())
    while place.name != "work":
        place = place.parent
    attempt = place.parent
    with open(side, "ab", buffering=0) as file:
        file.write(f"{attempt.parent.name} {attempt.name}\\n".encode())
    time.sleep(seconds)
    while go and not Path(go).exists():
        time.sleep(0.01)
    return "done"
"""


class Site:
    """A repository whose flow leaves a line for each attempt, and the state directory of its daemons."""

    def __init__(self, root: Path, *, tick: bool = True, **manual: Any) -> None:
        self.root = root
        self.repo = Repo(root / "repo")
        self.side = root / "side"
        given = {"side": str(self.side), "seconds": 0.02}
        each = {"name": "tick", "entrypoint": "f.py:witness", "parameters": given}
        each["schedules"] = [{"cron": "* * * * * */1", "slug": "each"}]
        own = {"name": "manual", "entrypoint": "f.py:witness", "parameters": given, "concurrency_limit": 2, **manual}
        self.repo.commit({"f.py": FLOWS, "specs/a.yaml": specs(*([each] if tick else []), own)})
        self.state = StateDir(state_root(self.repo))
        self.acknowledged: dict[str, str] = {}

    @property
    def path(self) -> Path:
        """Of the work tree."""
        return self.repo.path

    def ask(self, verb: str, **args: Any) -> Any:
        """What the daemon answers. Raises what it refuses."""
        return ask(self.state, verb, args)

    def run(self, key: str, **parameters: Any) -> str | None:
        """Ask for a run by a key; its id, or None while no daemon acknowledges it."""
        with contextlib.suppress(ReconcilerError):
            told = self.ask("run", deployment="witness/manual", key=key, parameters=parameters)["run"]
            assert self.acknowledged.setdefault(key, told) == told
            return str(told)
        return None

    def asked(self, deployment: str, key: str = "k") -> str | None:
        """The id of a run of any deployment, once a daemon answers."""
        with contextlib.suppress(ReconcilerError):
            return str(self.ask("run", deployment=deployment, key=key)["run"])
        return None

    def events(self) -> list:
        """The whole log."""
        with Reader.open(self.state.log) as log:
            return log.events(limit=10**9)

    def runs(self) -> list[dict[str, Any]]:
        """Every run, as its row says."""
        with Reader.open(self.state.log) as log:
            return list(log.runs(limit=10**9))

    def live(self) -> list[dict[str, Any]]:
        """The runs that are not over."""
        with Reader.open(self.state.log) as log:
            return list(log.live_runs())

    def idle(self) -> None:
        """Wait until no run is left; as long as ever fewer are."""
        left = len(self.live())
        while left:
            until(lambda left=left: len(self.live()) < left, f"runs are left: {self.live()[:3]}")
            left = len(self.live())

    def quiet(self) -> None:
        """Stop the slots and wait until no run is left."""
        with contextlib.suppress(ReconcilerError):
            self.ask("suspend", deployment="witness/tick", reason="enough")
        self.idle()

    def judge(self, places: int = 10**9) -> list[dict[str, Any]]:
        """The promises, held by the log, the side effects and the processes of a quiet site; the runs."""
        account = Account(places)
        for event in self.events():
            account.see(event)
        with Reader.open(self.state.log) as log:
            assert log.verify(rows_of).problems == ()
        runs = self.runs()
        assert {row["id"] for row in runs} == account.runs.keys()
        assert all(row["state"] in OVER for row in runs), [r for r in runs if r["state"] not in OVER]
        assert set(self.acknowledged.values()) <= account.runs.keys()
        lines = Counter(self.side.read_text().splitlines() if self.side.exists() else [])
        assert max(lines.values(), default=1) == 1, lines.most_common(2)
        done = {f"{row['id']} {row['attempt']}" for row in runs if row["state"] == "Completed"}
        assert done <= lines.keys(), f"completed without having run: {done - lines.keys()}"
        assert {line.split()[0] for line in lines} <= account.runs.keys()
        until(lambda: not self._live(runs), "a run is left")
        return runs

    def _live(self, runs: list[dict[str, Any]]) -> list[int]:
        """Processes in the directory of a run."""
        return processes(str(self.state.runs)) if runs else []

    def nobody(self) -> None:
        """Once the daemon was told to end: no process of ours is left."""
        until(lambda: not processes(str(self.path)), f"left behind: {processes(str(self.path))}")


class Doomed(Daemon):
    """A daemon under a plan of tests/crashing.py; not waited for."""

    def __init__(self, site: Site, plan: dict[str, Any], *options: str, env: dict[str, str] | None = None) -> None:
        super().__init__(site.repo, *options, env=env)
        self.site = site
        self.plan = plan

    def start(self) -> None:
        """Start it."""
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(LAUNCHER), json.dumps(self.plan), "-C", str(self.site.path), "serve",
                 *self.options],
                env=environment() | self.env, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip

    def died(self) -> int:
        """Wait for its end; the exit code."""
        assert self.process is not None
        return self.process.wait(timeout=30)


class Survivor(Daemon):
    """A daemon on what another one left, ready when it answers."""

    def _ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.output.read_text()
        return answers(StateDir(state_root(self.repo)))


class Armed(Survivor, Doomed):
    """A daemon under a plan, waited for."""

    def start(self) -> None:
        """Start it and wait until it answers."""
        Doomed.start(self)
        until(self._ready, "the daemon did not start")


LIBC = ctypes.CDLL(None, use_errno=True)
READ_ONLY, REMOUNT = 1, 32


@contextlib.contextmanager
def small_disk(place: Path, size: str) -> Iterator[Path]:
    """A file system of its own; where nobody may mount one the test is skipped, but never in CI."""
    place.mkdir(parents=True)
    options = f"size={size},mode=0700,uid={os.getuid()}"
    if LIBC.mount(b"tmpfs", os.fsencode(place), b"tmpfs", 0, options.encode()) == 0:
        unmount = lambda: LIBC.umount2(os.fsencode(place), 2)  # noqa: E731
    else:
        words = ["sudo", "-n", "mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
        if shutil.which("sudo") is None or subprocess.run(words, capture_output=True, check=False).returncode != 0:
            why = f"no small disk can be mounted: {os.strerror(ctypes.get_errno())}"
            (pytest.fail if os.environ.get("CI") else pytest.skip)(why)
        unmount = lambda: subprocess.run(["sudo", "-n", "umount", "-l", str(place)], check=True)  # noqa: E731
    try:
        yield place
    finally:
        unmount()


def fill(place: Path) -> Path:
    """A file that takes what space is left."""
    with (place / "filler").open("wb", buffering=0) as filler, contextlib.suppress(OSError):
        while True:
            filler.write(b"x" * 4096)
    return place / "filler"
