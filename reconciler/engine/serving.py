"""`serve`: a long-lived process of the user's takes the runs of deployments over. Called in scripts; stdlib only.

Each run is a subprocess of this process's interpreter, with its packages, that executes our engine on the run's own
directory: the source is still the working copy at the recorded commit. Git stays the only way in: a deployment that
git lacks is refused with the spec to commit, and nothing here pauses a schedule.
"""

import contextlib
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from reconciler.engine import client, entry, intended, marker, triggering
from reconciler.engine.intended import Intended
from reconciler.model.errors import DaemonError, ReconcilerError

FIRST_WAIT, LONGEST_WAIT = 0.1, 2.0
"""Seconds between tries to reach a daemon that went away."""
ENTRY = str(Path(entry.__file__).absolute())


def serve(
    *deployments: Any,
    limit: int | None = None,
    pause_on_shutdown: bool = False,
    print_starting_message: bool = True,
) -> None:
    """Take the runs of these deployments over until SIGINT or SIGTERM.

    Each of `deployments` is what `flow.to_deployment(...)` gave, or a flow: then all that git has of it. `limit` is how
    many runs this process takes at once (None: as many as git's own limits let in). The first signal stops taking
    and waits for the runs under way; a second one leaves them to the daemon, where they go on. Schedules are git's:
    `pause_on_shutdown` has no effect.

    Raises SystemExit, saying what to commit, for a deployment that git lacks; DaemonError when no daemon is nearby.
    """
    if not deployments:
        raise TypeError("serve takes at least one flow or deployment")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise ValueError(f"limit={limit!r}: a whole number from 1, or None for no limit of this process")
    files = [_file(one) for one in deployments]
    root = _or_exit(lambda: triggering.daemon(*files))
    if pause_on_shutdown:
        _say("pause_on_shutdown has no effect: git says when a deployment is paused")
    names = _or_exit(lambda: list(_known(root, deployments)))
    serving = _Serving(root, names, limit)
    serving.connect()
    if print_starting_message:
        many = f"at most {limit} at once" if limit else "as many at once as git's limits let in"
        _say(f"serving {', '.join(names)} with {sys.executable}, {many}; Ctrl-C stops")
    serving.run()


def _or_exit(ask: Any) -> Any:
    """The answer; what was refused ends the script with the words and no traceback."""
    try:
        return ask()
    except ReconcilerError as error:
        raise SystemExit(str(error)) from None


def _file(one: Any) -> str:
    return str(one.top / "x") if isinstance(one, Intended) else str(one.fn.__code__.co_filename)


def _known(root: Path, deployments: Sequence[Any]) -> Iterator[str]:
    """The names that git has, each told what differs. Raises SystemExit with the specs to commit for the others."""
    known = client.ask(root, "specs", {"deployments": []})["known"]
    wanted: list[Intended | str] = []
    for one in deployments:
        own = [one] if isinstance(one, Intended) else [n for n in known if n.startswith(f"{one.name}/")]
        wanted += own or [intended.of(one, one.name, {})]
    full = list(dict.fromkeys(one if isinstance(one, str) else one.full_name for one in wanted))
    told = client.ask(root, "specs", {"deployments": full})
    missing = [one for one in wanted if isinstance(one, Intended) and told["specs"][one.full_name] is None]
    if missing:
        raise SystemExit(_refusal(missing, told["revision"], known))
    for one in wanted:
        if isinstance(one, Intended):
            found = told["specs"][one.full_name]
            for line in intended.differences(one, found["spec"]):
                _say(f"{one.full_name}: git wins ({found['file']}:{found['line']}): {line}")
    yield from full


def _refusal(missing: Sequence[Intended], revision: str | None, known: Sequence[str]) -> str:
    lines: list[str] = []
    for one in missing:
        at = f" at the applied revision {revision[:8]}" if revision else ""
        lines.append(f"git has no deployment {one.full_name!r}{at}; {triggering.nearest(one.full_name, known)}")
    lines += ["Committing a spec file is deploying: nothing else does. To deploy:", ""]
    for one in missing:
        there = " (it is in the work tree already: is it committed?)" if (one.top / one.file).exists() else ""
        lines += [f"# {one.file}{there}", one.yaml()]
    return "\n".join([*lines, *commands(missing), "and start this again."])


