"""WORK POOLS: where runs go. The word in `type:` is the name of the file; a new pool is one new file here.

The daemon holds one object per pool. What happens to a run is read from its run directory, so a pool may be thrown away
and made again at any time: a new one takes over the runs of the old by their directories.
"""

import difflib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ValidationError


class Pool(ABC):
    """A promise to run what lies in a run directory. `Variables` models what a spec may say in `job_variables`."""

    Variables: ClassVar[type[BaseModel]]
    WITHOUT_EFFECT: ClassVar[frozenset[str]] = frozenset()
    """Job variables that are known from elsewhere and do nothing here."""

    def warm(self) -> None:  # noqa: B027 - most pools have nothing to do
        """Get ready, so that the first launch is as quick as the next one. Never raises."""

    @abstractmethod
    def launch(self, run_dir: Path) -> None:
        """Hand an attempt over; twice runs it once. Raises StepError when it cannot be handed over."""

    @abstractmethod
    def kill(self, run_dir: Path, signal: int) -> None:
        """Send a signal to every process of an attempt; one that has not started never will. None left is fine."""

    @abstractmethod
    def alive(self, run_dir: Path) -> bool:
        """Whether an attempt runs or may still start. After False nothing of it will ever run."""

    @abstractmethod
    def exit_status(self, run_dir: Path) -> Mapping[str, int | None] | None:
        """`{"code", "signal"}` of an attempt that ended; None while it lives, and when nobody saw it end."""

    def never_began(self, run_dir: Path) -> bool:  # noqa: ARG002 - what a pool that cannot know answers
        """Whether a dead attempt is known to never have begun: it may be launched again as if it had not been."""
        return False

    @abstractmethod
    def close(self) -> None:
        """Let go: attempts that run go on, and their ends are still recorded."""


def check(pool: type[Pool], job_variables: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """What is wrong with the job variables of a spec, as (path inside them, message)."""
    known = list(pool.Variables.model_fields)
    others = foreign(pool, job_variables)
    try:
        pool.Variables.model_validate({key: value for key, value in job_variables.items() if key not in others})
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_context=False):
            if problem["type"] != "extra_forbidden":
                if not (isinstance(problem["input"], str) and "{{" in problem["input"]):
                    yield problem["loc"], _said(problem["msg"])
                continue
            near = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; this pool takes {', '.join(known)}"
            yield problem["loc"], f"unknown job variable{hint}"


def foreign(pool: type[Pool], job_variables: Mapping[str, Any]) -> frozenset[str]:
    """The job variables that do nothing in a pool: it does not know them, and they resemble none that it knows.

    They are of a pool of another type, or of a job template of the team's own; misspelt ones are for `check` to tell.
    """
    known = list(pool.Variables.model_fields)
    return frozenset(
        name for name in job_variables if name not in known and not difflib.get_close_matches(str(name), known, n=1)
    )


def _said(message: str) -> str:
    """What the model says, in the words of a spec."""
    words = {"a valid string": "text: write it in quotes", "a valid dictionary": "names and values: {NAME: VALUE}"}
    for theirs, ours in words.items():
        message = message.replace(theirs, ours)
    return message.replace("Input should be", "expected")
