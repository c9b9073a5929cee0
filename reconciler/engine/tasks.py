"""`@task`: a step of a flow with retries, a timeout and a line in the timeline of its own. Imported by flows."""

import contextvars
import copy
import functools
import hashlib
import importlib
import inspect
import json
import os
import pickle
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, overload

from reconciler.engine import attempts, futures, logs
from reconciler.engine.attempts import Attempts
from reconciler.engine.context import Frame, Run, RunContext, TaskRun, current, described
from reconciler.engine.flows import check_function
from reconciler.engine.futures import Future, FutureList, unmapped
from reconciler.engine.names import filled, parameters_of, takes
from reconciler.engine.settings import TASK, checked, delays_of
from reconciler.engine.states import UpstreamFailedError, of_error

if TYPE_CHECKING:
    from typing import Self, Unpack

    from reconciler.engine.typed import TaskHook, TaskSettings

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class Task(Generic[P, R]):
    """A function with a task's settings. Call it to run it here and now; `.submit()` and `.map()` run it in threads.

    Futures among the arguments stand for their results: a task whose upstream failed does not run. Results are reused
    within one run where `cache_key_fn` (such as `task_input_hash`) gives the same key.
    """

    def __init__(self, fn: Callable[P, R], **settings: Any) -> None:
        check_function("task", fn)
        functools.update_wrapper(self, fn)
        self.fn = fn
        self.settings = checked("task", settings, TASK)
        self.name: str = settings.get("name") or str(getattr(fn, "__name__", "task"))
        self.version: str | None = settings.get("version")
        self.description: str | None = settings.get("description") or fn.__doc__
        self.tags: frozenset[str] = frozenset(settings.get("tags") or ())
        self.task_run_name: str | Callable[..., str] | None = settings.get("task_run_name")
        self.retries: int = settings.get("retries") or 0
        self.retry_delay_seconds: Any = settings.get("retry_delay_seconds") or 0
        self.retry_delays: list[float] = delays_of(settings)
        self.retry_jitter_factor: float | None = settings.get("retry_jitter_factor")
        self.retry_condition_fn: Callable[..., bool] | None = settings.get("retry_condition_fn")
        self.timeout_seconds: float | None = settings.get("timeout_seconds")
        self.log_prints: bool | None = settings.get("log_prints")
        self.cache_key_fn: Callable[..., str | None] | None = settings.get("cache_key_fn")
        self.cache_expiration: Any = settings.get("cache_expiration")
        self.on_running_hooks: list[TaskHook] = list(settings.get("on_running") or ())
        self.on_completion_hooks: list[TaskHook] = list(settings.get("on_completion") or ())
        self.on_failure_hooks: list[TaskHook] = list(settings.get("on_failure") or ())
        self.is_async = inspect.iscoroutinefunction(inspect.unwrap(fn))

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The function's own answer; for an async function, its coroutine. `return_state=True` gives the State."""
        call = _Call(self, args, dict(kwargs))
        answer: Any = call.coroutine() if self.is_async else call.here()
        return answer  # type: ignore[no-any-return]  # what the function returns

    @overload
    def submit(
        self: "Task[..., Coroutine[Any, Any, T]]", *args: Any, wait_for: Iterable[Any] | None = None, **kwargs: Any
    ) -> Future[T]: ...
    @overload
    def submit(self, *args: Any, wait_for: Iterable[Any] | None = None, **kwargs: Any) -> Future[R]: ...
    def submit(self, *args: Any, wait_for: Iterable[Any] | None = None, **kwargs: Any) -> Future[Any]:
        """Run it in a thread: the Future of its result. It waits for the futures in its arguments and in `wait_for`."""
        call = _Call(self, args, {**kwargs, "wait_for": wait_for})
        future = Future[Any](call.of)
        owner = call.parent or Frame(call.frame.run, self, call.of)
        within = contextvars.copy_context()
        futures.start(owner, future, lambda: within.run(call.quietly))
        if call.parent is None:
            owner.threads.close()
        return future

    @overload
    def map(
        self: "Task[..., Coroutine[Any, Any, T]]", *args: Any, wait_for: Iterable[Any] | None = None, **kwargs: Any
    ) -> FutureList[T]: ...
    @overload
    def map(self, *args: Any, wait_for: Iterable[Any] | None = None, **kwargs: Any) -> FutureList[R]: ...
    def map(self, *args: Any, wait_for: Iterable[Any] | None = None, **kwargs: Any) -> FutureList[Any]:
        """Submit it once for each item of the arguments that can be iterated over, which must be of one length.

        Text, bytes, mappings and `unmapped(...)` are the same for each. A future is waited for and its result iterated.
        """
        given: dict[int | str, Any] = dict(enumerate(args))
        given.update(kwargs.items())
        columns = {key: _items(value) for key, value in given.items()}
        lengths = {key: len(items) for key, items in columns.items() if items is not None}
        if not lengths:
            raise TypeError(f"{self.name}.map() needs an argument with items; use submit() for a single run")
        if len(set(lengths.values())) > 1:
            shown = ", ".join(f"{_argument(key)} {length}" for key, length in lengths.items())
            raise ValueError(f"{self.name}.map() needs arguments with as many items each: {shown}; see unmapped()")
        found = FutureList[Any]()
        for index in range(next(iter(lengths.values()))):
            row = {k: given[k] if items is None else items[index] for k, items in columns.items()}
            each = [row.pop(position) for position in range(len(args))]
            found.append(self.submit(*each, wait_for=wait_for, **{str(k): v for k, v in row.items()}))
        return found

    def with_options(self, **settings: "Unpack[TaskSettings]") -> "Task[P, R]":
        """The same function as another task: the settings given here over its own."""
        return Task(self.fn, **{**self.settings, **settings})

    def on_running(self, hook: "TaskHook") -> "TaskHook":
        """`@my_task.on_running` above a function `(task, task_run, state)`: called before the task's first line."""
        self.on_running_hooks.append(hook)
        return hook

    def on_completion(self, hook: "TaskHook") -> "TaskHook":
        """`@my_task.on_completion` above a function: called when it has completed."""
        self.on_completion_hooks.append(hook)
        return hook

    def on_failure(self, hook: "TaskHook") -> "TaskHook":
        """`@my_task.on_failure` above a function: called when it has failed and is not tried again."""
        self.on_failure_hooks.append(hook)
        return hook

    def __get__(self, instance: object, owner: type | None = None) -> "Self":
        """As a method, a task is bound to its instance like any function."""
        if instance is None:
            return self
        bound = copy.copy(self)
        bound.fn = self.fn.__get__(instance, owner)
        return bound

    def __reduce__(self) -> str:
        """Pickled by name, as functions are, so that multiprocessing can send it."""
        return self.fn.__qualname__

    def __repr__(self) -> str:
        return f"<task {self.name!r}>"


