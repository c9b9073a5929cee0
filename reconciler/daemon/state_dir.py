"""The state directory: its layout, its permissions, and the lock of the one daemon. Called by wiring and the CLI.

<common git directory>/reconciler/        0700, or where --state-dir says
    log.db            the log, payloads and projections
    lock              held by the daemon; names its pid
    socket            requests, 0600 (a link to a short path where this one is too long for a socket address)
    notify            datagrams by which runs say "look"; a hint only
    crumbs            what the daemon is busy with, for the next one, should that kill it
    config.toml       the operator's settings, if any
    runs/RUN/N/       one attempt: order.json started journal.jsonl output exit work/
    copies/           working copies prepared ahead
    mirrors/          other repositories that specs name
    notes/            runs counted per commit, where results go to git notes
    environments/     what pip_install_requirements installed, shared by runs
"""

import contextlib
import fcntl
import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from reconciler.engine import client
from reconciler.model.errors import AccessError, ConflictError, StoreError

NETWORK = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "afs", "ceph", "glusterfs", "lustre"}
PRIVATE = 0o700


@dataclass(frozen=True, slots=True)
class StateDir:
    """Paths of one state directory."""

    root: Path

    @property
    def log(self) -> Path:
        """The database."""
        return self.root / "log.db"

    @property
    def crumbs(self) -> Path:
        """What the daemon is busy with."""
        return self.root / "crumbs"

    @property
    def runs(self) -> Path:
        """Where attempts live."""
        return self.root / "runs"

    @property
    def copies(self) -> Path:
        """Working copies prepared ahead."""
        return self.root / "copies"

    @property
    def mirrors(self) -> Path:
        """Other repositories."""
        return self.root / "mirrors"

    @property
    def environments(self) -> Path:
        """What pip_install_requirements installed."""
        return self.root / "environments"

    def attempt(self, run: str, attempt: int) -> Path:
        """The directory of one attempt."""
        return self.runs / run / str(attempt)

    def address(self, name: str) -> str:
        """Where to bind or connect the socket `name`: its path, or a short way to it where that is too long."""
        return client.address(self.root, name)

    def new_address(self, name: str) -> str:
        """As `address`, with the socket of an ended daemon removed."""
        (self.root / name).unlink(missing_ok=True)
        return self.address(name)


def prepare(root: Path, *, allow_network_fs: bool) -> StateDir:
    """Make the directory, 0700. Raises AccessError, ConflictError (network file system) or StoreError."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        if stat.S_IMODE(root.stat().st_mode) != PRIVATE:
            _make_private(root)
        for name in ("runs", "copies", "mirrors"):
            (root / name).mkdir(mode=PRIVATE, exist_ok=True)
    except PermissionError:
        raise AccessError(
            f"cannot write the state directory {root}", hint="serve as its owner, or give --state-dir"
        ) from None
    except OSError as error:
        raise StoreError(
            f"cannot use the state directory {root}: {error.strerror}", hint="or give --state-dir"
        ) from None
    kind = _filesystem(root)
    if kind in NETWORK and not allow_network_fs:
        raise ConflictError(
            f"the state directory {root} is on a network file system ({kind}), whose locks are not to be trusted",
            hint="give --state-dir on a local disk, or set allow_network_fs",
        )
    return StateDir(root)


def _make_private(root: Path) -> None:
    """0700 for a directory of ours; another one is not ours to close."""
    if any(root.iterdir()) and not (root / "log.db").exists():
        raise ConflictError(
            f"{root} is not empty and other users may enter it", hint="name a directory that is not there yet"
        )
    root.chmod(PRIVATE)


def _filesystem(path: Path) -> str:
    """The type of the mount that holds `path`, from the kernel's table; empty where there is none."""
    try:
        table = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return ""
    best, kind = "", ""
    real = str(path.resolve())
    for line in table:
        left, _, right = line.partition(" - ")
        mount = left.split()[4].encode().decode("unicode_escape")
        inside = real == mount or real.startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= len(best):
            best, kind = mount, right.split()[0]
    return kind


class Lock:
    """The one daemon's hold on a state directory; released by the kernel when the process ends."""

    def __init__(self, state: StateDir, about: dict[str, object]) -> None:
        """Take it. Raises ConflictError naming the pid of the daemon that holds it, AccessError, StoreError."""
        try:
            self._file = os.fdopen(os.open(state.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+")
        except PermissionError:
            raise AccessError(
                f"cannot write the state directory {state.root}", hint="serve as its owner, or give --state-dir"
            ) from None
        except OSError as error:
            raise StoreError(
                f"cannot write the state directory {state.root}: {error.strerror}", hint="or give --state-dir"
            ) from None
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.seek(0)
            holder = _holder(self._file.read())
            self._file.close()
            raise ConflictError(
                f"another daemon serves this repository: {holder}", hint="stop it first, or give another --state-dir"
            ) from None
        with contextlib.suppress(OSError):  # a full disk: it holds all the same
            self._file.truncate(0)
            os.write(self._file.fileno(), json.dumps({"pid": os.getpid(), **about}).encode())

    def release(self) -> None:
        """Let go, leaving no pid behind."""
        self._file.truncate(0)
        self._file.close()


def _holder(text: str) -> str:
    try:
        about = json.loads(text)
        return f"pid {about['pid']}, branch {about.get('branch')}"
    except (ValueError, KeyError, TypeError):
        return "its pid is not known yet"
