"""Where the code that runs stands: the run, and the flow or task it is in. Called by the run and the author's SDK."""

import itertools
import os
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from reconciler.engine.journal import Journal
from reconciler.engine.order import Order


class MissingContextError(RuntimeError):
    """Asked outside of a flow for what only a flow has."""


@dataclass(slots=True)
class Run:
    """What all flows and tasks of one run share; in a script, a flow called outside of any other is a run."""

    id: str
    order: Order | None = None
    run_dir: Path | None = None
    journal: Journal | None = None
    commit: str | None = None
    tree: str | None = None
    pending: Any = None
    """The function that the next call of its flow runs as the run itself."""
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)
    named: "dict[str, itertools.count[int]]" = field(default_factory=dict)
    cache: dict[str, Any] = field(default_factory=dict)
    suspensions: int = 0
    """Calls of suspend_flow_run so far in this attempt."""
    pid: int = field(default_factory=os.getpid)

    def new_id(self) -> str:
        """An id for a task or subflow run of this run."""
        number = next(self.numbers) + 1
        return f"{self.id}-{number}" if os.getpid() == self.pid else f"{self.id}-{os.getpid()}-{number}"

    def new_name(self, name: str) -> str:
        """`fetch-0`, `fetch-1`, ..."""
        return f"{name}-{next(self.named.setdefault(name, itertools.count()))}"


@dataclass(slots=True)
class FlowRun:
    """A flow run as hooks and authors see it."""

    id: str
    name: str
    flow_name: str
    parameters: dict[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    deployment: str | None = None
    run_count: int = 0
    """The attempt, from 1."""
    state: Any = None


@dataclass(slots=True)
class TaskRun:
    """A task run as hooks and authors see it."""

    id: str
    name: str
    task_name: str
    parameters: dict[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    flow_run_id: str | None = None
    run_count: int = 0
    """The attempt, from 1."""
    state: Any = None


@dataclass(slots=True)
class Frame:
    """One flow or task run under way: what it is, what it is in, and what it has started."""

    run: Run
    what: Any
    """The Flow or Task; for the run of a plain function, that function."""
    of: FlowRun | TaskRun
    parent: "Frame | None" = None
    log_prints: bool = False
    threads: Any = None
    futures: list[Any] = field(default_factory=list)
    closing: bool = False
    """It has failed: what it started need not be tried again."""

    @property
    def flow(self) -> "Frame":
        """The flow run it is, or is in; itself for a task outside of any flow."""
        frame = self
        while isinstance(frame.of, TaskRun) and frame.parent:
            frame = frame.parent
        return frame


CURRENT: ContextVar[Frame | None] = ContextVar("reconciler_run", default=None)
_outermost: list[Frame] = []


def begin(frame: Frame) -> None:
    """From now on this process runs that: threads of the author's own see it too."""
    _outermost[:] = [frame]
    CURRENT.set(frame)


def forget() -> None:
    """From now on this process runs nothing."""
    _outermost.clear()
    CURRENT.set(None)


def current() -> Frame | None:
    """The flow or task that the caller is in."""
    return CURRENT.get() or (_outermost[0] if _outermost else None)


def required(what: str) -> Frame:
    """The same. Raises MissingContextError, saying what for."""
    frame = current()
    if frame is None:
        raise MissingContextError(f"{what} works inside of a flow or task only, and this code is in neither")
    return frame


@dataclass(frozen=True, slots=True)
class RunContext:
    """All that a flow can know of its run; in a script, what only a deployment has is None."""

    id: str
    name: str
    deployment: str | None
    flow_name: str
    version: str | None
    spec_commit: str | None
    source_commit: str | None
    tree: str | None
    generation: int | None
    due: datetime | None
    attempt: int
    parameters: dict[str, Any]
    tags: tuple[str, ...]
    labels: dict[str, Any]
    flow: Any
    flow_run: FlowRun | None
    task: Any = None
    task_run: TaskRun | None = None


def get_run_context() -> RunContext:
    """The run that the calling code is in. Raises MissingContextError outside of flows and tasks."""
    return described(required("get_run_context()"))


def described(frame: Frame) -> RunContext:
    """A frame as authors see it."""
    run, order, flow = frame.run, frame.run.order, frame.flow
    of = flow.of if isinstance(flow.of, FlowRun) else None
    in_task = isinstance(frame.of, TaskRun)
    return RunContext(
        id=run.id,
        name=of.name if of else frame.of.name,
        deployment=order.deployment if order else None,
        flow_name=of.flow_name if of else "",
        version=order.version if order else getattr(flow.what, "version", None),
        spec_commit=order.spec_commit if order else None,
        source_commit=run.commit,
        tree=run.tree,
        generation=order.generation if order else None,
        due=datetime.fromisoformat(order.due) if order and order.due else None,
        attempt=order.attempt if order else flow.of.run_count,
        parameters=dict(flow.of.parameters),
        tags=flow.of.tags,
        labels=dict(order.labels) if order else {},
        flow=flow.what if of else None,
        flow_run=of,
        task=frame.what if in_task else None,
        task_run=frame.of if isinstance(frame.of, TaskRun) else None,
    )
