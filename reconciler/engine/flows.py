"""`@flow`: what an author writes above a function. Imported by flows through `reconciler`, read by the run."""

import functools
import importlib
from collections.abc import Callable, Sequence
from typing import Any, Generic, ParamSpec, TypeVar, overload

from reconciler.engine import calling

P = ParamSpec("P")
R = TypeVar("R")


class Flow(Generic[P, R]):
    """A function with a flow's settings. Calling it calls the function: no daemon is needed in a script.

    `fn` is the function, `name` defaults to the function's name with `_` as `-`, `timeout_seconds` bounds one attempt,
    `retries` and `retry_delay_seconds` (a number, or one per retry) are what the daemon goes by.
    """

    def __init__(self, fn: Callable[P, R], **settings: Any) -> None:
        if isinstance(fn, (staticmethod, classmethod)) or not callable(fn):
            raise TypeError(f"@flow goes above a function, not {type(fn).__name__}")
        functools.update_wrapper(self, fn)
        self.fn = fn
        self.settings = _checked(settings)
        self.name: str = settings.get("name") or fn.__name__.replace("_", "-")
        self.version: str | None = settings.get("version")
        self.description: str | None = settings.get("description") or fn.__doc__
        self.retries: int = settings.get("retries") or 0
        self.retry_delay_seconds: float | Sequence[float] = settings.get("retry_delay_seconds") or 0
        self.timeout_seconds: float | None = settings.get("timeout_seconds")
        self.log_prints: bool = bool(settings.get("log_prints"))

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The function's own answer; for an async function, its coroutine."""
        result: R = scripted.call(self, args, kwargs, lambda: self.fn(*args, **kwargs))
        return result

    def with_options(self, **settings: Any) -> "Flow[P, R]":
        """The same function as another flow: the settings given here over its own."""
        return Flow(self.fn, **{**self.settings, **settings})

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


SETTINGS = ("name", "version", "description", "retries", "retry_delay_seconds", "timeout_seconds", "log_prints")


def _checked(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings as given, when each is known and makes sense."""
    for key in settings:
        if key not in SETTINGS:
            raise TypeError(f"@flow has no argument {key!r}; it takes {', '.join(SETTINGS)}")
    retries, timeout = settings.get("retries") or 0, settings.get("timeout_seconds")
    if not isinstance(retries, int) or retries < 0:
        raise ValueError(f"retries={retries!r}: a whole number, 0 or more")
    if timeout is not None and not timeout > 0:
        raise ValueError(f"timeout_seconds={timeout!r}: more than 0, or None for no limit")
    return settings


@overload
def flow(fn: Callable[P, R], /) -> Flow[P, R]: ...
@overload
def flow(
    fn: None = None,
    /,
    *,
    name: str | None = None,
    version: str | None = None,
    description: str | None = None,
    retries: int = 0,
    retry_delay_seconds: float | Sequence[float] = 0,
    timeout_seconds: float | None = None,
    log_prints: bool = False,
) -> Callable[[Callable[P, R]], Flow[P, R]]: ...
def flow(fn: Callable[..., Any] | None = None, /, **settings: Any) -> Any:
    """Make a function a flow: `@flow`, or `@flow(name=..., retries=...)`."""
    if fn is None:
        _checked(settings)
        return functools.partial(Flow, **settings)
    return Flow(fn, **settings)


flow.from_source = Flow.from_source  # type: ignore[attr-defined]  # as Prefect has it: flow.from_source(...)