def commands(made: Sequence[Intended]) -> list[str]:
    """What to type for deployments whose spec files are written."""
    code = (one.entrypoint.rpartition(":")[0] for one in made if one.is_here())
    files = dict.fromkeys([*code, *(one.file for one in made)])
    names = ", ".join(one.full_name for one in made)
    return [f"  git add {' '.join(map(_quoted, files))}", f"  git commit -m {_quoted(f'Deploy {names}')}"]


def _quoted(word: str) -> str:
    safe = word and all(c.isalnum() or c in "_./-" for c in word)
    return word if safe else "'" + word.replace("'", "'\\''") + "'"


class _Serving:
    """The conversation with the daemon, and the subprocesses under way."""

    def __init__(self, root: Path, names: Sequence[str], limit: int | None) -> None:
        self._root = root
        self._asked = {"deployments": list(names), "limit": limit, "process": _myself()}
        self._line: client.Line | None = None
        self._waiting: list[dict[str, Any]] = []
        """Runs handed over before the daemon's answer was read."""
        self._running: dict[Path, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()

    def connect(self) -> None:
        """Take the deployments over. Raises SystemExit when the daemon refuses."""
        _or_exit(self._connect)

    def run(self) -> None:
        """Start what is handed over, until told to stop; then wait for what is under way."""
        with self._signals():
            while not self._stop.is_set():
                self._listen()
                if not self._stop.is_set():
                    _say("the daemon went away; runs under way go on; waiting for it to come back")
                    self._reconnect()
            self._drain()

    def _connect(self) -> None:
        line = client.Line(self._root)
        try:
            line.tell({"verb": "serve", "args": self._asked})
            while isinstance(answer := line.hear(), dict) and "launch" in answer:
                self._waiting.append(answer)
        except (OSError, ValueError):
            answer = None
        if not isinstance(answer, dict) or "error" in answer:
            line.close()
            gone = DaemonError("the daemon ended while it was asked", hint="start it again: reconciler serve")
            raise client.refused(answer["error"]) if isinstance(answer, dict) else gone
        line.patience(None)
        self._line = line
        for message in self._waiting:
            self._start(message)
        self._waiting.clear()

    def _listen(self) -> None:
        line = self._line
        with contextlib.suppress(OSError, ValueError):
            while line is not None and isinstance(message := line.hear(), dict):
                self._start(message)
        with self._lock:
            if self._line is not None:
                self._line.close()
            self._line = None

    def _reconnect(self) -> None:
        wait, told = FIRST_WAIT, ""
        while not self._stop.wait(wait):
            try:
                self._connect()
            except ReconcilerError as error:
                if not isinstance(error, DaemonError) and str(error) != told:
                    told = str(error)
                    _say(told)
                wait = min(wait * 2, LONGEST_WAIT)
            else:
                _say("the daemon is back")
                return

    def _start(self, message: dict[str, Any]) -> None:
        """One run: a keeper of its own, which outlives this process and records the end."""
        run_dir = Path(str(message.get("launch")))
        try:
            child = subprocess.Popen(
                [sys.executable, "-P", ENTRY, "once", str(run_dir)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        except OSError as error:
            _say(f"run {run_dir.parent.name} cannot be started: {error}")
            self._ended(run_dir)
            return
        self._running[run_dir] = child
        threading.Thread(target=self._reap, args=(run_dir, child), daemon=True).start()

    def _reap(self, run_dir: Path, child: "subprocess.Popen[bytes]") -> None:
        child.wait()
        self._running.pop(run_dir, None)
        self._ended(run_dir)

    def _ended(self, run_dir: Path) -> None:
        with self._lock, contextlib.suppress(OSError):
            if self._line is not None:
                self._line.tell({"ended": str(run_dir)})

    def _drain(self) -> None:
        left = list(self._running.items())
        if left:
            runs = ", ".join(run_dir.parent.name for run_dir, _ in left)
            _say(f"takes no more runs; waiting for {runs} (again to leave them to the daemon)")
        for _, child in left:
            child.wait()

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """SIGINT and SIGTERM stop, a second one leaves at once; only where this is the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self._told) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _told(self, *_: object) -> None:
        if self._stop.is_set():
            _leave()
        self._stop.set()
        if self._line is not None:
            self._line.hang_up()


def _leave() -> NoReturn:
    _say("leaves its runs to the daemon")
    raise SystemExit(1)


def _myself() -> dict[str, Any]:
    who = marker.myself()
    return {"pid": who.pid, "started": who.started, "boot": who.boot}


def _say(text: str) -> None:
    sys.stderr.write(f"reconciler: {text}\n")
    sys.stderr.flush()
