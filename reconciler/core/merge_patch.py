"""JSON merge patches, RFC 7396, and where each value of the result came from. Called by core/overlay."""

from collections.abc import Iterator

from reconciler.core._document_marks import Path
from reconciler.model.plan import Json


def merge(target: Json, patch: Json) -> Json:
    """The target with mappings merged key by key, nulls removed, and everything else replaced. Changes neither."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


def given(target: Json, patch: Json, path: Path = ()) -> Iterator[Path]:
    """The paths whose value, or absence, in the result the patch decides."""
    if not isinstance(patch, dict):
        yield path
        return
    if not isinstance(target, dict):
        yield path
        target = {}
    for key, value in patch.items():
        yield from given(target.get(key), value, (*path, key))


def size(patch: Json) -> int:
    """How many values a patch holds."""
    if isinstance(patch, dict):
        return 1 + sum(map(size, patch.values()))
    return 1 + sum(map(size, patch)) if isinstance(patch, list) else 1
