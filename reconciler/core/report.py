"""What a run's journal and its exit mean: the moves that follow. Called by the loop for every report of a pool.

Trust nothing a run wrote: facts were bounded and validated by the reader, speak for their own attempt only, and never
overrule the exit status. A final fact without an exit counts once the process is confirmed dead; neither of them means
Crashed, "exit status unknown" (DESIGN section 7).
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from reconciler.model.events import Fact, RunMoved
from reconciler.model.ids import instant
from reconciler.model.plan import Json
from reconciler.model.state import ACTIVE, Run, State

LONGEST = 366 * 86_400.0
"""Seconds; no retry waits longer, whatever its flow asks for."""


@dataclass(frozen=True, slots=True)
class Report:
    """News of one attempt of a run."""

    run: str
    attempt: int
    facts: Sequence[Mapping[str, Json]] = ()
    """New journal facts, oldest first."""
    final: Mapping[str, Json] | None = None
    """The final fact of the attempt, new or not: completed, failed or timed_out."""
    exit: Mapping[str, Json] | None = None
    """`{code, signal}` once the process ended and its status is known."""
    dead: bool = False
    """Whether the process is confirmed dead, or never came to life."""


def moves(run: Run, report: Report, now: datetime, spec: Mapping[str, Json]) -> list[Fact]:
    """The moves of `run` that follow; none for another attempt, or one that is not under way (any more)."""
    if report.attempt != run.attempt or run.state not in ACTIVE:
        return []
    found: list[Fact] = []
    started = _started(run, report.facts)
    if started is not None:
        found.append(started)
    if report.exit is not None or report.dead:
        found.append(_ended(run, report, now, spec))
    return found


def _started(run: Run, facts: Sequence[Mapping[str, Json]]) -> Fact | None:
    running = next((f for f in facts if f["fact"] == "running"), None)
    if running is None or run.state is not State.PENDING:
        return None
    state = State.RETRYING if run.attempt > 1 else State.RUNNING
    detail = {k: v for k, v in running.items() if k not in {"fact", "attempt", "at"} and v is not None}
    steps = [{k: f[k] for k in ("step", "seconds") if k in f} for f in facts if f["fact"] == "step"]
    return RunMoved(run=run.id, state=state, attempt=run.attempt, detail=detail | ({"steps": steps} if steps else {}))


def _ended(run: Run, report: Report, now: datetime, spec: Mapping[str, Json]) -> Fact:
    state, reason, detail = _outcome(report)
    if run.state is State.CANCELLING:
        return RunMoved(run=run.id, state=State.CANCELLED, attempt=run.attempt, reason=run.reason, detail=detail)
    retry = _retry_at(run, state, now, spec)
    if retry is not None:
        again = f"attempt {run.attempt} of {run.retries + 1} {state.lower()}: {reason}" if reason else str(state)
        return RunMoved(
            run=run.id, state=State.AWAITING_RETRY, attempt=run.attempt, reason=again, until=instant(retry),
            detail=detail,
        )  # fmt: skip
    return RunMoved(run=run.id, state=state, attempt=run.attempt, reason=reason, detail=detail)


def _outcome(report: Report) -> tuple[State, str, dict[str, Json]]:
    final, status = report.final, report.exit
    detail: dict[str, Json] = {"exit": dict(status)} if status else {}
    if final is not None:
        detail |= {k: final[k] for k in ("result", "error") if final.get(k) is not None}
    clean = not status or status.get("code") == 0
    if final is None:
        how = "exit status unknown" if status is None else f"{_said(status)} without a final report"
        return State.CRASHED, how, detail
    if final["fact"] == "completed":
        if clean:
            return State.COMPLETED, "", detail
        return State.CRASHED, f"{_said(status)} after the flow had returned", detail
    if final["fact"] == "timed_out":
        return State.TIMED_OUT, str(final.get("message") or "timed out"), detail
    return State.FAILED, str(final.get("message") or "the flow raised"), detail


def _said(status: Mapping[str, Json] | None) -> str:
    if status and status.get("signal"):
        return f"killed by signal {status['signal']}"
    return f"exit code {status.get('code') if status else '?'}"


def _retry_at(run: Run, state: State, now: datetime, spec: Mapping[str, Json]) -> datetime | None:
    """When the next attempt may start; None when there is none. A run that never started is not retried for ever."""
    if state is State.COMPLETED or run.attempt > run.retries:
        return None
    delay = (spec.get("flow") or {}).get("retry_delay_seconds") or 0
    if isinstance(delay, list):
        delay = delay[min(run.attempt, len(delay)) - 1] if delay else 0
    return now + timedelta(seconds=float(min(delay, LONGEST)))


def backoff(failures: int, salt: str) -> float:
    """Seconds to wait after the n-th transient failure in a row: 1 s doubling to 15 min; `salt` decides the jitter."""
    base = min(2.0 ** max(failures - 1, 0), 900.0)
    return base * random.Random(f"{salt}/{failures}").uniform(0.75, 1.25)  # noqa: S311 - spread, not secrecy
