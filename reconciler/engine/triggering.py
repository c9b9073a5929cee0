"""`run_deployment`: ask the daemon for a run of a deployment, and wait for it. Used in scripts, services and flows.

Standard library only. The wait is the daemon's: it answers as soon as the run is over.
"""

import difflib
import importlib
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from reconciler.engine import client, hidden, nearby
from reconciler.engine.states import RunFailedError, State
from reconciler.model.errors import DaemonError, NotFoundError, ReconcilerError
from reconciler.model.ids import instant, moment

LONGEST = 20.0
"""Seconds of one question to the daemon; who waits longer asks again."""
AWAY, AGAIN = 60.0, 0.2
"""Seconds that a daemon which went away is waited for, and between tries to reach it."""


@dataclass(frozen=True, slots=True)
class DeploymentRun:
    """A run as the daemon told it; `refresh` tells it anew. All instants are aware, in UTC."""

    id: str
    name: str
    deployment: str
    state: State[Any]
    """Its `name` is the word: Scheduled, Pending, Running, Completed, Failed, ..."""
    due: datetime
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    attempt: int
    tags: tuple[str, ...]
    parameters: Mapping[str, Any] | None
    """None once they were purged."""
    version: str
    source_commit: str | None
    final: bool

    @property
    def state_name(self) -> str:
        """The word of its state."""
        return self.state.name

    @property
    def reason(self) -> str:
        """Why it is in its state."""
        return self.state.message

    def result(self) -> Any:
        """What the flow returned, as JSON. Raises RunFailedError for a run that failed, or is not over."""
        return self.state.result()

    def refresh(self, *, wait: float = 0.0) -> "DeploymentRun":
        """The run as it is now, or as it is once it is over or `wait` seconds have passed."""
        return get_run(self.id, wait=wait)


def run_deployment(  # noqa: PLR0913 - the signature that callers know from Prefect
    name: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    scheduled_time: datetime | None = None,
    flow_run_name: str | None = None,
    timeout: float | None = None,
    poll_interval: float | None = None,
    tags: Iterable[str] | None = None,
    idempotency_key: str | None = None,
    job_variables: Mapping[str, Any] | None = None,
) -> DeploymentRun:
    """Run `FLOW/DEPLOYMENT` and wait for its end.

    `timeout` is how long to wait, in seconds: None for ever, 0 not at all; a run that is not over by then goes on, and
    is returned as it is. `scheduled_time` is when it is due, a naive one in local time. `idempotency_key`: asking
    again with the same key gives the first run again. `poll_interval` is accepted for the sake of existing callers:
    the daemon answers as soon as the run is over.

    Raises NotFoundError for an unknown deployment, DaemonError when none is nearby, ReconcilerError for parameters
    that do not fit.
    """
    if timeout is not None and timeout < 0:
        raise ValueError(f"timeout={timeout!r}: seconds, 0 not to wait, or None to wait for ever")
    if poll_interval is not None and poll_interval <= 0:
        raise ValueError(f"poll_interval={poll_interval!r}: more than 0 seconds")
    if isinstance(tags, str):
        raise TypeError("tags is a list of texts, not one text")
    root = daemon()
    asked: dict[str, Any] = {
        "deployment": name,
        "key": idempotency_key or os.urandom(16).hex(),
        "parameters": dict(parameters or {}),
        "tags": list(tags or ()),
    }
    if scheduled_time is not None:
        asked["due"] = instant(datetime.fromtimestamp(scheduled_time.timestamp(), UTC))
    if flow_run_name:
        asked["name"] = flow_run_name
    if job_variables:
        asked["variables"] = dict(job_variables)
    return _wait(root, _asked(root, asked)["run"], timeout)


async def arun_deployment(name: str, parameters: Mapping[str, Any] | None = None, **given: Any) -> DeploymentRun:
    """As `run_deployment`, without holding up the event loop."""
    asyncio: Any = importlib.import_module("asyncio")  # dear, and wanted here only
    found: DeploymentRun = await asyncio.to_thread(run_deployment, name, parameters, **given)
    return found


def get_run(run: str, *, wait: float = 0.0) -> DeploymentRun:
    """A run by its id, once it is over or `wait` seconds have passed. Raises DaemonError, ReconcilerError."""
    return _wait(daemon(), run, wait)


