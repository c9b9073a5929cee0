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
    """Job variables laid over each other, the last on top; `env` variable by variable."""
    found: dict[str, Json] = {}
    for layer in layers:
        env = {**(found.get("env") or {}), **(layer.get("env") or {})}
        found |= layer
        if env:
            found["env"] = env
    return found
