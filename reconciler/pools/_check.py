"""Checks the job variables that a spec gives for a work pool. Called as `pools.check` and `pools.variables`."""

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import cache
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from reconciler.pools import Pool, Variables

_STRICT = ConfigDict(strict=True, extra="forbid")


def variables(pool: type[Pool]) -> list[str]:
    """The names of the job variables that a pool takes."""
    return [field.name for field in fields(pool.Variables)]  # type: ignore[arg-type]  # every one is a dataclass


def check(pool: type[Pool], job_variables: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """What is wrong with the job variables of a spec, as (path inside them, message)."""
    known = variables(pool)
    try:
        made = _adapter(pool).validate_json(json.dumps(job_variables, default=str))
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_context=False):
            if problem["type"] != "unexpected_keyword_argument":
                if not (isinstance(problem["input"], str) and "{{" in problem["input"]):
                    yield problem["loc"], _said(problem["msg"])
                continue
            near = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; this pool takes {', '.join(known)}"
            yield problem["loc"], f"unknown job variable{hint}"
    else:
        yield from made.problems()


@cache
def _adapter(pool: type[Pool]) -> TypeAdapter[Variables]:
    pool.Variables.__pydantic_config__ = _STRICT  # type: ignore[attr-defined]  # how a dataclass is told to be strict
    return TypeAdapter(pool.Variables)


def _said(message: str) -> str:
    """What the model says, in the words of a spec."""
    words = {
        "a valid string": "text: write it in quotes",
        "a valid dictionary": "names and values: {NAME: VALUE}",
        "an object": "names and values: {NAME: VALUE}",
    }
    for theirs, ours in words.items():
        message = message.replace(theirs, ours)
    return message.replace("Input should be", "expected")
