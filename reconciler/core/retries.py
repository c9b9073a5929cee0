"""How often a run is tried, and how long it waits between. Called by report, waiting and `show`.

What a run said of itself counts for the failures it told of; for one whose process was lost, or that never got as far
as its flow, what was known before it started (literal arguments of `@flow`) counts. Attempts that a resume began, and
those that a passing fault kept from beginning, use up no retry.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TypeGuard

from reconciler.model.ids import digest
from reconciler.model.plan import Json
from reconciler.model.state import Run, State

LONGEST = 366 * 86_400.0
"""Seconds; no retry waits longer, whatever its flow asks for."""
MOST = 1000
"""Retries of a run."""
MOST_DELAYS = 50
MOST_JITTER = 10.0
MOST_UNLAUNCHED = 5
"""Attempts that may fail to begin for a passing reason, beyond the retries."""

TOLD = frozenset({State.FAILED, State.TIMED_OUT})
"""Ends that a run tells of itself."""


def reported(fact: Mapping[str, Json]) -> dict[str, Json]:
    """What a `running` fact says of retries, within bounds; what makes no sense is left out."""
    found: dict[str, Json] = {}
    retries, delays, jitter = (fact.get(key) for key in ("retries", "retry_delays", "retry_jitter"))
    if isinstance(retries, int) and not isinstance(retries, bool) and 0 <= retries <= MOST:
        found["retries"] = retries
    if isinstance(delays, list) and len(delays) <= MOST_DELAYS and all(map(_is_number, delays)):
        found["retry_delays"] = [_seconds(each) for each in delays]
    if _is_number(jitter):
        found["retry_jitter"] = float(min(jitter, MOST_JITTER))
    return found


def budget(run: Run, end: State) -> int:
    """How many attempts a run has in all, should this one end so."""
    own = run.detail.get("retries") if end in TOLD else None
    return (run.retries if own is None else own) + 1 + run.resumes + run.unlaunched


def attempts(run: Run) -> int:
    """How many attempts a run has in all, by what is known of it now: never fewer than it had."""
    return max(run.attempt, budget(run, State.FAILED))


def again_at(run: Run, end: State, now: datetime, spec: Mapping[str, Json]) -> datetime | None:
    """When the next attempt may start; None when there is none."""
    if run.attempt >= budget(run, end):
        return None
    return now + timedelta(seconds=_delay(run, end, spec.get("flow") or {}))


def _delay(run: Run, end: State, flow: Mapping[str, Json]) -> float:
    """Seconds after this attempt, spread by up to the jitter: the same for the same run and attempt."""
    said = run.detail if end in TOLD and "retries" in run.detail else {}
    delays = said.get("retry_delays", flow.get("retry_delay_seconds"))
    if isinstance(delays, list):
        failed = max(run.attempt - run.resumes - run.unlaunched, 1)
        delays = delays[min(failed, len(delays)) - 1] if delays else 0
    jitter = said.get("retry_jitter", flow.get("retry_jitter_factor"))
    spread = min(jitter, MOST_JITTER) * (2 * _share(f"{run.id}/{run.attempt}") - 1) if _is_number(jitter) else 0
    return _seconds(_seconds(delays) * (1 + spread))


def _share(salt: str) -> float:
    """A number in [0, 1) that the salt decides."""
    return int(digest(salt)[:12], 16) / 2**48


def _is_number(value: Json) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _seconds(value: Json) -> float:
    """A wait within bounds; none for what is no number."""
    return float(min(value, LONGEST)) if _is_number(value) else 0.0
