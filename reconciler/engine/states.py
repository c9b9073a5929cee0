"""How a flow or task run stands: what hooks get, futures hold and flows may return. Called by the run's machinery."""

import time
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

R = TypeVar("R")


class RunFailedError(Exception):
    """A run ended without a result, and not by an exception: a flow returned `Failed(...)`, a task was cancelled."""


class UpstreamFailedError(RunFailedError):
    """A task did not run because one that it needs did not complete."""


@dataclass(frozen=True, slots=True)
class State(Generic[R]):
    """`type` is COMPLETED, FAILED, CRASHED, CANCELLED, RUNNING, SCHEDULED (a retry waits) or PENDING; `name` says more.

    `data` is the result, or the exception. `timestamp` is in seconds since 1970.
    """

    type: str
    name: str
    message: str = ""
    data: Any = field(default=None, repr=False)
    timestamp: float = field(default_factory=time.time, compare=False, repr=False)

    def is_completed(self) -> bool:
        """Whether it ended well."""
        return self.type == "COMPLETED"

    def is_failed(self) -> bool:
        """Whether it raised or took too long."""
        return self.type == "FAILED"

    def is_crashed(self) -> bool:
        """Whether it was interrupted."""
        return self.type == "CRASHED"

    def is_cancelled(self) -> bool:
        """Whether it was cancelled, or never ran because what it needs failed."""
        return self.type == "CANCELLED"

    def is_running(self) -> bool:
        """Whether it is under way."""
        return self.type == "RUNNING"

    def is_final(self) -> bool:
        """Whether it is over."""
        return self.type in {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}

    def result(self, *, raise_on_failure: bool = True) -> R:
        """What the run returned; raises what it raised, or returns that exception when asked not to raise."""
        if self.is_completed():
            return self.data  # type: ignore[no-any-return]  # the result of the run this state is of
        error = self.data if isinstance(self.data, BaseException) else RunFailedError(self.message or self.name)
        if raise_on_failure:
            raise error
        return error  # type: ignore[return-value]  # asked for


def Completed(*, message: str = "", data: Any = None, name: str = "Completed") -> State[Any]:  # noqa: N802 - reads as the state
    """For a flow to return: it completes with `data` as its result."""
    return State("COMPLETED", name, message, data)


def Failed(*, message: str = "", data: Any = None, name: str = "Failed") -> State[Any]:  # noqa: N802 - reads as the state
    """For a flow to return: it fails with a message, or an exception as `data`."""
    return State("FAILED", name, message, data)


def of_error(error: BaseException) -> State[Any]:
    """The state of a run that raised."""
    if isinstance(error, UpstreamFailedError):
        return State("CANCELLED", "Cancelled", str(error), error)
    message = _words(error)
    if isinstance(error, Exception):
        return State("FAILED", "TimedOut" if type(error).__name__ == "RunTimeoutError" else "Failed", message, error)
    return State("CRASHED", "Crashed", message, error)


def _words(error: BaseException) -> str:
    try:
        said = str(error)
    except Exception:  # noqa: BLE001 - a user's __str__ may do anything
        said = "(its message could not be made)"
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
