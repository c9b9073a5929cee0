"""A deployment by the name that a person gave, or what they may have meant. Called by the verbs that take one."""

import difflib
from collections.abc import Collection

from reconciler.model.errors import NotFoundError
from reconciler.model.plan import Declared, Desired


def nearest(name: str, known: Collection[str]) -> str | None:
    """The known one that is spelt alike, or has the name as a part; None for one that resembles none."""
    near = difflib.get_close_matches(name, known, 1) or sorted(each for each in known if name in each.split("/"))
    return near[0] if near else None


def declared_in(desired: Desired, name: str, where: str = "") -> Declared:
    """A deployment at a commit, or where else specs were read.

    Raises NotFoundError that says what is wrong there, or names the nearest.
    """
    found = desired.deployments.get(name)
    if found is not None:
        return found
    where = where or f"at {desired.revision[:8]}"
    near = nearest(name, desired.deployments)
    if desired.problems and not near:
        raise NotFoundError(f"there is no sound deployment {name!r} {where}", hint=str(desired.problems[0]))
    base, _, _ = name.rpartition("--")
    if base in desired.deployments:
        told = f"of a preview, name {base!r} and its branch: --at BRANCH"
        raise NotFoundError(f"there is no deployment {name!r} {where}", hint=told)
    hint = f"did you mean {near!r}?" if near else f"there are: {', '.join(sorted(desired.deployments)[:10]) or 'none'}"
    raise NotFoundError(f"there is no deployment {name!r} {where}", hint=hint)
