"""PULL STEPS: how source arrives. The word in the YAML is the name of the file; a new step is one new file here.

A step is a dataclass of its own inputs (each field is followed by a line that documents it) with one `act`. The file
needs the standard library only, because `act` runs inside the run. The daemon wraps the same class in a strict pydantic
model (`_check.py`) to check specs and to make their JSON Schema; a run never imports that. So the two halves share one
file and cannot drift apart.
"""

import importlib
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from reconciler.steps._check import check as check
    from reconciler.steps._check import schema as schema

_OWN = re.compile(r"(?!(?:prefect(?:_\w+)?|reconciler)\.)[^\W\d]\w*(?:\.[^\W\d]\w*)+")
LONG = ("prefect.deployments.steps.", "prefect.projects.steps.")


@dataclass(frozen=True, slots=True)
class Context:
    """What a step acts in: the run's private folder, where it stands, its environment, how source and packages come."""

    work: Path
    directory: Path
    environment: Mapping[str, str]
    lay_out: Callable[[Path, Mapping[str, Any]], None]
    install: Callable[[Path, str, bool], None]
    """Of a folder the requirements file of this name; whether the installer's words are part of the output."""
    hide: Callable[[str], str] = str
    """The text without secrets, to be asked before it is cut."""


class Step(ABC):
    """One pull step. Its fields are its inputs."""

    TAKES_TEMPLATES_ONLY: ClassVar[frozenset[str]] = frozenset()
    """Inputs that hold secrets: a spec may only refer to them by `{{ ... }}`, never spell them out."""

    TAKES_SECRETS: ClassVar[frozenset[str]] = frozenset()
    """Inputs that may name secrets: those that show in no list of processes and decide nothing before the run."""

    def problems(self) -> Iterable[tuple[str, str]]:
        """What is wrong between inputs that are each right: (input, message)."""
        return ()

    @staticmethod
    @abstractmethod
    def act(inputs: Mapping[str, Any], context: Context) -> Mapping[str, Any]:
        """Do it, inside the run, from inputs the daemon has checked and resolved; the outputs.

        An output named `directory` is where the run stands from then on. Raises StepError.
        """


def short(word: str) -> str:
    """The plug-in word of a step, whose long name from Prefect is known too."""
    for prefix in LONG:
        word = word.removeprefix(prefix)
    return "git_clone" if word in {"agit_clone", "git_clone_project"} else word


def is_own(word: str) -> bool:
    """Whether a word is `module.function`, a step of the user's own; Prefect's names and ours never are."""
    return _OWN.fullmatch(word) is not None


def __getattr__(name: str) -> Any:
    """`steps.check` and `steps.schema` need pydantic, which a run does not have."""
    if name not in {"check", "schema"}:
        raise AttributeError(f"module 'reconciler.steps' has no attribute {name!r}")
    return getattr(importlib.import_module("reconciler.steps._check"), name)
