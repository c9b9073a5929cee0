"""`pip_install_requirements`: the packages a requirements file names, in an environment that runs share."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.steps import Context, Step


@dataclass(frozen=True, kw_only=True)
class PipInstallRequirements(Step):
    """Go on in an environment that holds what a requirements file names; it is made once for each content of it."""

    directory: str | None = None
    """Where the file lies; where the steps before ended, if absent."""
    requirements_file: str = "requirements.txt"
    """The name of the file."""
    stream_output: bool = True
    """Whether the installer's output is part of the run's."""

    def problems(self) -> Iterable[tuple[str, str]]:
        """A name that is none."""
        if not self.requirements_file.strip() or not self.requirements_file.isprintable():
            yield "requirements_file", "the name of a file is expected"

    @staticmethod
    def act(inputs: Mapping[str, Any], context: Context) -> Mapping[str, Any]:
        """Have it installed, never into the interpreter that serves; `stdout` and `stderr` are in the output."""
        directory = context.directory / (inputs.get("directory") or "")
        name = str(inputs.get("requirements_file") or "requirements.txt")
        context.install(directory, name, inputs.get("stream_output", True))
        return {"stdout": "", "stderr": ""}
