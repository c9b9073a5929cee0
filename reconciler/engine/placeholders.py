"""What placeholders stand for that only a run knows: `{{ $NAME }}`, and what pull steps put out. Called by the run.

`$NAME` is a variable of the environment the run was started in. A missing one fails the run, naming the place; nothing
is ever taken for an empty text. Text that is no such placeholder stays: parameters may hold anything.
"""

import os
from collections.abc import Mapping
from functools import partial
from typing import Any

from reconciler.core.template import KEEP, MissingValueError, TemplateError, fill, follow, mentioned
from reconciler.engine.order import Order
from reconciler.model.errors import StepError


def known(outputs: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that a pull step's inputs may name."""
    return {**{f"${name}": value for name, value in os.environ.items()}, **outputs}


def filled(todo: Order, outputs: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a run with what it knows put in. Raises StepError naming the parameter, file and line."""
    values = known(outputs)
    found = {}
    for name, value in todo.parameters.items():
        try:
            found[name] = fill(value, partial(_look_up, values))
        except (MissingValueError, TemplateError) as error:
            raise StepError(f"parameter {name}: {why(error, todo)}") from None
    return found


def environment(declared: Mapping[str, str | None]) -> dict[str, str | None]:
    """The declared variables with those of this process, and plain ones beside them, put in.

    One that names a missing variable is taken away.
    """
    plain = {f"${name}": value for name, value in declared.items() if value is not None and "{{" not in value}
    values = known({}) | plain
    found: dict[str, str | None] = {}
    for name, value in declared.items():
        try:
            found[name] = value if value is None else str(fill(value, partial(_look_up, values)))
        except (MissingValueError, TemplateError):
            found[name] = None
    return found


def check(todo: Order) -> None:
    """Raises StepError when `environment` had to take a variable away."""
    for name, value in todo.env.items():
        lacking = [word for word, _ in mentioned(value) if word.startswith("$")] if value and "{{" in value else []
        if lacking and name not in os.environ:
            raise StepError(f"job variable env.{name}: {why(MissingValueError(lacking[0]), todo)}")


def _look_up(values: Mapping[str, Any], name: str) -> Any:
    root = name.partition(".")[0].partition("[")[0]
    return follow(values, name) if root in values or root.startswith("$") else KEEP


def why(error: Exception, todo: Order) -> str:
    """What to tell of a placeholder: where it stands, and what lets a run see more."""
    place = todo.places.get(error.name) if isinstance(error, MissingValueError) else None
    unlisted = isinstance(error, MissingValueError) and error.name.startswith("$")
    hint = ": the run's environment has no such variable (the setting pass_env lets it see more)" if unlisted else ""
    return f"{error}{f' ({place})' if place else ''}{hint}"
