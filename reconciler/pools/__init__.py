"""WORK POOLS: where runs go. The word in `type:` is the name of the file; a new pool is one new file here.

The daemon holds one object per pool. What happens to a run is read from its run directory, so a pool may be thrown away
and made again at any time: a new one takes over the runs of the old by their directories. What a spec may say in
`job_variables` is a dataclass that `_check.py` wraps in a strict pydantic model, as with steps.
"""

import importlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from reconciler.pools._check import check as check
    from reconciler.pools._check import variables as variables


class Variables:
    """What a spec may say in `job_variables`: a frozen dataclass, each field with a default."""

    def problems(self) -> Iterable[tuple[tuple[str, ...], str]]:
        """What its types cannot tell to be wrong: (path, message)."""
        return ()


class Pool(ABC):
    """A promise to run what lies in a run directory."""

    Variables: ClassVar[type[Variables]]
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


def __getattr__(name: str) -> Any:
    """`pools.check` and `pools.variables` need pydantic, which a start that finds nothing changed goes without."""
    if name not in {"check", "variables"}:
        raise AttributeError(f"module 'reconciler.pools' has no attribute {name!r}")
    return getattr(importlib.import_module("reconciler.pools._check"), name)
