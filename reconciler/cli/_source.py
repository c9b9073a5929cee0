"""The commit that a revision given by hand means for a recorded run. Called by `replay` and `local`."""

from collections.abc import Mapping

from reconciler.cli._place import Place, settings_of
from reconciler.core import version
from reconciler.git import url
from reconciler.git.repository import Repository
from reconciler.model.errors import ConflictError
from reconciler.model.plan import Json, SourceKind


def commit_for(place: Place, spec: Mapping[str, Json], revision: str) -> str:
    """The full id of a revision. Raises NotFoundError outside of this repository, ConflictError for other sources."""
    settings = settings_of(place, {})
    with Repository.open(place.repo, trust_owner=settings.allow_owner) as repo:
        base = repo.work_tree or repo.git_dir
        source = version.primary(version.sources(spec.get("pull"), lambda address: url.same(address, repo, base)))
        if source.kind is SourceKind.FOREIGN:
            raise ConflictError(
                f"its code comes from another repository ({url.redact(source.repository or '')}), at a commit of that",
                hint="leave --at out",
            )
        return repo.resolve(revision)
