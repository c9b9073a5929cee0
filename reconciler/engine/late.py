"""What is raised in a flow that takes longer than it may. Called by call.py, loop.py and the run."""


class FlowTimeout(BaseException):
    """The flow took longer than it may. Not an Exception: `except Exception` in user code must not swallow it."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the flow took longer than {seconds:g} s")
        self.seconds = seconds
