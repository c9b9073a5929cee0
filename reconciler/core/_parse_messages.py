"""What pydantic found, as a path and a sentence of ours. Called by core/parse."""

from collections.abc import Callable, Iterator
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from reconciler.core._document_marks import Path, clip
from reconciler.core._document_scalars import Ambiguous
from reconciler.core._parse_keys import nearest
from reconciler.model import overlay, spec
from reconciler.model.plan import Json

_MODELS: Final[dict[str, type[BaseModel]]] = {
    "schedules": spec.Schedule,
    "concurrency_limit": spec.ConcurrencyLimit,
    "work_pool": spec.WorkPoolChoice,
    "metric": spec.MetricQuery,
    "sla": spec.Sla,
    "queues": spec.WorkQueue,
    "patches": overlay.Patch,
    "target": overlay.Target,
}
_TRIGGERS: Final[dict[str, type[BaseModel]]] = {
    "event": spec.EventTrigger,
    "metric": spec.MetricTrigger,
    "compound": spec.CompoundTrigger,
    "sequence": spec.SequenceTrigger,
}
_FORMS: Final[dict[type[BaseModel], tuple[str, ...]]] = {
    spec.DeploymentSpec: ("schedule",),
    overlay.OverlayDocument: ("deployments", "work_pools"),
}
_TYPES: Final = {
    "string_type": "text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "dict_type": "a mapping",
    "tuple_type": "a list",
    "list_type": "a list",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}
MISSING: Final = "is required"
_BOUNDS: Final = {
    "greater_than": ("must be more than {}", "gt"),
    "greater_than_equal": ("must be {} or more", "ge"),
    "less_than": ("must be less than {}", "lt"),
    "less_than_equal": ("must be {} or less", "le"),
    "too_long": ("must have {} items or less", "max_length"),
    "string_too_long": ("must have {} characters or less", "max_length"),
}


def explain(
    error: ValidationError, model: type[BaseModel], data: Json, suggest: Callable[[], bool]
) -> Iterator[tuple[Path, str, bool]]:
    """Path in the canonical data, message, and whether it is about the key itself; one of each per fault.

    The nearest known key is looked for only while `suggest()`: it is the one costly part.
    """
    told: list[tuple[Path, str, bool]] = []
    meant: set[Path] = set()
    for found in error.errors(include_url=False):
        path = _walk(found["loc"], data, absent=found["type"] == "missing")
        if found["type"] == "extra_forbidden":
            known = _known(path, model, data) if suggest() else []
            hint = nearest(str(path[-1]), known)
            meant |= {(*path[:-1], key) for key in known if f"`{key}`" in hint}
            told.append((path, f"unknown key{hint}", True))
        else:
            told.append((path, _sentence(found), path[-1:] == ("[key]",)))
    # A key that is missing because it was misspelt is one fault.
    yield from (one for one in told if not (one[0] in meant and one[1] == MISSING))


def _walk(loc: tuple[int | str, ...], data: Json, *, absent: bool) -> Path:
    """The location without the names of union members: only what leads somewhere in the data."""
    path: list[int | str] = []
    for position, part in enumerate(loc):
        leads = (isinstance(data, dict) and part in data) or (
            isinstance(data, (list, tuple)) and isinstance(part, int) and part < len(data)
        )
        if leads:
            data = data[part]
            path.append(part)
        elif absent and position == len(loc) - 1:
            path.append(part)
    return tuple(path)


def _known(path: Path, model: type[BaseModel], data: Json) -> list[str]:
    """The keys that are known where an unknown one is."""
    for part in path[:-1]:
        data = data[part]
        if part in ("triggers", "trigger"):
            model = spec.EventTrigger
        elif isinstance(part, str):
            model = _MODELS.get(part, model)
        if model in _TRIGGERS.values() and isinstance(data, dict):
            model = _TRIGGERS.get(str(data.get("type")), model)
    return [*(field.alias or name for name, field in model.model_fields.items()), *_FORMS.get(model, ())]


def _sentence(found: Any) -> str:
    kind, value, context = found["type"], found["input"], found.get("ctx", {})
    if kind == "missing":
        return MISSING
    if kind == "told":
        return str(context["fault"])
    if kind in _TYPES:
        return f"must be {_TYPES[kind]}{_instead(kind, value)}"
    if kind in _BOUNDS:
        text, bound = _BOUNDS[kind]
        return text.format(context[bound])
    if kind in ("literal_error", "union_tag_invalid"):
        expected = context.get("expected") or context["expected_tags"]
        return f"must be one of {expected.replace(' or ', ', ')}{_instead(kind, value)}"
    return "is not valid here"


def _instead(kind: str, value: Json) -> str:
    """What was found; the value itself only where it is short and its reading is the point."""
    if isinstance(value, Ambiguous):
        return f"; `{clip(value, 20)}` is text in YAML 1.2"
    if value is None:
        return ", not empty"
    if isinstance(value, dict):
        return ", not a mapping"
    if isinstance(value, (list, tuple)):
        return ", not a list"
    if kind == "string_type":
        return ": put it in quotes"
    return ", not text" if isinstance(value, str) and kind in _TYPES else ""
