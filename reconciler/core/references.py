"""References to secrets in data: `{{ secret.NAME }}`. Called by the parser, the daemon's orders and the run.

Standard library only: a run loads this file by its path. A secret's value is known in a run only.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from reconciler.core.template import mentioned

PREFIX: Final = "secret."
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,198}[A-Za-z0-9_])?")


def is_reference(name: str) -> bool:
    """Whether the name in a placeholder is that of a secret."""
    return name.startswith(PREFIX)


def fault(name: str) -> str | None:
    """What is wrong with the name in a placeholder that names a secret."""
    own = name.removeprefix(PREFIX)
    if _NAME.fullmatch(own) and ".." not in own:
        return None
    return "a secret's name has letters, digits, `_`, `-` and `.`, at most 200 of them"


def of_run(pull: Iterable[Mapping[str, Any]], parameters: Any, env: Any) -> dict[str, bool]:
    """As `wanted`, for the places of an order where secrets may be named."""
    return wanted([*(step.get("inputs") for step in pull), parameters, env])


def wanted(values: Iterable[Any]) -> dict[str, bool]:
    """The names of all secrets that JSON values refer to, in order; whether one does so without a fallback."""
    found: dict[str, bool] = {}
    for value in values:
        for name, has_fallback in mentioned(value):
            if is_reference(name):
                own = name.removeprefix(PREFIX)
                found[own] = found.get(own, False) or not has_fallback
    return found
