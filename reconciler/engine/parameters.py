"""Binds a run's parameters to the flow's signature. Called by the run, before the flow is called."""

import inspect
import typing
from collections.abc import Mapping
from inspect import CO_VARARGS, CO_VARKEYWORDS
from types import CodeType, FunctionType
from typing import Any, NamedTuple

from reconciler.engine.convert import Misfit, convert
from reconciler.engine.prefects import is_flow


class ParameterError(Exception):
    """The parameters do not fit the flow; the message names the parameter."""


class Arguments(NamedTuple):
    """How to call the flow."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]


def bind(flow: Any, given: Mapping[str, Any]) -> Arguments:
    """JSON values, each as what its annotation says, or as they are where the flow has `validate_parameters=False`.

    A flow of Prefect's converts and checks them itself. Raises ParameterError naming the first that does not fit.
    """
    if is_flow(flow):
        return Arguments((), dict(given))
    function = inspect.unwrap(flow)
    if not given and isinstance(function, FunctionType) and _takes_nothing(function.__code__):
        return Arguments((), {})
    takes = inspect.signature(function).parameters
    hints = _hints(function) if getattr(flow, "validate_parameters", True) is not False else {}
    _check_names(takes, given)
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for name, value in given.items():
        parameter = takes.get(name)
        annotation = hints.get(name, Any) if parameter and parameter.kind not in _STARS else Any
        try:
            kwargs[name] = convert(value, annotation)
        except Misfit as error:
            raise ParameterError(f"parameter {name!r}{error.where}: {error}") from None
    for name, parameter in takes.items():
        if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
            args.append(kwargs.pop(name, parameter.default))
    return Arguments(tuple(args), kwargs)


def _takes_nothing(code: CodeType) -> bool:
    """Whether a function can only be called without arguments: then nothing needs to be read of its signature."""
    return not (code.co_argcount or code.co_kwonlyargcount or code.co_flags & (CO_VARARGS | CO_VARKEYWORDS))


_STARS = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _check_names(takes: Mapping[str, inspect.Parameter], given: Mapping[str, Any]) -> None:
    plain = {name: p for name, p in takes.items() if p.kind not in _STARS}
    listed = ", ".join(plain) or "none"
    if not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in takes.values()):
        for name in given:
            if name not in plain:
                raise ParameterError(f"parameter {name!r} is not one of the flow's, which are: {listed}")
    for name, parameter in plain.items():
        if name not in given and parameter.default is inspect.Parameter.empty:
            raise ParameterError(f"parameter {name!r} is missing and has no default")


def _hints(function: Any) -> dict[str, Any]:
    """The annotations as objects; those that only a type checker can resolve are left out."""
    try:
        return typing.get_type_hints(function, include_extras=True)
    except Exception:  # noqa: BLE001 - an annotation is an arbitrary expression
        return {k: v for k, v in getattr(function, "__annotations__", {}).items() if not isinstance(v, str)}
