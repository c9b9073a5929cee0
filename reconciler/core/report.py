"""What a run's journal and its exit mean: the moves that follow. Called by the loop for every report of a pool.

Trust nothing a run wrote: facts were bounded and validated by the reader, speak for their own attempt only, and never
overrule the exit status. A final fact without an exit counts once the process is confirmed dead; neither of them means
Crashed, "exit status unknown" (DESIGN section 7).
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from reconciler.core import retries
from reconciler.core.lifecycle import allowed
from reconciler.core.retries import LONGEST
from reconciler.model.events import RunMoved
from reconciler.model.fact import Fact
from reconciler.model.ids import instant
from reconciler.model.names import MAX_NAME
from reconciler.model.plan import Json
from reconciler.model.state import ACTIVE, Run, State

MAX_REASON = 500
"""Characters of a reason that a run gives."""


@dataclass(frozen=True, slots=True)
class Report:
    """News of one attempt of a run."""

    run: str
    attempt: int
    facts: Sequence[Mapping[str, Json]] = ()
    """Journal facts of the attempt so far, oldest first; those that the log holds already add nothing."""
    final: Mapping[str, Json] | None = None
    """The final fact of the attempt, new or not: completed, failed, timed_out or suspended. A failed one may say
    `retry`: false where the flow gave up, and `unlaunched`: true where a passing fault kept it from beginning."""
    exit: Mapping[str, Json] | None = None
    """`{code, signal}` once the process ended and its status is known."""
    dead: bool = False
    """Whether the process is confirmed dead, or never came to life."""


def moves(run: Run, report: Report, now: datetime, spec: Mapping[str, Json]) -> list[Fact]:
    """The moves of `run` that follow; none for another attempt, or one that is not under way (any more)."""
    if report.attempt != run.attempt or run.state not in ACTIVE:
        return []
    lived = list(_lived(run, report.facts, now)) if run.state is not State.CANCELLING else []
    if report.exit is None and not report.dead:
        return [*lived]
    for move in lived:
        run = replace(run, state=State(move.state), detail={**run.detail, **move.detail})
    return [*lived, *_ended(run, report, now, spec)]


# --- while it lives -------------------------------------------------------------------------------------------------


def _lived(run: Run, facts: Sequence[Mapping[str, Json]], now: datetime) -> Iterator[RunMoved]:
    """The moves between start and end that the facts tell, without those that the log holds: they are counted.

    They are counted as turns: running, paused, resumed, paused, ...
    """
    pauses, waits = run.detail.get("pauses", 0), run.state is State.PAUSED
    held = 0 if run.state is State.PENDING else 1 + 2 * pauses - waits
    for turn, fact in enumerate(_turns(facts), 1):
        if turn > held:
            yield _move(run, fact, turn // 2, facts, now)


def _turns(facts: Sequence[Mapping[str, Json]]) -> Iterator[Mapping[str, Json]]:
    """The facts that move a run, in turn; one that pauses again went on before, when its time was over."""
    begun = waits = False
    for fact in facts:
        kind = fact["fact"]
        if kind == "running" and not begun:
            begun = True
        elif kind == "paused" and begun:
            if waits:
                yield {"fact": "resumed"}
            waits = True
        elif kind == "resumed" and waits:
            waits = False
        else:
            continue
        yield fact


def _move(
    run: Run, fact: Mapping[str, Json], pauses: int, facts: Sequence[Mapping[str, Json]], now: datetime
) -> RunMoved:
    on = State.RETRYING if run.attempt > 1 else State.RUNNING
    if fact["fact"] == "running":
        detail = _began(fact, facts)
        return RunMoved(run=run.id, state=on, attempt=run.attempt, reason="the flow is called", detail=detail)
    if fact["fact"] == "paused":
        reason = _reason(fact, "the flow pauses")
        return RunMoved(
            run=run.id, state=State.PAUSED, attempt=run.attempt, reason=reason, until=_until(fact, now),
            detail={"pauses": pauses},
        )  # fmt: skip
    by = run.reason if run.detail.get("resumed") == pauses else ""
    return RunMoved(run=run.id, state=on, attempt=run.attempt, reason=by or "the flow goes on")


READ = frozenset({"fact", "attempt", "at", "name", "retries", "retry_delays", "retry_jitter"})
"""Fields of a `running` fact that are judged, or that say nothing of the run."""


def _began(running: Mapping[str, Json], facts: Sequence[Mapping[str, Json]]) -> dict[str, Json]:
    """What the start of a flow proves, and the steps that led there."""
    detail = {k: _short(v) for k, v in running.items() if k not in READ and v is not None} | retries.reported(running)
    name = running.get("name")
    if isinstance(name, str) and 1 <= len(name) <= MAX_NAME and name.isprintable():
        detail["name"] = name
    steps = [{k: _short(f[k]) for k in ("step", "seconds") if k in f} for f in facts if f["fact"] == "step"]
    return detail | ({"steps": steps} if steps else {})


def _short(value: Json) -> Json:
    """What a run says of itself, no longer than anybody reads: it stays in the log for good."""
    return value[:MAX_REASON] if isinstance(value, str) else value


def _until(fact: Mapping[str, Json], now: datetime) -> str | None:
    """The end of the time that a pause or suspension has."""
    timeout = fact.get("timeout")
    if not isinstance(timeout, int | float) or isinstance(timeout, bool) or not 0 <= timeout <= LONGEST:
        return None
    return instant(now + timedelta(seconds=timeout))


def _reason(fact: Mapping[str, Json], otherwise: str) -> str:
    said = fact.get("reason") or fact.get("message")
    return said[:MAX_REASON] if isinstance(said, str) else otherwise


# --- its end --------------------------------------------------------------------------------------------------------


def _ended(run: Run, report: Report, now: datetime, spec: Mapping[str, Json]) -> list[Fact]:
    end = _end(run, report, now, spec)
    if allowed(run.state, State(end.state)):
        return [end]
    # It paused and went on, or began, and of that nothing was read.
    on = State.RETRYING if run.attempt > 1 else State.RUNNING
    return [RunMoved(run=run.id, state=on, attempt=run.attempt, reason="it had gone on"), end]


def _end(run: Run, report: Report, now: datetime, spec: Mapping[str, Json]) -> RunMoved:
    state, reason, detail = outcome(report)
    final = report.final or {}
    until = _until(final, now) if state is State.SUSPENDED else None
    if run.state is State.CANCELLING and state is not State.COMPLETED:
        state, reason, until = State.CANCELLED, run.reason, None
    elif state not in {State.COMPLETED, State.SUSPENDED} and final.get("retry") is not False:
        passing = bool(final.get("unlaunched")) and run.unlaunched < retries.MOST_UNLAUNCHED
        if passing:
            again: datetime | None = now + timedelta(seconds=backoff(run.unlaunched + 1, run.id))
            detail["unlaunched"] = True
        else:
            again = retries.again_at(run, state, now, spec)
            many = "" if again is None else f" of {retries.budget(run, state)}"
            reason = f"attempt {run.attempt}{many} {_words(state)}: {reason}" if many else reason
        if again is not None:
            state, until = State.AWAITING_RETRY, instant(again)
    return RunMoved(run=run.id, state=state, attempt=run.attempt, reason=reason, until=until, detail=detail)


def _words(state: State) -> str:
    return "timed out" if state is State.TIMED_OUT else state.lower()


def outcome(report: Report) -> tuple[State, str, dict[str, Json]]:
    """What an attempt that ended came to, whoever asked for it: its state, why, and what that proves."""
    final, status = report.final, report.exit
    detail: dict[str, Json] = {"exit": dict(status)} if status else {}
    if final is not None:
        detail |= {k: final[k] for k in ("result", "error") if final.get(k) is not None}
    clean = not status or status.get("code") == 0
    if final is None:
        how = "exit status unknown" if status is None else f"{_said(status)} without a final report"
        return State.CRASHED, how, detail
    if final["fact"] in {"completed", "suspended"} and not clean:
        did = "returned" if final["fact"] == "completed" else "suspended itself"
        return State.CRASHED, f"{_said(status)} after the flow had {did}", detail
    if final["fact"] == "completed":
        return State.COMPLETED, "the flow returned", detail
    if final["fact"] == "suspended":
        return State.SUSPENDED, _reason(final, "the flow suspends itself"), detail
    if final["fact"] == "timed_out":
        return State.TIMED_OUT, str(final.get("message") or "timed out"), detail
    return State.FAILED, str(final.get("message") or "the flow raised"), detail


def _said(status: Mapping[str, Json] | None) -> str:
    if status and status.get("signal"):
        return f"killed by signal {status['signal']}"
    return f"exit code {status.get('code') if status else '?'}"


def backoff(failures: int, salt: str) -> float:
    """Seconds to wait after the n-th transient failure in a row: 1 s doubling to 15 min; `salt` decides the jitter."""
    base = min(2.0 ** max(failures - 1, 0), 900.0)
    return base * random.Random(f"{salt}/{failures}").uniform(0.75, 1.25)  # noqa: S311 - spread, not secrecy