def daemon(*files: str) -> Path:
    """The state directory of the daemon nearby: RECONCILER_STATE_DIR, else of the repository around the working
    directory, or around one of `files`. Raises DaemonError where none serves.
    """
    folders = (os.path.dirname(file) for file in files if file)  # noqa: PTH120 - as nearby
    found = nearby.state_dir((os.getcwd(), *folders))  # noqa: PTH109
    if found is None and os.environ.get(nearby.LOCAL):
        raise DaemonError(
            "this is a local run (reconciler local, bisect), of which nothing is recorded: it reaches no daemon",
            hint="call the flow itself here; a deployment's run is started by `reconciler run`, or in a recorded run",
        )
    if found is None:
        raise DaemonError(
            f"no daemon serves the repository around {os.getcwd()}",  # noqa: PTH109
            hint=f"start one there (reconciler serve), or set {nearby.STATE_DIR} to its state directory",
        )
    return Path(found)


def nearest(name: str, known: Iterable[str]) -> str:
    """What to say of a name that is not there."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, 1) or [n for n in known if name in n.split("/")][:1]
    if near:
        return f"did you mean {near[0]!r}?"
    return f"known: {', '.join(known[:10])}" if known else "no deployment is applied yet: commit a spec file"


def _asked(root: Path, asked: dict[str, Any]) -> Any:
    try:
        return client.ask(root, "run", hidden.referring(asked))
    except TypeError as error:
        raise TypeError(f"parameters and job_variables are JSON: {error}") from None
    except ReconcilerError as error:
        if error.reason != NotFoundError.reason:
            raise
        known = client.ask(root, "specs", {"deployments": []})["known"]
        raise NotFoundError(error.message, hint=nearest(asked["deployment"], known)) from None


def _wait(root: Path, run: str, timeout: float | None) -> DeploymentRun:
    """The run at its end, or at the end of the timeout; a daemon that restarts meanwhile is waited for."""
    until = float("inf") if timeout is None else time.monotonic() + timeout
    away = 0.0
    while True:
        left = max(0.0, min(LONGEST, until - time.monotonic()))
        try:
            found = _told(client.ask(root, "get_run", {"run": run, "wait": left}))
        except DaemonError:
            away = away or time.monotonic()
            if time.monotonic() >= min(until, away + AWAY):
                raise
            time.sleep(AGAIN)
            continue
        away = 0.0
        if found.final or time.monotonic() >= until:
            return found


def _told(row: Mapping[str, Any]) -> DeploymentRun:
    def at(key: str) -> datetime | None:
        return moment(row[key]) if row[key] else None

    return DeploymentRun(
        id=row["id"],
        name=row["name"],
        deployment=row["deployment"],
        state=_state(row),
        due=moment(row["due"]),
        created_at=moment(row["created_at"]),
        started_at=at("started_at"),
        finished_at=at("finished_at"),
        attempt=row["attempt"],
        tags=tuple(row["tags"]),
        parameters=row["parameters"],
        version=row["version"],
        source_commit=row["source_commit"],
        final=row["final"],
    )


def _state(row: Mapping[str, Any]) -> State[Any]:
    """The state with what came of the run; of one that did not complete, the error to raise."""
    word, reason = row["state"], row["reason"]
    if word == "Completed":
        return State(_TYPES[word], word, reason, row["result"])
    how = f"ended {word}" if row["final"] else f"is {word}"
    said = f"run {row['id']} of {row['deployment']} {how}{f': {reason}' if reason else ''}"
    error = RunFailedError(f"{said}\n  reconciler show {row['id']}; reconciler logs {row['id']}")
    return State(_TYPES.get(word, word.upper()), word, reason, error)


_TYPES = {
    **dict.fromkeys(("Scheduled", "Late", "AwaitingConcurrencySlot", "AwaitingRetry"), "SCHEDULED"),
    **dict.fromkeys(("Running", "Retrying"), "RUNNING"),
    **dict.fromkeys(("Paused", "Suspended"), "PAUSED"),
    **dict.fromkeys(("Failed", "TimedOut"), "FAILED"),
    "Completed": "COMPLETED",
}
"""The type of a state by its word, where that is not the word itself."""
