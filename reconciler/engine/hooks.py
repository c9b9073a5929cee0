"""Calls the hooks of a flow or task: what they do changes no outcome. Called by the run and by attempts.py."""

import importlib
import inspect
from typing import Any

from reconciler.engine.context import Frame
from reconciler.engine.logs import logger_of
from reconciler.engine.states import State

_KINDS = {"COMPLETED": "on_completion", "FAILED": "on_failure", "CRASHED": "on_crashed", "CANCELLED": "on_cancellation"}


def hooks_of(what: Any, state: State[Any]) -> list[Any]:
    """The hooks of a flow or task for a state."""
    kind = "on_running" if state.type == "RUNNING" else _KINDS.get(state.type)
    return list(getattr(what, f"{kind}_hooks", ()))


def call(frame: Frame, state: State[Any]) -> None:
    """Set the state and call its hooks, one after the other; one that raises is logged, and the next is called."""
    frame.of.state = state
    for hook in hooks_of(frame.what, state):
        name = getattr(hook, "__name__", repr(hook))
        try:
            answer = hook(frame.what, frame.of, state)
            if inspect.isawaitable(answer):
                importlib.import_module("reconciler.engine.loop").whole(answer)
        except Exception:  # noqa: BLE001 - a hook may do anything
            logger_of(frame).exception("the hook %s of %s failed", name, frame.of.name)
