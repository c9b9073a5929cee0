"""The section `pull`: its forms, its step names, and the checks of the caller. Called by core/parse."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from reconciler.core._document_marks import Path, clip
from reconciler.core._parse_findings import Findings
from reconciler.core._parse_keys import step_word
from reconciler.model.names import name_fault
from reconciler.model.plan import Json

CheckStep = Callable[[str, Mapping[str, Json]], Iterable[tuple[Path, str]]]
"""(short word, inputs) → the faults: path within the inputs (empty: the step itself), message."""


def items(section: Json, path: Path) -> list[tuple[Path, Json]]:
    """The steps of a section in any of its forms, each with its path; a single mapping is a list of one."""
    if isinstance(section, dict):
        return [(path, section)] if section else []
    return [((*path, i), item) for i, item in enumerate(section)] if isinstance(section, list) else []


def ids(section: Json) -> Iterator[str]:
    """The ids that steps of a section give their outputs, and their short words."""
    for _, step in items(section, ()):
        for inputs in step.values() if isinstance(step, dict) else ():
            if isinstance(inputs, dict) and isinstance(inputs.get("id"), str):
                yield inputs["id"]


@dataclass(frozen=True, slots=True)
class Steps:
    """Reads sections of one file."""

    found: Findings
    check: CheckStep

    def read(self, section: Json, path: Path) -> list[dict[str, Json]]:
        """Canonical steps of a section, without the faulty ones, which are told."""
        if not isinstance(section, (list, dict)):
            self.found.problem(path, "must be a list of steps")
            return []
        steps = []
        for index, (where, item) in enumerate(items(section, path)):
            if where == path:
                self.found.moved[*path, index] = path
            step = self.step(item, where)
            if step is not None:
                self.found.moved[*path, index, "inputs"] = (*where, next(iter(item)))
                steps.append(step)
        return steps

    def step(self, item: Json, path: Path) -> dict[str, Json] | None:
        """One canonical step, or None after telling what is wrong."""
        if not isinstance(item, dict) or len(item) != 1:
            self.found.problem(path, "a step is one key, its name, with its inputs below it")
            return None
        (name, inputs), *_ = item.items()
        if inputs is None:
            inputs = {}
        path = (*path, name)
        if not isinstance(inputs, dict):
            self.found.problem(path, "the inputs of a step are a mapping")
            return None
        word, note = step_word(name)
        if note:
            self.found.note(path, note, key=True)
        rest = {key: value for key, value in inputs.items() if key not in ("id", "requires")}
        named = self.named(inputs.get("id"), path)
        required = self.required(inputs.get("requires"), path)
        for unused in {"access_token", "credentials"} & rest.keys() if word == "git_clone" else ():
            self.found.note((*path, unused), "has no effect: the daemon fetches, with the credentials of its own user")
        sound = True
        for where, message in self.check(word, rest):
            if not _templated(rest, where):
                self.found.problem((*path, *where), message, key=not where)
                sound = False
        return {"step": word, "id": named, "requires": required, "inputs": rest} if sound else None

    def named(self, value: Json, path: Path) -> str | None:
        """The id of a step."""
        fault = None if value is None else name_fault(value) if isinstance(value, str) else "must be text"
        if fault:
            self.found.problem((*path, "id"), fault)
        return value if isinstance(value, str) else None

    def required(self, value: Json, path: Path) -> list[str]:
        """What a step asks to be installed: text or a list of texts."""
        wanted = [] if value is None else value if isinstance(value, list) else [value]
        if all(isinstance(item, str) for item in wanted):
            return wanted
        self.found.problem((*path, "requires"), f"must be text or a list of texts, not {clip(type(value).__name__)}")
        return []


def _templated(inputs: Json, path: Path) -> bool:
    """Whether the value at a path is not known before the run."""
    for part in path:
        try:
            inputs = inputs[part]
        except (KeyError, IndexError, TypeError):
            return False
    return isinstance(inputs, str) and "{{" in inputs
