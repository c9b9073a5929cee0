"""Logging in runs and scripts: the run's own logger, prints as records. Called by the run and the author's SDK."""

import builtins
import logging
import sys
from collections.abc import MutableMapping
from contextvars import ContextVar
from typing import Any

from reconciler.engine.context import Frame, TaskRun, current, required

_print = builtins.print
_speaking: ContextVar[bool] = ContextVar("reconciler_speaking", default=False)
_OURS = logging.getLogger("reconciler")


class RunLogger(logging.LoggerAdapter[logging.Logger]):
    """A logger whose records also carry the run's id and name."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """The record's `extra`, the caller's own included."""
        kwargs["extra"] = {**(self.extra or {}), **(kwargs.get("extra") or {})}
        return msg, kwargs


def get_run_logger() -> RunLogger:
    """The logger of the flow or task that the caller is in. Raises MissingContextError outside of both."""
    return logger_of(required("get_run_logger()"))


def logger_of(frame: Frame) -> RunLogger:
    """`reconciler.flow.NAME` or `reconciler.task.NAME`."""
    of = frame.of
    kind, name = ("task", of.task_name) if isinstance(of, TaskRun) else ("flow", of.flow_name)
    flow = frame.flow.of
    extra = {"flow_run_id": flow.id, "flow_run_name": flow.name}
    if of is not flow:
        extra |= {"task_run_id": of.id, "task_run_name": of.name}
    return RunLogger(_OURS.getChild(f"{kind}.{name}"), extra)


def speak() -> None:
    """Make records readable where nobody configured logging; whatever is configured goes first."""
    last = logging.StreamHandler()
    last.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
    logging.lastResort = last


def speak_in_a_script() -> None:
    """The same for a flow called in a script, whose other loggers stay as they are."""
    if not _OURS.level:
        _OURS.setLevel(logging.INFO)
        if not logging.getLogger().handlers:
            speak()


def log_prints() -> None:
    """From now on `print` is a record of the run's logger inside of flows and tasks that ask for it."""
    builtins.print = _print_or_log


def _print_or_log(*values: Any, **how: Any) -> None:
    frame = None if _speaking.get() else current()
    stream = how.get("file")
    if frame is None or not frame.log_prints or stream not in {None, sys.stdout, sys.stderr}:
        _print(*values, **how)
        return
    separator = " " if how.get("sep") is None else how["sep"]
    token = _speaking.set(True)
    try:
        logger_of(frame).info("%s", separator.join(map(str, values)), stacklevel=2)
    finally:
        _speaking.reset(token)
