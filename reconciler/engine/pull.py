"""Runs the pull steps of an order, one after the other. Called by the run, before any user code is imported."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

from reconciler import plugins, steps
from reconciler.core.references import is_reference
from reconciler.core.template import MissingValueError, TemplateError, follow, render
from reconciler.engine import copies, custom, environments, handover, hidden, placeholders, requirements
from reconciler.engine.environments import Environment
from reconciler.engine.journal import Journal
from reconciler.engine.order import Order
from reconciler.engine.requirements import Requirements
from reconciler.model.errors import ReconcilerError, StepError

WORK = "work"
_ERROR_CHARACTERS = 2000


@dataclass(slots=True)
class Source:
    """What the steps brought: where the run stands, and the commit and tree of the working copy it stands in."""

    directory: Path
    outputs: dict[str, Any] = field(default_factory=dict)
    laid_out: list[tuple[Path, str | None, str | None]] = field(default_factory=list)
    required: list[Requirements] = field(default_factory=list)
    done: int = 0
    """How many steps were done."""

    def state(self) -> dict[str, Any]:
        """All of it, to go on in another interpreter."""
        return {
            "directory": str(self.directory),
            "outputs": self.outputs,
            "laid_out": [[str(target), commit, tree] for target, commit, tree in self.laid_out],
            "required": [each.json() for each in self.required],
            "done": self.done,
        }

    @classmethod
    def load(cls, state: Mapping[str, Any]) -> "Source":
        """The inverse of `state`."""
        return cls(
            Path(state["directory"]),
            state["outputs"],
            [(Path(target), commit, tree) for target, commit, tree in state["laid_out"]],
            [Requirements.load(each) for each in state["required"]],
            state["done"],
        )

    def _here(self) -> tuple[str | None, str | None]:
        around = (
            (commit, tree) for target, commit, tree in reversed(self.laid_out) if self.directory.is_relative_to(target)
        )
        return next(around, (None, None))

    @property
    def commit(self) -> str | None:
        """The commit the run's directory was laid out at; None when no step laid it out."""
        return self._here()[0]

    @property
    def tree(self) -> str | None:
        """The tree computed from the bytes that were written."""
        return self._here()[1]


@cache
def find(word: str) -> type[steps.Step]:
    """The step of a word; the template finds each once, for all its runs. Raises UnknownWordError."""
    return plugins.load(steps, steps.Step, word)  # type: ignore[type-abstract]  # a subclass is what comes back


def pull(run_dir: Path, todo: Order, journal: Journal, before: Source | None = None) -> Source:
    """Run every step in order; each is a fact. Raises StepError at the first that fails: the rest do not run.

    After a step that asks for another interpreter the run goes on in that one, with this `before` it.
    """
    work = run_dir / WORK
    source = before or Source(work)
    for index, entry in enumerate(todo.pull):
        if index < source.done:
            continue
        began = time.monotonic()
        try:
            environment = _step(entry, todo, source, work)
        except Exception as error:  # noqa: BLE001 - whatever a step raises fails the run, as a fact
            what = hidden.text(_words(error, todo))
            message = f"pull step {index} ({entry['step']}) failed: {what}"
            journal.write("step", **_fact(index, entry, began), ok=False, error=message[:_ERROR_CHARACTERS])
            raise StepError(message) from None
        journal.write("step", **_fact(index, entry, began), ok=True)
        source.done = index + 1
        if environment and not environment.entered:
            handover.go_on(environment, run_dir, source.state())
    if source.directory == work:
        work.mkdir(mode=0o700, exist_ok=True)
    return source


def _words(error: Exception, todo: Order) -> str:
    match error:
        case ReconcilerError():
            return f"{error.message}: {error.hint}" if error.hint else error.message
        case MissingValueError():
            return placeholders.why(error, todo)
        case TemplateError() | OSError():
            return str(error)
    return f"{type(error).__name__}: {error}"


def _fact(index: int, entry: Mapping[str, Any], began: float) -> dict[str, Any]:
    seconds = round(time.monotonic() - began, 6)
    return {"index": index, "step": entry["step"], "id": entry.get("id"), "seconds": seconds}


def _step(entry: Mapping[str, Any], todo: Order, source: Source, work: Path) -> Environment | None:
    """One step: earlier outputs filled into its inputs; its own outputs kept under its id, and flat.

    The environment in which the run is to go on, if the step asks for one.
    """
    entered: list[Environment] = []
    inputs = entry.get("inputs") or {}
    if todo.templated:
        inputs = render(inputs, partial(_look_up, placeholders.known(source.outputs)))
    context = steps.Context(
        work=work,
        directory=source.directory,
        environment=os.environ,
        lay_out=partial(_lay_out, todo, source),
        hide=hidden.text,
        install=lambda *given: entered.append(_install(todo, source, *given)),
    )
    word = entry["step"]
    if steps.is_own(word):
        outputs = custom.act(word, inputs, source.directory, todo.path)
    else:
        outputs = dict(find(steps.short(word)).act(inputs, context))
    if entry.get("id"):
        source.outputs[entry["id"]] = outputs
    source.outputs.update(outputs)
    if "directory" in outputs:
        source.directory = (work / outputs["directory"]).absolute()
    return entered[-1] if entered else None


def _look_up(outputs: Mapping[str, Any], name: str) -> Any:
    """What a placeholder stands for: a secret of the run, or what a step before put out. Raises MissingValueError."""
    held = hidden.held()
    return held.look_up(name) if held and is_reference(name) else follow(outputs, name)


def _install(todo: Order, source: Source, directory: Path, name: str, stream: bool) -> Environment:
    """An environment with what the steps before asked for and this file too."""
    if not todo.environments:
        raise StepError("pip_install_requirements: this pool has no place for environments")
    wanted = [*source.required, requirements.read(directory, name)]
    environment = environments.borrow(Path(todo.lent), wanted) if todo.lent else None
    if environment is None:
        environment = environments.enter(Path(todo.environments), wanted, deployment=todo.deployment, stream=stream)
    source.required = wanted
    programs = str(environment.venv / "bin")
    os.environ["VIRTUAL_ENV"] = str(environment.venv)
    if os.environ.get("PATH", "").partition(":")[0] != programs:
        os.environ["PATH"] = f"{programs}:{os.environ.get('PATH', os.defpath)}"
    return environment


def _lay_out(todo: Order, source: Source, target: Path, inputs: Mapping[str, Any]) -> None:
    manifest = copies.lay_out(todo.state_dir_copies, target, inputs, python=todo.python)
    if pointers := manifest.get("lfs"):
        print(f"{len(pointers)} files are Git LFS pointers, not their content, such as {pointers[0]}")  # noqa: T201
    source.laid_out.append((target.absolute(), manifest.get("commit"), manifest.get("tree")))
