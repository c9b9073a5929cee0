"""What pools on this machine share: a run is known by its run directory and the identity of its process."""

import os
import signal as signals
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconciler.engine import entry, environment, marker, vault
from reconciler.pools import Pool, Variables

ENTRY = str(Path(entry.__file__).absolute())


@dataclass(frozen=True, kw_only=True)
class LocalVariables(Variables):
    """Job variables of a run that is a process on this machine."""

    env: dict[str, str | None] = field(default_factory=dict)
    """Variables of the run; null removes one."""
    working_dir: str | None = None
    """No effect: a run has a private directory of its own."""
    stream_output: bool = True
    """No effect: the output is always kept, and never streamed."""
    name: str | None = None
    """No effect: runs are named by the daemon."""
    labels: dict[str, str] = field(default_factory=dict)
    """No effect: a process has none."""
    command: str | None = None
    """No effect: the engine runs the entrypoint."""

    def problems(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Names that no environment can hold."""
        for name in self.env:
            if not name or "=" in name or "\0" in name:
                yield ("env", name), "a variable's name is not empty and holds no `=`"


class LocalPool(Pool):
    """Everything but the launch."""

    Variables = LocalVariables
    WITHOUT_EFFECT = frozenset({"working_dir", "stream_output", "name", "labels", "command"})

    @abstractmethod
    def has_in_hand(self, run_dir: Path) -> bool:
        """Whether a live process of this pool was given the attempt and may be about to start it."""

    def kill(self, run_dir: Path, signal: int) -> None:
        """Signal the run, its session, and all it started, wherever they strayed."""
        who = marker.owner(run_dir)
        if who is None:
            if run_dir.is_dir() and marker.bury(run_dir):
                return
            who = marker.owner(run_dir)
        if who is None or not marker.alive(who):
            return
        for pid in [*_family(who.pid), who.pid]:
            _signal(pid, signal)

    def alive(self, run_dir: Path) -> bool:
        """By the marker, then by the lock; an attempt nobody has in hand any more is buried, so that it stays dead."""
        if self.exit_status(run_dir) is not None:
            return False
        who = marker.owner(run_dir)
        if who is None:
            if not run_dir.is_dir():
                return False
            if self.has_in_hand(run_dir):
                return True
            if marker.bury(run_dir):
                return False
            who = marker.owner(run_dir)
        return who is not None and (marker.alive(who) or marker.locked(run_dir))

    def never_began(self, run_dir: Path) -> bool:
        """Whether the attempt was buried before a process won it."""
        return marker.owner(run_dir) == marker.NOBODY

    def exit_status(self, run_dir: Path) -> dict[str, int | None] | None:
        """What the template recorded; nothing is believed while the process runs, whoever wrote it."""
        status = marker.read_exit(run_dir)
        who = marker.owner(run_dir) if status is not None else None
        return None if who is not None and marker.running(who) else status


def start(*arguments: str, python: str, descriptor: int | None = None, entry: str = ENTRY) -> int:
    """Start our engine in a fresh interpreter and answer its pid; `descriptor` becomes its descriptor 3.

    `entry` is the engine as that interpreter is to see it.

    Nothing of this process goes along: no environment but the allow-list, no descriptor but that of the secrets, no
    terminal.
    """
    actions: list[Any] = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in range(3)]
    if descriptor is not None:
        actions.append((os.POSIX_SPAWN_DUP2, descriptor, 3))
    secrets = vault.make()
    if secrets is not None:
        actions.append((os.POSIX_SPAWN_DUP2, secrets, vault.FD))
    command = [python, "-P", entry, *arguments]
    try:
        return os.posix_spawn(python, command, environment.inherited(), file_actions=actions)
    finally:
        if secrets is not None:
            os.close(secrets)


def ended(pid: int) -> bool:
    """Whether a child of ours has ended; it is reaped then."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


def _signal(pid: int, signal: int) -> None:
    try:
        os.kill(pid, signal)
        if signal != signals.SIGKILL:
            os.kill(pid, signals.SIGCONT)  # a stopped process would not see it
    except (ProcessLookupError, PermissionError):
        return


def _family(leader: int) -> list[int]:
    """The pids of all descendants of a run's process and of its session, without itself."""
    parents: dict[int, int] = {}
    family = {leader}
    for name in os.listdir("/proc"):  # noqa: PTH208 - names are all we need
        if name.isdigit() and (found := _kin(int(name))):
            parents[int(name)], session = found
            if session == leader:
                family.add(int(name))
    grew = True
    while grew:
        more = {pid for pid, parent in parents.items() if parent in family} - family
        family |= more
        grew = bool(more)
    return sorted(family - {leader})


def _kin(pid: int) -> tuple[int, int] | None:
    """Parent and session of a process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return (int(fields[1]), int(fields[3])) if len(fields) > 3 else None  # noqa: PLR2004 - state, ppid, pgrp, session
