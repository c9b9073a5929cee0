"""`runtime.flow_run`, `.task_run` and `.deployment`: what a run is, by name. Read by authors; None outside of a run."""

from collections.abc import Callable
from typing import Any

from reconciler.engine.context import RunContext, current, described


class _Part:
    """Attributes that are looked up in the run when they are read."""

    def __init__(self, word: str, facts: dict[str, Callable[[RunContext], Any]]) -> None:
        self._word, self._facts = word, facts

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name not in self._facts:
            raise AttributeError(f"runtime.{self._word} has no {name!r}; it has {', '.join(sorted(self._facts))}")
        frame = current()
        return None if frame is None else self._facts[name](described(frame))

    def __dir__(self) -> list[str]:
        return sorted(self._facts)


flow_run = _Part(
    "flow_run",
    {
        "id": lambda at: at.flow_run.id if at.flow_run else None,
        "root_flow_run_id": lambda at: at.id,
        "name": lambda at: at.name,
        "flow_name": lambda at: at.flow_name,
        "flow_version": lambda at: getattr(at.flow, "version", None),
        "parameters": lambda at: at.parameters,
        "tags": lambda at: list(at.tags),
        "labels": lambda at: at.labels,
        "scheduled_start_time": lambda at: at.due,
        "due": lambda at: at.due,
        "run_count": lambda at: at.attempt,
        "attempt": lambda at: at.attempt,
    },
)
task_run = _Part(
    "task_run",
    {
        "id": lambda at: at.task_run.id if at.task_run else None,
        "name": lambda at: at.task_run.name if at.task_run else None,
        "task_name": lambda at: at.task_run.task_name if at.task_run else None,
        "parameters": lambda at: at.task_run.parameters if at.task_run else None,
        "tags": lambda at: list(at.task_run.tags) if at.task_run else None,
        "run_count": lambda at: at.task_run.run_count if at.task_run else None,
    },
)
deployment = _Part(
    "deployment",
    {
        "id": lambda at: at.deployment,
        "name": lambda at: at.deployment,
        "version": lambda at: at.version if at.deployment else None,
        "spec_commit": lambda at: at.spec_commit,
        "source_commit": lambda at: at.source_commit,
        "tree": lambda at: at.tree,
        "generation": lambda at: at.generation,
        "flow_run_id": lambda at: at.id if at.deployment else None,
    },
)
