"""A pull step of the user's own, read from the syntax tree and never imported. Called by daemon/view, core/declare."""

import ast
import difflib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from reconciler.core._modules import Code, External, Found, Lost
from reconciler.core._names import Module
from reconciler.core._reading import EntrypointProblem, Newer

_SHOWN = 100


@dataclass(frozen=True, slots=True)
class StepFacts:
    """What the code says of a step: what it takes, or why that is not known, or why it cannot be right."""

    problem: str = ""
    note: str = ""
    takes: frozenset[str] | None = None
    """The names of its inputs; None when any are accepted or not all are known."""
    needs: frozenset[str] = frozenset()
    """Inputs without a default."""
    line: int = 0


def read_step(word: str, read: Callable[[str], bytes | None], bases: tuple[str, ...]) -> StepFacts:
    """The facts of `package.module.function`, looked for below the folders `bases`. Never raises.

    A module whose package is not in the repository is taken as installed, as that of an entrypoint is.
    """
    *parts, name = word.split(".")
    code = Code(read, bases)
    try:
        module = _module(code, bases, tuple(parts))
        if module is None:
            return _absent(code, bases, tuple(parts))
        if isinstance(module, Newer):
            return StepFacts(note=module.note)
        if isinstance(module, EntrypointProblem):
            return StepFacts(problem=str(module))
        return _facts(code, module, name)
    except RecursionError:
        return StepFacts(problem=f"the code behind {word[:_SHOWN]} is nested too deeply to be read")


def faults(facts: StepFacts, given: Collection[str]) -> Iterator[tuple[str, str]]:
    """What is wrong with the inputs of a step: (input, message); an empty input is the step itself."""
    for name in given if facts.takes is not None else ():
        if name not in (facts.takes or ()):
            near = difflib.get_close_matches(name, sorted(facts.takes or ()), n=1)
            listed = ", ".join(sorted(facts.takes or ())) or "none"
            yield name, f"unknown input{f'; did you mean {near[0]!r}?' if near else f'; it takes {listed}'}"
    for name in sorted(facts.needs.difference(given)):
        yield "", f"the input {name!r} is missing"


def _module(code: Code, bases: tuple[str, ...], parts: tuple[str, ...]) -> Module | EntrypointProblem | Newer | None:
    found = (code.package(base, parts) for base in bases)
    return next((module for module in found if module is not None), None)


def _absent(code: Code, bases: tuple[str, ...], parts: tuple[str, ...]) -> StepFacts:
    name = ".".join(parts)[:_SHOWN]
    if len(parts) > 1 and _module(code, bases, parts[:1]) is not None:
        return StepFacts(problem=f"there is no module {name!r} here: {parts[0]!r} is here, without it")
    return StepFacts(note=f"the module {name!r} is not in this repository, and taken as installed where the run runs")


def _facts(code: Code, module: Module, name: str) -> StepFacts:
    target = code.resolve(module, (name,))
    if isinstance(target, External):
        return StepFacts(note=f"{name!r} comes from {target.name}, outside this repository: its inputs are not checked")
    if isinstance(target, Lost):
        if target.fault is not None:
            return StepFacts(problem=str(target.fault))
        if target.missing is not module or "__getattr__" in module.names or module.stars:
            return StepFacts(note=f"{target.why}: its inputs are not checked")
        near = difflib.get_close_matches(name, list(module.names)[:1000], n=1)
        return StepFacts(problem=f"{target.why}: no such function{f'; did you mean {near[0]!r}?' if near else ''}")
    return _signature(target, name)


def _signature(target: Found, name: str) -> StepFacts:
    function = target.binding
    if isinstance(function, ast.Constant | ast.List | ast.Dict | ast.Set | ast.Tuple):
        return StepFacts(problem=f"{name!r} in {target.module.path} is a value, not a function")
    if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) or function.decorator_list:
        return StepFacts(
            note=f"how {name!r} is made in {target.module.path} is not followed: its inputs are not checked"
        )
    every = function.args
    if every.posonlyargs:
        return StepFacts(problem=f"{name!r} in {target.module.path} takes inputs by position: a step is given names")
    plain = every.args[: len(every.args) - len(every.defaults)]
    keyword = [a.arg for a, default in zip(every.kwonlyargs, every.kw_defaults, strict=True) if default is None]
    return StepFacts(
        takes=None if every.kwarg else frozenset(a.arg for a in (*every.args, *every.kwonlyargs)),
        needs=frozenset([*(a.arg for a in plain), *keyword]),
        line=function.lineno,
    )
