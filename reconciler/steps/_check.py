"""The daemon's half of the steps: checks the inputs a spec gives, makes their JSON Schema. Called as `steps.check`."""

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import cache
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from reconciler import plugins, steps
from reconciler.core import references
from reconciler.model.errors import UnknownWordError
from reconciler.steps import Step, is_own, short

_STRICT = ConfigDict(strict=True, extra="forbid", use_attribute_docstrings=True)
_COMMON = {"id", "requires"}
"""What every step of a spec may hold beside its inputs."""


def check(word: str, inputs: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """What is wrong with a step of a spec, as (path inside its inputs, message); an empty path is the step itself.

    Checked as JSON, which specs hold: strictly, but a mapping is enough for a dataclass. A text with `{{ ... }}` stands
    for any value. Unknown steps and inputs name the nearest known one.
    """
    if is_own(word):
        return  # a function in a repository: its reader knows what it takes
    try:
        kind = plugins.load(steps, Step, short(word))  # type: ignore[type-abstract]  # a subclass is what comes back
    except UnknownWordError as error:
        yield (), str(error).replace("\n  ", "; ")
        return
    given = {name: value for name, value in inputs.items() if name not in _COMMON}
    yield from _spelt_out(kind, given)
    yield from _misplaced(kind, given)
    try:
        made = _adapter(kind).validate_json(json.dumps(given, default=str))
    except ValidationError as error:
        yield from _readable(kind, error)
        return
    yield from (((name,), message) for name, message in made.problems())


def schema(word: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a step's inputs. Raises UnknownWordError."""
    kind = plugins.load(steps, Step, short(word))  # type: ignore[type-abstract]  # a subclass is what comes back
    return _adapter(kind).json_schema()


@cache
def _adapter(kind: type[Step]) -> TypeAdapter[Step]:
    kind.__pydantic_config__ = _STRICT  # type: ignore[attr-defined]  # how a standard dataclass is told to be strict
    return TypeAdapter(kind)


def _spelt_out(kind: type[Step], given: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    for name in sorted(kind.TAKES_TEMPLATES_ONLY & given.keys()):
        if given[name] is not None and not _is_template(given[name]):
            yield (name,), "a secret must not be written in a spec: refer to it, as in '{{ secret.NAME }}'"


def _misplaced(kind: type[Step], given: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Secrets in inputs that would show them; told of the step itself, as its inputs are not known before the run."""
    allowed = ", ".join(f"`{name}`" for name in sorted(kind.TAKES_SECRETS))
    for name in sorted(given.keys() - kind.TAKES_SECRETS):
        if references.wanted([given[name]]):
            hint = f"; {allowed} may" if allowed else ""
            yield (), f"`{name}` may not name a secret: it shows to others, or is needed before the run{hint}"


def _readable(kind: type[Step], error: ValidationError) -> Iterator[tuple[tuple[str | int, ...], str]]:
    known = [f.name for f in fields(kind)]  # type: ignore[arg-type]  # every step is a dataclass
    for problem in error.errors(include_url=False, include_context=False):
        if problem["type"] == "unexpected_keyword_argument":
            name = str(problem["loc"][0])
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; it takes {', '.join(known)}"
            yield (name,), f"unknown input{hint}"
        elif problem["type"] in {"missing", "missing_argument"}:
            yield (), f"the input {problem['loc'][0]!r} is missing"
        elif not _is_template(problem["input"]):
            message = problem["msg"].replace("Input should be", "expected").replace("dictionary", "mapping")
            yield problem["loc"], message


def _is_template(value: Any) -> bool:
    return isinstance(value, str) and "{{" in value
