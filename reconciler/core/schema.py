"""The JSON Schema of a spec file, which editors complete from. Called by the verb `schema`.

Made from the models in model/spec; added here are the other forms YAML may take, which core/parse makes canonical.
"""

from collections.abc import Mapping
from typing import Any, Final

from reconciler.core._parse_keys import OLD
from reconciler.model.overlay import OverlayDocument
from reconciler.model.plan import Json
from reconciler.model.spec import SpecDocument

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_TEMPLATE: Final = {"type": "string", "pattern": r"\{\{.*\}\}"}


def json_schema(steps: Mapping[str, dict[str, Json]]) -> dict[str, Json]:
    """JSON Schema 2020-12 of `specs/*.yaml` and `prefect.yaml`; `steps` are the schemas of their inputs by word."""
    schema = SpecDocument.model_json_schema(by_alias=True)
    parts: dict[str, Any] = schema["$defs"]
    parts["Step"] = _step(steps)
    parts["OldSchedule"] = {
        "anyOf": [{"$ref": "#/$defs/Schedule"}, {"type": "null"}],
        "deprecated": True,
        "description": "A single schedule; write `schedules`.",
    }
    _widen(schema, "file", sections=("pull",), lists=("automations",))
    schema["properties"]["work_pools"] = _pools(schema["properties"]["work_pools"])
    _widen(parts["DeploymentSpec"], "deployment", sections=("pull",), lists=("schedules", "triggers", "sla"))
    _deployment(parts["DeploymentSpec"])
    _schedule(parts["Schedule"])
    for name, part in parts.items():
        if name.endswith("Trigger"):
            _trigger(part)
        _nullable(part)
    _nullable(schema)
    return {"$schema": _DIALECT, "title": "A reconciler spec file", **schema}


def overlay_schema(steps: Mapping[str, dict[str, Json]]) -> dict[str, Json]:
    """JSON Schema 2020-12 of the overlay of an environment, `env/*.yaml`; `steps` as for `json_schema`."""
    spec, schema = json_schema(steps), OverlayDocument.model_json_schema()
    parts: dict[str, Any] = {**spec["$defs"], **schema["$defs"]}
    fields = {**parts["WorkPool"]["properties"], **parts["DeploymentSpec"]["properties"]}
    # Null removes, whatever it is.
    patch = {key: _or(value, {"type": "null"}) for key, value in fields.items()}
    parts["Patch"]["properties"]["patch"] = {"type": "object", "properties": patch, "additionalProperties": False}
    tags = parts["Target"]["properties"]["tags"]
    parts["Target"]["properties"]["tags"] = _or(tags, {"type": "string"})
    for part in (parts["Target"], parts["Patch"], schema):
        _nullable(part)
    extra = {key: spec["properties"][key] for key in ("deployments", "work_pools")}
    properties = {**schema["properties"], **extra}
    properties["patches"] = _or(properties["patches"], {"$ref": "#/$defs/Patch"})
    title = "The overlay of an environment"
    return {"$schema": _DIALECT, **schema, "title": title, "$defs": parts, "properties": properties}


def _widen(part: Json, where: str, *, sections: tuple[str, ...] = (), lists: tuple[str, ...] = ()) -> None:
    """Add the old keys, and a single mapping where a list is canonical."""
    properties = part["properties"]
    for key, note in OLD.get(where, {}).items():
        properties[key] = {"deprecated": True, "description": f"`{key}` {note}."}
    for key in lists:
        properties[key] = _or(properties[key], properties[key]["items"], {"type": "object", "maxProperties": 0})
    for key in sections:
        properties[key] = _or(properties[key], {"$ref": "#/$defs/Step"}, {"type": "object", "maxProperties": 0})


def _deployment(part: Json) -> None:
    properties = part["properties"]
    properties["schedule"] = {"$ref": "#/$defs/OldSchedule"}
    properties["concurrency_limit"] = _or(properties["concurrency_limit"], {"type": "integer", "minimum": 1}, _TEMPLATE)
    properties["tags"] = _or(properties["tags"], {"type": "string"})
    properties["paused"] = _or(properties["paused"], _TEMPLATE)


def _schedule(part: Json) -> None:
    _widen(part, "schedule")
    properties = part["properties"]
    properties["catchup"] = _or(properties["catchup"], {"type": "boolean", "deprecated": True})
    properties["active"] = _or(properties["active"], _TEMPLATE)


def _trigger(part: Json) -> None:
    """The type of a trigger may be left to be inferred; lists may be one text, lists of labels one mapping."""
    part["required"] = [key for key in part.get("required", []) if key != "type"]
    for key in ("expect", "after", "for_each"):
        if key in part["properties"]:
            part["properties"][key] = _or(part["properties"][key], {"type": "string"})
    if "match_related" in part["properties"]:
        related = part["properties"]["match_related"]
        part["properties"]["match_related"] = _or(related, related["items"])


def _nullable(part: Json) -> None:
    """Null means not given, wherever a key may be absent."""
    for key, value in part.get("properties", {}).items():
        if (
            key not in part.get("required", ())
            and not value.get("deprecated")
            and {"type": "null"} not in value.get("anyOf", ())
        ):
            part["properties"][key] = _or(value, {"type": "null"})


def _inputs(part: dict[str, Json], common: dict[str, Json]) -> dict[str, Json]:
    """A step's inputs, each of which a template may stand for."""
    own = {name: _or(value, _TEMPLATE) for name, value in part["properties"].items()}
    return {**part, "type": ["object", "null"], "properties": {**own, **common}}


def _or(value: Json, *others: Json) -> Json:
    """The value's schema or one of the others; what describes it stays outside."""
    outer = {key: value[key] for key in ("title", "description", "default") if key in value}
    inner = {key: item for key, item in value.items() if key not in outer}
    return {**outer, "anyOf": [*inner.get("anyOf", [inner]), *others]}


def _pools(value: Json) -> Json:
    named = {"properties": {"name": {"type": "string"}}, "required": ["name"], "type": "object"}
    return _or(value, {"type": "array", "items": named})


def _step(steps: Mapping[str, dict[str, Json]]) -> dict[str, Json]:
    """One key, the step's name, with its inputs below it; an unknown word is a step of the user's own."""
    common = {
        "id": {"type": "string", "description": "Names its outputs: `{{ id.field }}`."},
        "requires": {"type": ["string", "array"], "description": "What to install first."},
    }
    return {
        "type": "object",
        "description": "A pull step: its name, with its inputs below it.",
        "properties": {word: _inputs(part, common) for word, part in steps.items()},
        "additionalProperties": {"type": ["object", "null"], "properties": common},
        "minProperties": 1,
        "maxProperties": 1,
    }
