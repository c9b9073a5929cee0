"""What a run is called: `flow_run_name` and `task_run_name` filled in. Called before the body of a flow or task."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from reconciler.engine import hidden
from reconciler.model.names import MAX_NAME


class RunNameError(ValueError):
    """A run's name cannot be made; the message names the setting and what is wrong with it."""


def parameters_of(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Every parameter by name, defaults included. Raises TypeError as the call would."""
    try:
        bound = inspect.signature(function).bind(*args, **kwargs)
    except ValueError:  # a function of C that does not say what it takes
        return dict(kwargs)
    except TypeError as error:
        raise TypeError(f"{getattr(function, '__name__', 'the function')}() {error}") from None
    bound.apply_defaults()
    return dict(bound.arguments)


def takes(function: Callable[..., Any], name: str) -> bool:
    """Whether a parameter of the function has this name."""
    try:
        return name in inspect.signature(function).parameters
    except ValueError:
        return False


def filled(setting: str, template: Any, parameters: Mapping[str, Any]) -> str:
    """`"load-{day}"` over the parameters, or a function's answer. Raises RunNameError."""
    try:
        name = _called(template, parameters) if callable(template) else str(template).format(**parameters)
    except KeyError as error:
        known = ", ".join(parameters) or "none"
        raise RunNameError(f"{setting}={template!r}: there is no parameter {error}; there are: {known}") from None
    except Exception as error:  # noqa: BLE001 - a template reaches into values of any type, a function does anything
        shown = repr(template) if isinstance(template, str) else getattr(template, "__name__", "a function")
        raise RunNameError(f"{setting}={shown} cannot be made: {type(error).__name__}: {error}") from None
    if not isinstance(name, str) or not name.strip():
        raise RunNameError(f"{setting} gives {name!r}, not a name")
    return "".join(c if c.isprintable() else " " for c in hidden.text(name))[:MAX_NAME]


def _called(template: Callable[..., Any], parameters: Mapping[str, Any]) -> Any:
    return template(parameters=dict(parameters)) if takes(template, "parameters") else template()
