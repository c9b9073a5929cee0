"""States: what they say of an error, and what they give back."""

import pytest

from reconciler import Completed, Failed, RunFailedError, State
from reconciler.engine.late import RunTimeoutError
from reconciler.engine.states import UpstreamFailedError, of_error


class StrangeError(Exception):
    def __str__(self):
        raise RuntimeError


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("no"), ("FAILED", "Failed", "ValueError: no")),
        (ValueError(), ("FAILED", "Failed", "ValueError")),
        (StrangeError(), ("FAILED", "Failed", "StrangeError: (its message could not be made)")),
        (RunTimeoutError("late"), ("FAILED", "TimedOut", "RunTimeoutError: late")),
        (UpstreamFailedError("not run"), ("CANCELLED", "Cancelled", "not run")),
        (KeyboardInterrupt(), ("CRASHED", "Crashed", "KeyboardInterrupt")),
    ],
)
def test_an_error_is_a_state(error, said):
    state = of_error(error)
    assert (state.type, state.name, state.message) == said
    assert state.is_final()
    assert state.result(raise_on_failure=False) is error
    with pytest.raises(type(error)):
        state.result()


def test_states_that_authors_make():
    assert Completed(data=3).result() == 3
    with pytest.raises(RunFailedError, match="mine"):
        Failed(message="mine").result()
    assert not State("RUNNING", "Running").is_final()
