"""Where a verb works: the repository, its state directory, the log. Called by every verb that has one."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.daemon import config
from reconciler.daemon.state_dir import StateDir
from reconciler.git.location import locate


@dataclass(frozen=True, slots=True)
class Place:
    """A repository and where its state lies."""

    repo: Path
    """The folder the verb was given."""
    state_root: Path

    @classmethod
    def of(cls, obj: Mapping[str, Any]) -> "Place":
        """The place that the options of the command name. Raises SourceUnavailableError outside a repository."""
        repo = Path(obj["repo"])
        given = obj["state_dir"] or config.environment("RECONCILER_STATE_DIR")
        location = locate(repo)
        return cls(repo, Path(os.path.abspath(given)) if given else location.common_dir / "reconciler")  # noqa: PTH100

    @property
    def state(self) -> StateDir:
        """The state directory, whether it is there or not."""
        return StateDir(self.state_root)


def settings_of(place: Place, flags: Mapping[str, Any]) -> config.Settings:
    """The operator's settings for a place; an option that is not given, or not once, is no flag."""
    return config.load(place.state_root, {key: value for key, value in flags.items() if value != ()})
