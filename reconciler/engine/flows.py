"""`@flow`: what an author writes above a function. Imported by flows through `reconciler`, read by the run."""

import copy
import functools
import importlib
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, cast, overload

from reconciler.engine import context
from reconciler.engine.settings import FLOW, checked, delays_of

if TYPE_CHECKING:
    from typing import Self, Unpack

    from reconciler.engine.typed import FlowHook, FlowSettings

P = ParamSpec("P")
R = TypeVar("R")


class Flow(Generic[P, R]):
    """A function with a flow's settings. Calling it runs it here and now: no daemon is needed in a script.

    `fn` is the function, `name` defaults to the function's name with `_` as `-`, `timeout_seconds` bounds one attempt.
    The run of a deployment is tried again by the daemon, a flow called in a script or in another flow by that call:
    `retries` times, `retry_delay_seconds` (a number, one per retry, or `exponential_backoff(...)`) later.
    """

    def __init__(self, fn: Callable[P, R], **settings: Any) -> None:
        check_function("flow", fn)
        functools.update_wrapper(self, fn)
        self.fn = fn
        self.settings = checked("flow", settings, FLOW)
        self.name: str = settings.get("name") or getattr(fn, "__name__", "flow").replace("_", "-")
        self.version: str | None = settings.get("version")
        self.description: str | None = settings.get("description") or fn.__doc__
        self.flow_run_name: str | Callable[..., str] | None = settings.get("flow_run_name")
        self.retries: int = settings.get("retries") or 0
        self.retry_delay_seconds: Any = settings.get("retry_delay_seconds") or 0
        self.retry_delays: list[float] = delays_of(settings)
        self.retry_jitter_factor: float | None = settings.get("retry_jitter_factor")
        self.timeout_seconds: float | None = settings.get("timeout_seconds")
        self.log_prints: bool | None = settings.get("log_prints")
        self.validate_parameters: bool = settings.get("validate_parameters") is not False
        self.task_runner: Any = settings.get("task_runner")
        self.on_running_hooks: list[FlowHook] = list(settings.get("on_running") or ())
        self.on_completion_hooks: list[FlowHook] = list(settings.get("on_completion") or ())
        self.on_failure_hooks: list[FlowHook] = list(settings.get("on_failure") or ())
        self.on_cancellation_hooks: list[FlowHook] = list(settings.get("on_cancellation") or ())
        self.on_crashed_hooks: list[FlowHook] = list(settings.get("on_crashed") or ())

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The function's own answer; for an async function, its coroutine. `return_state=True` gives the State."""
        frame = context.current()
        is_the_run_itself = frame is not None and frame.run.pending is self.fn
        if frame is not None and is_the_run_itself:
            frame.run.pending = None
            return self.fn(*args, **kwargs)
        answer: Any = importlib.import_module("reconciler.engine.calling").call(self, args, kwargs)
        return cast("R", answer)

    def with_options(self, **settings: "Unpack[FlowSettings]") -> "Flow[P, R]":
        """The same function as another flow: the settings given here over its own."""
        return Flow(self.fn, **{**self.settings, **settings})

    def on_running(self, hook: "FlowHook") -> "FlowHook":
        """`@my_flow.on_running` above a function `(flow, flow_run, state)`: called before the flow's first line."""
        self.on_running_hooks.append(hook)
        return hook

    def on_completion(self, hook: "FlowHook") -> "FlowHook":
        """`@my_flow.on_completion` above a function: called when a run has completed."""
        self.on_completion_hooks.append(hook)
        return hook

    def on_failure(self, hook: "FlowHook") -> "FlowHook":
        """`@my_flow.on_failure` above a function: called when a run has failed and is not tried again."""
        self.on_failure_hooks.append(hook)
        return hook

    def on_cancellation(self, hook: "FlowHook") -> "FlowHook":
        """`@my_flow.on_cancellation` above a function: called while a cancelled run ends, within the grace."""
        self.on_cancellation_hooks.append(hook)
        return hook

    def on_crashed(self, hook: "FlowHook") -> "FlowHook":
        """`@my_flow.on_crashed` above a function: called when the process of a run was lost."""
        self.on_crashed_hooks.append(hook)
        return hook

    def __get__(self, instance: object, owner: type | None = None) -> "Self":
        """As a method, a flow is bound to its instance like any function."""
        if instance is None:
            return self
        bound = copy.copy(self)
        bound.fn = self.fn.__get__(instance, owner)
        return bound

    def to_deployment(self, name: str, **arguments: Any) -> Any:
        """A deployment of this flow, to `serve` or `deploy`; takes the arguments of `engine/intended.py`."""
        return _lazily("intended").of(self, name, arguments)

    def serve(self, name: str | None = None, *, limit: int | None = None, **arguments: Any) -> None:
        """Take the runs of one deployment of this flow over; `engine/serving.py` tells how."""
        own = {k: arguments.pop(k) for k in ("pause_on_shutdown", "print_starting_message") if k in arguments}
        _lazily("serving").serve(self.to_deployment(name or self.name, **arguments), limit=limit, **own)

    def deploy(self, name: str, work_pool_name: str | None = None, **arguments: Any) -> Any:
        """Write the spec file of a deployment of this flow, or tell what git's differs in; the path written or None."""
        return _lazily("deploying").one(self, name, work_pool_name, arguments)

    @staticmethod
    def from_source(source: Any, entrypoint: str, *, branch: str | None = None) -> Any:
        """A flow in another repository, or in a folder of this one, to deploy or serve."""
        return _lazily("deploying").from_source(source, entrypoint, branch=branch)

    def __reduce__(self) -> str:
        """Pickled by name, as functions are, so that multiprocessing can send it."""
        return self.fn.__qualname__

    def __repr__(self) -> str:
        return f"<flow {self.name!r}>"


def _lazily(module: str) -> Any:
    """A module of the engine that most flows never need."""
    return importlib.import_module(f"reconciler.engine.{module}")


def check_function(word: str, fn: object) -> None:
    """Raises TypeError unless a flow or task can be made of it."""
    if isinstance(fn, (staticmethod, classmethod)) or not callable(fn):
        raise TypeError(f"@{word} goes above a function, not {type(fn).__name__}")
    if inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn):
        raise TypeError(f"@{word} goes above a function that returns, and this one yields: return a list instead")


@overload
def flow(fn: Callable[P, R], /) -> Flow[P, R]: ...
@overload
def flow(fn: None = None, /, **settings: "Unpack[FlowSettings]") -> Callable[[Callable[P, R]], Flow[P, R]]: ...
def flow(fn: Callable[..., Any] | None = None, /, **settings: Any) -> Any:
    """Make a function a flow: `@flow`, or `@flow(name=..., retries=...)`.

    Takes name, version, description, flow_run_name, retries, retry_delay_seconds, retry_jitter_factor,
    timeout_seconds, log_prints, validate_parameters, task_runner, persist_result and cache_result_in_memory (without
    effect: results are kept in the log), and lists of hooks: on_running, on_completion, on_failure, on_cancellation,
    on_crashed.
    """
    if fn is None:
        checked("flow", settings, FLOW)
        return functools.partial(Flow, **settings)
    return Flow(fn, **settings)


flow.from_source = Flow.from_source  # type: ignore[attr-defined]  # as Prefect has it: flow.from_source(...)
