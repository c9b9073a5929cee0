"""What of this repository a version is made from: paths, and the commit. Called by revert, diff and bisect."""

from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.core import version as scopes
from reconciler.core.versions import Version
from reconciler.git import tree, url
from reconciler.git.repository import Repository
from reconciler.model.plan import SourceKind

OURS = (SourceKind.WHOLE, SourceKind.SCOPE)
"""Sources that lie on the tracked branch itself."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The paths that a version is made from, and the commit at which they are what it ran."""

    paths: tuple[str, ...]
    """From the top; `.` is everything."""
    commit: str | None
    elsewhere: str = ""
    """Where its code lies, when not on the tracked branch; then the paths are those of the spec alone."""


def of(version: Version) -> Scope:
    """The scope of a version; `version` is the one that git declared."""
    file, source = str(version.fields["file"]), version.source
    if source.kind in OURS:
        return Scope(scopes.paths(source, file), version.commit)
    place = url.redact(source.repository or "") or (f"branch {source.branch}" if source.branch else "")
    if source.kind is SourceKind.COMMIT:
        place = place or f"commit {version.commit}"
    return Scope((file,), version.revision, place or "an image or other storage")


def differing(repo: Repository, before: str | None, after: str, paths: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Files below `paths` that differ between two trees, None the empty one: (`A`, `M` or `D`, path)."""
    for path, old, new in tree.diff(repo, before, after):
        if scopes.within(path, paths):
            yield "M" if old and new else "A" if new else "D", path
