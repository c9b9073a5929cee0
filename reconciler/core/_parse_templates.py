"""Placeholders of a spec file: `variables` are put in, the rest waits for the run. Called by core/parse."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from reconciler.core import references
from reconciler.core._document_marks import Path, clip
from reconciler.core._parse_findings import Findings
from reconciler.core._parse_prefect import BLOCK, secret
from reconciler.core.template import KEEP, MissingValueError, TemplateError, follow, names, render
from reconciler.model.plan import Json

TYPED, DATA, JOB, PULL, EVENT, SKIP = "typed", "data", "job", "pull", "event", "skip"
"""Areas: fields with a type; parameters; job_variables; step inputs; triggers; never rendered."""

_AREAS: Final[dict[str, dict[str, str]]] = {
    TYPED: {
        "parameters": DATA,
        "job_variables": JOB,
        "pull": SKIP,
        "build": SKIP,
        "push": SKIP,
        "definitions": SKIP,
        "parameter_openapi_schema": SKIP,
        "triggers": EVENT,
    },
    EVENT: {"parameters": SKIP, "job_variables": JOB},
}
OUTPUTS: Final = frozenset({"directory", "stdout", "stderr"})
"""What pull steps put out, which later steps may name without their id."""
_HEAD: Final = frozenset({"name", "description", "prefect-version"})
"""Keys of the file that only people read: what cannot be put in there refuses nothing."""
_PREFIXES: Final = ("prefect.variables.", "variables.")
_MOST: Final = 1 << 20
"""Characters that the variables of one file may expand to."""


@dataclass(slots=True)
class Budget:
    """How much more one file may expand to."""

    left: int = _MOST


@dataclass(frozen=True, slots=True)
class Templates:
    """Renders the parts of one file."""

    found: Findings
    variables: Mapping[str, Json]
    pull: set[str]
    """Ids of the pull steps whose outputs may be named."""
    flat: set[str]
    """Outputs that may be named without the id of their step."""
    ci: set[str]
    """Ids of build and push steps, whose outputs only continuous integration knows."""
    builds: bool
    """Whether there are build or push steps."""
    budget: Budget
    used: set[str]
    """The variables that were named, as they were asked for; shared by the parts of a deployment."""

    def resolve(self, value: Json, path: Path, area: str = TYPED) -> Json:
        """The value with what is known now put in; problems are told at their paths."""
        if area == SKIP:
            return value
        if isinstance(value, str):
            return self.text(value, path, area) if "{{" in value or "{%" in value else value
        if isinstance(value, dict):
            inner = _AREAS.get(area, {})
            return {k: self.resolve(v, (*path, k), inner.get(k, area)) for k, v in value.items()}
        if isinstance(value, list):
            return [self.resolve(item, (*path, i), area) for i, item in enumerate(value)]
        return value

    def text(self, value: str, path: Path, area: str) -> Json:
        """One text, rendered as far as its area allows."""
        try:
            if path[2:] == ("version",) and (why := self.made_by_ci(names(value))):
                self.found.note(path, f"{why}: the source commit is the version")
                return None
            return render(value, lambda name: self.look_up(name, path, area))
        except (TemplateError, MissingValueError) as error:
            return self.refused(value, path, error)

    def refused(self, value: str, path: Path, error: TemplateError | MissingValueError) -> Json:
        """What stands in the place of a text that cannot be rendered, which is told."""
        if len(path) == 1 and path[0] in _HEAD:
            self.found.note(path, f"has no effect: {error}")
            return None
        if isinstance(error, TemplateError):
            self.found.problem(path, str(error))
        else:
            name = clip(error.name)
            missing = f"nothing gives a value for {{{{ {name} }}}}: add it to `variables`, or a `| default(...)`"
            ci = f"{{{{ {name} }}}} comes from a build step, which CI runs: it is not known here"
            self.found.problem(path, ci if _root(name) in self.ci else missing)
        return value

    def made_by_ci(self, named: set[str]) -> str:
        """Why only continuous integration knows one of these names, or nothing."""
        if any(_root(name) in self.ci for name in named):
            return "comes from a build step, which CI runs"
        return "comes from the environment of CI" if any(name.startswith("$") for name in named) else ""

    def look_up(self, name: str, path: Path, area: str) -> Json:
        """The value of a name, or KEEP where only the run knows it. Raises MissingValueError and TemplateError."""
        later = area in (DATA, JOB, PULL)
        for prefix in _PREFIXES:
            if name.startswith(prefix):
                return self.spend(self.variable(name.removeprefix(prefix), name))
        root = _root(name)
        if name.startswith(BLOCK):
            return self.block(name, path, area)
        if references.is_reference(name):
            return _secret(name, path, area)
        if later and (root.startswith("$") or root in self.pull):
            return KEEP
        try:
            return self.spend(self.known(name))
        except MissingValueError:
            return self.outside(name, path, area)

    def block(self, name: str, path: Path, area: str) -> Json:
        """What a block of Prefect's server means here: a secret, by reference. Raises TemplateError."""
        named = secret(name)
        if named is None or area not in (DATA, JOB, PULL):
            instead = "of `variables`, or {{ secret.NAME }} in parameters, job_variables and pull"
            raise TemplateError(f"Prefect's blocks do not exist here: {{{{ {clip(name)} }}}} is a name {instead}")
        _secret(f"{references.PREFIX}{named}", path, area)
        reference = f"{{{{ {references.PREFIX}{named} }}}}"
        self.found.note(path, f"read as {clip(reference)}: give the daemon a secret of that name")
        return reference

    def variable(self, path: str, name: str) -> Json:
        """The variable at a path; a missing one is told by the name as written."""
        try:
            return self.known(path)
        except MissingValueError:
            raise MissingValueError(name) from None

    def known(self, path: str) -> Json:
        """The variable at a path, noted as used. Raises MissingValueError."""
        value = follow(self.variables, path)
        self.used.add(path if path in self.variables else _root(path))
        return value

    def outside(self, name: str, path: Path, area: str) -> Json:
        """A name that no variable answers: a step's output, or missing."""
        root = _root(name)
        if area in (DATA, JOB, PULL) and root in self.flat:
            return KEEP
        if area == JOB and self.builds:
            self.found.note(path, "comes from a build step, which CI runs: kept as it is")
            return KEEP
        if root.startswith("$"):
            raise TemplateError(
                "the environment is known in a run only, in parameters, job_variables and pull: "
                "write the value here, or a name of `variables`"
            )
        raise MissingValueError(name)

    def spend(self, value: Json) -> Json:
        """The value, once it is counted."""
        if self.budget.left >= 0:  # what is spent is not counted on: that alone would take hours
            self.budget.left -= len(value) if isinstance(value, str) else len(json.dumps(value))
        if self.budget.left < 0:
            raise TemplateError(f"the variables of this file expand to over {_MOST:,} characters")
        return value


def _secret(name: str, path: Path, area: str) -> Json:
    """A secret is known in a run only. Raises TemplateError where a run does not put it in."""
    if fault := references.fault(name):
        raise TemplateError(f"{{{{ {clip(name)} }}}}: {fault}")
    if area not in (DATA, JOB, PULL):
        raise TemplateError("a secret is known in a run only: not here, but in pull, parameters and job variables")
    if area == JOB and path[path.index("job_variables") + 1 :][:1] != ("env",):
        raise TemplateError("of the job variables, only those of `env` may name a secret")
    return KEEP


def _root(name: str) -> str:
    return name.partition(".")[0].partition("[")[0]
