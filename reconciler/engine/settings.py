"""What `@flow` and `@task` take, checked where it is written. Called by flows.py and tasks.py."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Delay = float | Sequence[float] | Callable[[int], Sequence[float]]

SHARED = (
    *("name", "version", "description", "retries", "retry_delay_seconds", "retry_jitter_factor", "timeout_seconds"),
    *("log_prints", "persist_result", "cache_result_in_memory", "on_completion", "on_failure", "on_running"),
)
FLOW = (*SHARED, "flow_run_name", "validate_parameters", "task_runner", "on_cancellation", "on_crashed")
TASK = (*SHARED, "tags", "task_run_name", "retry_condition_fn", "cache_key_fn", "cache_expiration")
_LISTS = ("on_completion", "on_failure", "on_running", "on_cancellation", "on_crashed")
_NOT_HERE = {
    "cache_policy": "give cache_key_fn (such as task_input_hash): results are reused within one run",
    "refresh_cache": "nothing is kept from one run to the next",
    "result_storage": "a flow's result is kept in the log, as JSON; write files in the flow itself",
    "result_serializer": "a flow's result is kept in the log, as JSON",
    "result_storage_key": "a flow's result is kept in the log, as JSON",
}
MOST_DELAYS = 50


def exponential_backoff(backoff_factor: float) -> Callable[[int], list[float]]:
    """For `retry_delay_seconds`: the factor doubled from retry to retry."""

    def delays(retries: int) -> list[float]:
        return [backoff_factor * 2**n for n in range(min(retries, MOST_DELAYS))]

    return delays


def checked(word: str, settings: Mapping[str, Any], known: Sequence[str]) -> dict[str, Any]:
    """The settings as given, when each is known and makes sense. Raises TypeError, ValueError."""
    for key, value in settings.items():
        if key in _NOT_HERE and key not in known:
            if value is not None:
                raise TypeError(f"@{word}({key}=...) has no effect here: {_NOT_HERE[key]}")
        elif key not in known:
            near = importlib.import_module("difflib").get_close_matches(key, known, n=1)
            meant = f", did you mean {near[0]!r}?" if near else ""
            raise TypeError(f"@{word} has no argument {key!r}{meant}; it takes {', '.join(known)}")
    if "retries" in settings or "retry_delay_seconds" in settings:
        delays_of(settings)
    timeout, jitter = settings.get("timeout_seconds"), settings.get("retry_jitter_factor")
    if timeout is not None and not _number(timeout, above=0):
        raise ValueError(f"timeout_seconds={timeout!r}: more than 0, or None for no limit")
    if jitter is not None and not _number(jitter):
        raise ValueError(f"retry_jitter_factor={jitter!r}: 0 or more")
    for key in _LISTS:
        hooks = settings.get(key) or ()
        if not isinstance(hooks, (list, tuple)) or not all(map(callable, hooks)):
            raise TypeError(f"{key}={hooks!r}: a list of functions")
    return {k: v for k, v in settings.items() if k in known}


def _number(value: Any, above: float = -1) -> bool:
    """Whether it is a number from 0, and more than `above`; NaN and infinity are not."""
    return (
        not isinstance(value, bool) and isinstance(value, (int, float)) and above < value < float("inf") and value >= 0
    )


def delays_of(settings: Mapping[str, Any]) -> list[float]:
    """Seconds before the first, second, ... retry; the last counts for all that follow. Raises ValueError."""
    retries, delay = settings.get("retries") or 0, settings.get("retry_delay_seconds") or 0
    if not isinstance(retries, int) or isinstance(retries, bool) or retries < 0:
        raise ValueError(f"retries={retries!r}: a whole number, 0 or more")
    found = delay(retries) if callable(delay) else delay
    each = list(found) if isinstance(found, (list, tuple)) else [found]
    if len(each) > MOST_DELAYS or not all(map(_number, each)):
        raise ValueError(
            f"retry_delay_seconds={delay!r}: a number of seconds from 0, a list of at most {MOST_DELAYS} of them, "
            "or exponential_backoff(backoff_factor=...)"
        )
    return each


def delay_before(attempt: int, delays: Sequence[float], jitter: float, draw: Callable[[], float]) -> float:
    """Seconds to wait before attempt 2, 3, ...: its delay, and up to `jitter` times as much more or less."""
    delay = delays[min(attempt - 2, len(delays) - 1)] if delays else 0.0
    return max(delay * (1 + jitter * (2 * draw() - 1)), 0.0) if jitter else delay
