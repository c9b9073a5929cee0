"""Whether the code of a deployment can only lie in an image. Called by core/declare.

A work pool that no file declares is taken as processes of this host (core/assemble), but not for such a deployment.
"""

from collections.abc import Mapping, Sequence

from reconciler.core.version import CLONES
from reconciler.model.plan import Json


def meant(pull: Sequence[Mapping[str, Json]] | None) -> str:
    """Why its runs cannot be processes of this host as it is written, and what makes them so; empty where they can."""
    if pull is not None and not any(step["step"] in CLONES for step in pull) and all(map(_fixed, pull)):
        return (
            "its `pull` brings no code, as where an image holds it, and such pools are not there yet: to run it as a "
            "process here, remove the `pull` (its code is then this repository) or, where its folder is on this host, "
            "declare it"
        )
    return ""


def _fixed(step: Mapping[str, Json]) -> bool:
    """Whether a step ends where only an image has a folder: nothing brings files there, and no variable names it."""
    directory = str(step["inputs"].get("directory") or "")
    return step["step"] != "set_working_directory" or "{{" not in directory
