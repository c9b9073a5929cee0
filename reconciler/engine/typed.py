"""The arguments of `@flow` and `@task` for type checkers; never imported at run time but by tests."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypedDict

from reconciler.engine.context import FlowRun, RunContext, TaskRun
from reconciler.engine.futures import ThreadPoolTaskRunner
from reconciler.engine.settings import Delay
from reconciler.engine.states import State

FlowHook = Callable[[Any, FlowRun, State[Any]], Any]
TaskHook = Callable[[Any, TaskRun, State[Any]], Any]


class _Shared(TypedDict, total=False):
    name: str | None
    version: str | None
    description: str | None
    retries: int | None
    retry_delay_seconds: Delay | None
    retry_jitter_factor: float | None
    timeout_seconds: float | None
    log_prints: bool | None
    persist_result: bool | None
    cache_result_in_memory: bool | None


class FlowSettings(_Shared, total=False):
    """What `@flow` takes."""

    flow_run_name: str | Callable[..., str] | None
    validate_parameters: bool
    task_runner: ThreadPoolTaskRunner | None
    on_running: Sequence[FlowHook] | None
    on_completion: Sequence[FlowHook] | None
    on_failure: Sequence[FlowHook] | None
    on_cancellation: Sequence[FlowHook] | None
    on_crashed: Sequence[FlowHook] | None


class TaskSettings(_Shared, total=False):
    """What `@task` takes."""

    tags: Iterable[str] | None
    task_run_name: str | Callable[..., str] | None
    retry_condition_fn: Callable[[Any, TaskRun, State[Any]], bool] | None
    cache_key_fn: Callable[[RunContext, Mapping[str, Any]], str | None] | None
    cache_expiration: timedelta | None
    on_running: Sequence[TaskHook] | None
    on_completion: Sequence[TaskHook] | None
    on_failure: Sequence[TaskHook] | None
