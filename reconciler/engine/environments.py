"""Environments of runs: one per content of the requirements and interpreter, shared by all runs that ask for it.

Called by the pull for `pip_install_requirements`, and by pools for a run that will need one. Of one environment,
`<state>/environments/<key>/`, there is

    .lock     flock: shared by each run that uses it, exclusive for who builds or removes it
    ready     appears, by rename, when everything is installed: without it the rest counts for nothing
    failed    why the last attempt to build it failed
    used      touched at each use
    venv/     the virtual environment, built in its place, since its scripts name their own path
    engine/   holds a link to our package and nothing else: all that a run in it sees of the daemon's installation
    for/      a file for each deployment that uses it, by the hash of its name
"""

import fcntl
import hashlib
import importlib
import json
import os
import shutil
import sys
import sysconfig
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from reconciler.engine import hidden, whole
from reconciler.engine.requirements import Requirements
from reconciler.model.errors import StepError

STEP = b"pip_install_requirements"
_AGAIN_SECONDS = 0.1
PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Environment:
    """One environment by its folder."""

    folder: Path

    @property
    def venv(self) -> Path:
        """The virtual environment."""
        return self.folder / "venv"

    @property
    def python(self) -> str:
        """Its interpreter."""
        return str(self.venv / "bin" / "python")

    @property
    def entry(self) -> str:
        """Our engine, as it is seen from inside."""
        return str(self.folder / "engine" / PACKAGE.name / "engine" / "entry.py")

    @property
    def entered(self) -> bool:
        """Whether this process is its interpreter."""
        with suppress(OSError):
            return os.path.samefile(sys.prefix, self.venv)  # noqa: PTH121 - of two texts
        return False

    @property
    def ready(self) -> bool:
        """Whether it is built and can be started."""
        return (self.folder / "ready").is_file() and os.access(self.python, os.X_OK)


def interpreter() -> list[str]:
    """What tells the interpreter of this process from others; it is the same in an environment made by it."""
    return [sys.version, sysconfig.get_platform(), os.path.realpath(sys.base_prefix)]


def key(wanted: Sequence[Requirements]) -> str:
    """What names the environment of these files, in this order, for this interpreter."""
    about = [*interpreter(), *(each.digest for each in wanted)]
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:32]


def enter(root: Path, wanted: Sequence[Requirements], *, deployment: str | None, stream: bool) -> Environment:
    """The environment of these files, built if it is not there, and held for as long as this process lives.

    Whoever comes while another process builds it waits, and says so. Raises StepError when it cannot be built; of
    those that waited for it nobody tries the same again.
    """
    environment = Environment(root / key(wanted))
    began = time.time_ns()
    while True:
        lock, held = _lock(environment.folder), False
        try:
            held = _hold(lock, environment, wanted, stream=stream)
        finally:
            if not held:
                os.close(lock)
        if held:
            os.set_inheritable(lock, True)  # noqa: FBT003 - its one argument: the hold outlives our own exec
            _used(environment, deployment)
            return environment
        if why := _failed(environment.folder, began):
            raise StepError(why)
        time.sleep(_AGAIN_SECONDS)


