"""One deployment or run among those stored, or the error that says why not. Called by every store."""

from collections.abc import Sequence

from reconciler.model.errors import ConflictError, NotFoundError
from reconciler.model.plan import Json
from reconciler.stores._chain import load


def deployment(name: str, raw: bytes | None) -> dict[str, Json]:
    """The row of a deployment. Raises NotFoundError."""
    if raw is None:
        raise NotFoundError(f"no deployment {name!r}", hint="`reconciler status` lists them")
    return dict(load(raw))


def run(beginning: str, found: Sequence[tuple[str, bytes]]) -> dict[str, Json]:
    """The row of the one run meant among those whose id begins so. Raises NotFoundError, ConflictError."""
    if not found or not beginning:
        of = f" {beginning}" if "/" in beginning else ""
        raise NotFoundError(f"there is no run {beginning!r}", hint=f"`reconciler runs{of}` lists them")
    exact = [raw for each, raw in found if each == beginning]
    if len(found) > 1 and not exact:
        several = ", ".join(each for each, _ in found[:3])
        raise ConflictError(f"{beginning!r} begins the ids of several runs", hint=f"such as {several}: give more of it")
    return dict(load((exact or [found[0][1]])[0]))
