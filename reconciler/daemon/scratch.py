"""Runs in a scratch directory, of which nothing is recorded: the daemon's orders without its log. Used by the CLI.

What a run of `local` or `bisect` writes, calls and starts stays there: its state directory is the scratch directory, in
which no daemon serves, so neither its own calls nor `run_deployment` ever reach the one that serves the repository.
"""

import signal
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from reconciler.core.report import Report, outcome
from reconciler.daemon import state_dir
from reconciler.daemon.config import Settings
from reconciler.daemon.heard import Heard
from reconciler.daemon.mirrors import Mirrors
from reconciler.daemon.orders import Launch, Orders
from reconciler.daemon.state_dir import StateDir
from reconciler.engine import copies, nearby
from reconciler.engine.output import OUTPUT, read
from reconciler.engine.removal import remove
from reconciler.git.repository import Repository
from reconciler.model.errors import StoreError
from reconciler.model.plan import Json
from reconciler.model.state import Run, State
from reconciler.pools import _foreground, _shell
from reconciler.pools.inline import InlinePool

LOOK = 0.02
"""Seconds between looks at a run that is waited for."""
GRACE = 5.0
"""Seconds that a run has to end by itself once its time is over."""

TAIL = 4096
"""Bytes of a command's output that its last line is looked for in."""


@dataclass(frozen=True, slots=True)
class End:
    """How a run ended."""

    state: State
    reason: str
    detail: Mapping[str, Json] = field(default_factory=dict)
    """Its `result` or `error`, and `exit`."""


@dataclass(frozen=True, slots=True)
class Checked:
    """How a command ended."""

    code: int | None
    """Minus the signal that ended it; None past its time."""
    said: str
    """The last line that it printed."""


class Scratch:
    """A private directory, and runs in it one after the other; everything goes when it is closed."""

    def __init__(self, state: StateDir, settings: Settings, opened: Repository) -> None:
        """`state` is where the daemon's own lies: what it fetched and installed is read there, nothing is written.

        Raises StoreError where no directory can be made.
        """
        with _told():
            self.root = Path(tempfile.mkdtemp(prefix="reconciler-local-"))
        self._state = state_dir.prepare(self.root, allow_network_fs=True)
        self._lent = str(state.environments)
        self._place = opened.git_dir
        opening = lambda: Repository.open(self._place, trust_owner=settings.allow_owner)  # noqa: E731 - handed over
        mirrors = Mirrors(opening, state.mirrors, settings.allow_hosts, settings.interval)
        self._common = str(opened.common_dir)
        self._checks = 0
        self._orders = Orders(self._state, settings, opened.common_dir, mirrors, {})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self, *, keep: bool = False) -> None:
        """Remove the directory, or leave it for people to look at."""
        self._orders.close()
        if not keep:
            remove(self.root)

    def order(self, run: Run, what: Launch, *, lying: Path | None = None) -> dict[str, Json]:
        """What the daemon would order, with scratch in the place of its state. Raises StepError.

        `lying` is a work tree to stand in, instead of a copy of this repository's source.
        """
        order = self._orders.make(run, what)
        env = order["env"] | {nearby.STATE_DIR: str(self.root), nearby.LOCAL: "1"}
        if lying:
            order["pull"] = [self._in_place(step, lying) for step in order["pull"]]
            env |= {"PYTHONDONTWRITEBYTECODE": "1"}
        self._orders.check(order)
        return order | {"env": env, "lent": self._lent}

    def _in_place(self, step: dict[str, Json], lying: Path) -> dict[str, Json]:
        inputs = step["inputs"]
        if inputs.get("git_dir") != self._common or inputs["commit"] is not None:
            return step  # another repository, branch or commit; what lies there is at none
        return {**step, "step": "set_working_directory", "inputs": {"directory": str(lying)}}

    def folder(self, run: Run) -> Path:
        """The directory of a run's attempt."""
        return self._state.attempt(run.id, run.attempt)

    def foreground(self, run: Run, order: Mapping[str, Json]) -> End:
        """Run it with the caller's terminal, for as long as it takes."""
        folder = self.folder(run)
        with _told():
            self._orders.write(folder, {**order, "timed": False})
        return _end(run, folder, _foreground.run(folder))

    def background(self, run: Run, order: Mapping[str, Json], limit: float | None) -> End:
        """Run it as a pool does, its output in a file; past `limit` seconds it is ended and TimedOut."""
        folder, pool = self.folder(run), InlinePool()
        with _told():
            self._orders.write(folder, order)
        pool.launch(folder)
        try:
            late = not _over(pool, folder, limit)
            if late:
                pool.kill(folder, signal.SIGTERM)
                _over(pool, folder, GRACE)
        finally:
            if pool.exit_status(folder) is None:
                pool.kill(folder, signal.SIGKILL)
                _over(pool, folder, GRACE)
        end = _end(run, folder, pool.exit_status(folder))
        remove(folder)
        return End(State.TIMED_OUT, f"it ran longer than {limit:g} s", end.detail) if late else end

    def check(self, commit: str, directories: tuple[str, ...], command: str, limit: float | None) -> Checked:
        """Run a command in the source at a commit, laid out as a run finds it. Raises StepError."""
        self._checks += 1
        folder = self.root / "checks" / str(self._checks)
        copies.lay_out(None, folder / "work", {"git_dir": self._common, "commit": commit, "directories": directories})
        told = {nearby.STATE_DIR: str(self.root), nearby.LOCAL: "1", "RECONCILER_COMMIT": commit}
        code = _shell.run(command, folder / "work", told, folder / OUTPUT, limit)
        last = read(folder / OUTPUT, max(0, (folder / OUTPUT).stat().st_size - TAIL))[0].decode("utf-8", "replace")
        remove(folder)
        return Checked(code, next((line for line in reversed(last.splitlines()) if line.strip()), ""))


@contextmanager
def _told() -> Iterator[None]:
    """A directory that cannot be written is an error of ours."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"the scratch directory cannot be written: {error.strerror}", hint="set TMPDIR to a folder with room"
        ) from None


def _over(pool: InlinePool, folder: Path, limit: float | None) -> bool:
    """Wait for the end of a run, and of its keeper; whether it came within `limit` seconds."""
    end = time.monotonic() + limit if limit else None
    while pool.has_in_hand(folder) or pool.alive(folder):
        if end and time.monotonic() > end:
            return False
        time.sleep(LOOK)
    return True


def _end(run: Run, folder: Path, status: Mapping[str, Json] | None) -> End:
    heard = Heard(run.attempt, folder)
    heard.read(time.monotonic())
    return End(*outcome(Report(run.id, run.attempt, (), heard.end(), status, dead=True)))