class _Call:
    """One call of a task, before it runs."""

    def __init__(self, task: Task[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.as_state = not takes(task.fn, "return_state") and kwargs.pop("return_state", False)
        self.wait_for = () if takes(task.fn, "wait_for") else tuple(kwargs.pop("wait_for", None) or ())
        self.task, self.args, self.kwargs = task, args, kwargs
        self.parent = parent = current()
        if parent is None:
            logs.speak_in_a_script()
        run = parent.run if parent else Run(os.urandom(8).hex())
        flow = parent.flow.of if parent else None
        self.of = TaskRun(
            run.new_id(),
            run.new_name(task.name),
            task.name,
            parameters_of(task.fn, args, kwargs),
            tuple(sorted({*(flow.tags if flow else ()), *task.tags})),
            flow.id if flow else None,
        )
        prints = task.log_prints if task.log_prints is not None else bool(parent and parent.log_prints)
        if prints:
            logs.log_prints()
        self.frame = Frame(run, task, self.of, parent, prints)
        self.todo = Attempts(self.frame)
        self._key: str | None = None

    def _ready(self) -> bool:
        """Results in place of futures, and a name; whether it must run, as no result of the same key is at hand."""
        try:
            futures.upstream(self.args, self.kwargs, self.wait_for)
            self.args, self.kwargs = futures.resolve(self.args), futures.resolve(self.kwargs)
        except Exception as error:
            if not isinstance(error, UpstreamFailedError):
                error = UpstreamFailedError(f"not run: what it needs failed: {error}")
            self.todo.refused(error)
            raise error from error.__cause__
        self.of.parameters = parameters_of(self.task.fn, self.args, self.kwargs)
        if self.task.task_run_name:
            self.of.name = filled("task_run_name", self.task.task_run_name, self.of.parameters)
        return not self._cached()

    def _cached(self) -> bool:
        key = self._key = self._cache_key()
        kept = self.frame.run.cache.get(key) if key is not None else None
        if kept is None or kept[0] <= time.monotonic():
            return False
        self.todo.cached(kept[1])
        return True

    def _cache_key(self) -> str | None:
        if self.task.cache_key_fn is None:
            return None
        return self.task.cache_key_fn(described(self.frame), dict(self.of.parameters))

    def _keep(self, result: Any) -> Any:
        if self._key is not None:
            lasts = self.task.cache_expiration
            until = time.monotonic() + (lasts.total_seconds() if lasts is not None else float("inf"))
            self.frame.run.cache[self._key] = (until, result)
        return result

    def here(self) -> Any:
        """Run it in this thread."""
        try:
            if self._ready():
                self._keep(attempts.perform(self.todo, lambda: self.task.fn(*self.args, **self.kwargs)))
        except Exception:
            if not self.as_state:
                raise
        return self.of.state if self.as_state else self.of.state.data

    async def coroutine(self) -> Any:
        """The same, of an async task."""
        try:
            if self._ready():
                perform = importlib.import_module("reconciler.engine.attempts_async").perform
                self._keep(await perform(self.todo, lambda: self.task.fn(*self.args, **self.kwargs)))
        except Exception:
            if not self.as_state:
                raise
        return self.of.state if self.as_state else self.of.state.data

    def quietly(self) -> None:
        """Run it in a thread made for it: the outcome is in its state."""
        try:
            if self.task.is_async:
                importlib.import_module("asyncio").run(self.coroutine())
            else:
                self.here()
        except BaseException as error:  # noqa: BLE001 - whoever asks the future for its result gets it
            if not (self.of.state and self.of.state.is_final()):
                self.of.state = of_error(error)


def _items(value: Any) -> list[Any] | None:
    """The items to map over; None for what is the same for each call."""
    if isinstance(value, Future):
        value = value.result()
    if isinstance(value, (str, bytes, Mapping, unmapped, futures.allow_failure)) or not hasattr(value, "__iter__"):
        return None
    return list(value)


def _argument(key: int | str) -> str:
    return f"argument {key + 1}:" if isinstance(key, int) else f"{key}:"


def task_input_hash(context: RunContext, parameters: Mapping[str, Any]) -> str | None:
    """For `cache_key_fn`: the same for the same task and arguments; None where arguments cannot be compared."""
    try:
        shown = json.dumps(parameters, sort_keys=True, allow_nan=False).encode()
    except (TypeError, ValueError):
        try:
            shown = pickle.dumps(parameters)
        except Exception:  # noqa: BLE001 - pickling runs code of the values
            return None
    function = context.task.fn
    return hashlib.sha256(f"{function.__module__}.{function.__qualname__}\0".encode() + shown).hexdigest()


@overload
def task(fn: Callable[P, R], /) -> Task[P, R]: ...
@overload
def task(fn: None = None, /, **settings: "Unpack[TaskSettings]") -> Callable[[Callable[P, R]], Task[P, R]]: ...
def task(fn: Callable[..., Any] | None = None, /, **settings: Any) -> Any:
    """Make a function a task: `@task`, or `@task(name=..., retries=...)`.

    Takes name, version, description, tags, task_run_name, retries, retry_delay_seconds, retry_jitter_factor,
    retry_condition_fn, timeout_seconds, log_prints, cache_key_fn, cache_expiration, persist_result and
    cache_result_in_memory (without effect), and lists of hooks: on_running, on_completion, on_failure.
    """
    if fn is None:
        checked("task", settings, TASK)
        return functools.partial(Task, **settings)
    return Task(fn, **settings)
