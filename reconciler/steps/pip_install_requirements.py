"""`pip_install_requirements`: known to specs; environments of a run's own come later."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.model.errors import StepError
from reconciler.steps import Context, Step


@dataclass(frozen=True, kw_only=True)
class PipInstallRequirements(Step):
    """Install what a requirements file names into an environment of the run."""

    directory: str | None = None
    """Where the file lies; where the steps before ended, if absent."""
    requirements_file: str = "requirements.txt"
    """The name of the file."""
    stream_output: bool = True
    """Whether the installer's output is part of the run's."""

    def problems(self) -> Iterable[tuple[str, str]]:
        """It does not work yet, which is better told before a run than by it."""
        yield "requirements_file", "pip_install_requirements does not work yet: install it where the daemon runs"

    @staticmethod
    def act(inputs: Mapping[str, Any], context: Context) -> Mapping[str, Any]:  # noqa: ARG004 - the promise's
        """Refuse: nothing is ever installed into the daemon's own environment."""
        raise StepError(
            "pip_install_requirements comes later",
            hint="until then, install what the flow needs into the environment that serves it",
        )