def borrow(root: Path, wanted: Sequence[Requirements]) -> Environment | None:
    """The environment of these files where it is ready, held as by `enter`, and left without a trace; else None."""
    environment = Environment(root / key(wanted))
    link = environment.folder / "engine" / PACKAGE.name
    try:
        lock = os.open(environment.folder / ".lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    linked = link.is_symlink() and link.readlink() == PACKAGE
    if linked and _locked(lock, fcntl.LOCK_SH) and _same(lock, environment.folder) and environment.ready:
        os.set_inheritable(lock, True)  # noqa: FBT003 - its one argument: the hold outlives our own exec
        return environment
    os.close(lock)
    return None


def _hold(lock: int, environment: Environment, wanted: Sequence[Requirements], *, stream: bool) -> bool:
    """Share the lock of an environment that is ready; one that is not is built, or another builds it meanwhile."""
    if not environment.ready and _locked(lock, fcntl.LOCK_EX):
        if _same(lock, environment.folder) and not environment.ready:
            _build(environment, wanted, stream=stream, lock=lock)
    elif not _locked(lock, fcntl.LOCK_SH):
        _say("waiting for another run, which installs the same requirements")
    fcntl.flock(lock, fcntl.LOCK_SH)
    return _same(lock, environment.folder) and environment.ready


def recall(run_dir: Path) -> Environment | None:
    """The environment that the deployment of an order used last: a guess before the run.

    None where it asks for none, where that one is gone, or was made by another interpreter than this process's.
    """
    try:
        data = (run_dir / "order.json").read_bytes()
        if STEP not in data:
            return None
        order = json.loads(data)
        root, name = Path(order["environments"]), _hash(order["deployment"])
        file = max(root.glob(f"*/for/{name}"), key=lambda file: file.stat().st_mtime_ns, default=None)
        environment = Environment(file.parents[1]) if file else None
        if environment is None or not environment.ready:
            return None
        made_by = json.loads((environment.folder / "ready").read_bytes())["interpreter"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return environment if made_by == interpreter() else None


def _hash(deployment: str) -> str:
    return hashlib.sha256(deployment.encode()).hexdigest()[:24]


def _lock(folder: Path) -> int:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _same(lock: int, folder: Path) -> bool:
    """Whether what we hold is the lock that others find: the folder may have been removed meanwhile."""
    with suppress(OSError):
        return os.path.samestat(os.fstat(lock), (folder / ".lock").stat())
    return False


def _locked(lock: int, how: int) -> bool:
    """Whether the lock could be had at once; what was held of it before is lost then."""
    try:
        fcntl.flock(lock, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _failed(folder: Path, since: int) -> str | None:
    """Why the environment could not be built, if somebody tried since then (ns since 1970)."""
    with suppress(OSError):
        if (folder / "failed").stat().st_mtime_ns >= since:
            return (folder / "failed").read_text("utf-8", "replace")
    return None


def _build(environment: Environment, wanted: Sequence[Requirements], *, stream: bool, lock: int) -> None:
    folder = environment.folder
    names = ", ".join(each.file.name for each in wanted)
    _say(f"installing {names} into a new environment, {folder.name}")
    for left in ("ready", "failed"):
        (folder / left).unlink(missing_ok=True)
    (folder / "used").touch()  # what is left of a build that fails goes by its age too
    shutil.rmtree(environment.venv, ignore_errors=True)
    began = time.monotonic()
    try:
        # Loaded to build only: no other run needs to start processes.
        installer = importlib.import_module("reconciler.engine.installer")
        name = installer.build(environment.venv, wanted, stream=stream, lock=lock)
        seconds = round(time.monotonic() - began, 3)
        os.sync()  # what `ready` says must hold after a power cut too
        files = [each.file.name for each in wanted]
        about = {"interpreter": interpreter(), "files": files, "installer": name, "seconds": seconds}
        whole.put(folder, "ready", json.dumps(about).encode())
    except (StepError, OSError) as error:
        shutil.rmtree(environment.venv, ignore_errors=True)
        why = error.message if isinstance(error, StepError) else f"the environment cannot be written: {error.strerror}"
        with suppress(OSError):
            whole.put(folder, "failed", hidden.text(why).encode(errors="replace"))
        raise StepError(why) from None
    _say(f"installed in {seconds:.1f} s with {name}")


def _used(environment: Environment, deployment: str | None) -> None:
    """Leave a trace of the use, and the link to our package as it lies now."""
    link = environment.folder / "engine" / PACKAGE.name
    try:
        if not link.is_symlink() or link.readlink() != PACKAGE:
            link.parent.mkdir(mode=0o700, exist_ok=True)
            draft = link.with_name(f".{PACKAGE.name}.{os.getpid()}")
            draft.symlink_to(PACKAGE)
            draft.rename(link)
        (environment.folder / "used").touch()
        if deployment:
            (environment.folder / "for").mkdir(mode=0o700, exist_ok=True)
            (environment.folder / "for" / _hash(deployment)).touch()
    except OSError as error:
        raise StepError(f"the environment cannot be used: {error}") from None


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - it is meant for the run's output
