"""Spec against spec: the fields that differ, by dotted path. Called by core/plan and by whoever shows history."""

from collections.abc import Iterator, Mapping

from reconciler.model.ids import canonical
from reconciler.model.plan import FieldDiff, Json

_WHOLE = {"pull", "tags", "parameter_openapi_schema"}
"""Fields whose parts mean nothing alone: shown whole."""


def diff(before: Mapping[str, Json], after: Mapping[str, Json]) -> tuple[FieldDiff, ...]:
    """The fields that differ, sorted by path; a field absent on one side has None there."""
    return tuple(sorted(_walk("", before, after), key=lambda d: d.field))


def _walk(prefix: str, before: Mapping[str, Json], after: Mapping[str, Json]) -> Iterator[FieldDiff]:
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        if canonical(old) == canonical(new):  # as digests do: 1 and true are not the same
            continue
        path = f"{prefix}{key}"
        if isinstance(old, Mapping) and isinstance(new, Mapping) and key not in _WHOLE:
            yield from _walk(f"{path}.", old, new)
        elif key == "schedules" and isinstance(old, list) and isinstance(new, list):
            yield from _by_id(path, old, new)
        else:
            yield FieldDiff(path, old, new)


def _by_id(path: str, before: list[dict[str, Json]], after: list[dict[str, Json]]) -> Iterator[FieldDiff]:
    """Schedules are compared by identity, so that a moved line is no change and a new one is one."""
    old, new = ({s["id"]: s for s in side} for side in (before, after))
    for key in [*old, *(k for k in new if k not in old)]:
        if canonical(old.get(key)) != canonical(new.get(key)):
            yield FieldDiff(f"{path}[{key}]", old.get(key), new.get(key))
