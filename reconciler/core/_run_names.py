"""A literal `flow_run_name` against the parameters it may name: no run is to fail over it. Called by core/declare."""

import re
from collections.abc import Mapping
from string import Formatter

from reconciler.model.plan import Json

_END = re.compile(r"[.\[]")
_SHOWN = 60


def fault(template: str | None, schema: Mapping[str, Json] | None) -> str | None:
    """Why every run would fail to be named, or None; None too where template or parameters are not known."""
    if template is None or schema is None:
        return None
    said = f"flow_run_name={template[:_SHOWN]!r} of the flow"
    try:
        fields = [name for _, name, _, _ in Formatter().parse(template) if name is not None]
    except ValueError as error:
        return f"{said} is no format: {error}"
    known = list(schema.get("properties") or {})
    for field in fields:
        name = _END.split(field, maxsplit=1)[0]
        if name in known or schema.get("additionalProperties", True) is not False:
            continue
        return f"{said}: there is no parameter {name[:_SHOWN]!r}; there are: {', '.join(known)[:200] or 'none'}"
    return None
