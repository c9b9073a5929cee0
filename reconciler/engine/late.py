"""What is raised in a flow that takes longer than it may. Called by call.py, deadline.py, loop.py and the run."""


class FlowTimeout(BaseException):
    """The flow took longer than it may. Not an Exception: `except Exception` in user code must not swallow it."""

    def __init__(self, seconds: float = 0.0, *, of: object = None) -> None:
        super().__init__(f"the flow took longer than {seconds:g} s")
        self.seconds = seconds
        self.of = of
        """The deadline that passed."""


class Suspended(BaseException):
    """Ends the process of a run that is to be resumed later. Not an Exception: flows must not swallow it."""

    def __init__(self, timeout: float | None, reason: str | None) -> None:
        super().__init__("the run is suspended")
        self.timeout, self.reason = timeout, reason


class RunTimeoutError(TimeoutError):
    """A task, or a flow inside of another, took longer than it may: what its caller sees."""
