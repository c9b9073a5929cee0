"""What a run's job is made with: the pool's defaults, and over them the deployment's. Called by the loop and orders."""

from collections.abc import Mapping

from reconciler.model.plan import Json


def defaults(pool: Mapping[str, Json]) -> dict[str, Json]:
    """The job variables that a declared work pool gives: its base job template's defaults, and over them its own."""
    template = pool.get("base_job_template") or {}
    properties = (template.get("variables") or {}).get("properties") or {}
    given = {name: known["default"] for name, known in properties.items() if known.get("default") is not None}
    return merge(given, pool.get("job_variables") or {})


def merge(*layers: Mapping[str, Json]) -> dict[str, Json]:
    """Job variables laid over each other, the last on top; `env` variable by variable, where it is one."""
    found = {name: value for layer in layers for name, value in layer.items()}
    environments = [layer["env"] for layer in layers if isinstance(layer.get("env"), Mapping)]
    if isinstance(found.get("env"), Mapping):
        found["env"] = {name: value for env in environments for name, value in env.items()}
    return found
