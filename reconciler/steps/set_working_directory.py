"""`set_working_directory`: where the run stands from then on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.model.errors import StepError
from reconciler.steps import Context, Step


@dataclass(frozen=True, kw_only=True)
class SetWorkingDirectory(Step):
    """Go to a directory that exists."""

    directory: str
    """Absolute, or relative to where the steps before ended."""

    @staticmethod
    def act(inputs: Mapping[str, Any], context: Context) -> Mapping[str, Any]:
        """Answer the absolute `directory`."""
        directory = context.directory / inputs["directory"]
        if not directory.is_dir():
            raise StepError(f"set_working_directory: there is no directory {inputs['directory']!r} here")
        return {"directory": str(directory.absolute())}
