"""Refs that keep the commits of live runs from git's garbage collection. Called by the daemon.

One ref per commit under refs/reconciler/pins/, of which nothing is ever moved.
"""

from reconciler.git.repository import Repository

_PREFIX = "refs/reconciler/pins/"


def pin(repo: Repository, commit: str) -> None:
    """Keep a commit; doing it again changes nothing.

    Raises SourceUnavailableError when the commit is missing or the ref cannot be written.
    """
    repo.links(commit)
    if repo.refs.read(_PREFIX + commit) == commit:
        return
    repo.refs.write(_PREFIX + commit, commit)


def unpin(repo: Repository, commit: str) -> None:
    """Let a commit go, loose or packed; nothing happens when it is not pinned. Raises SourceUnavailableError."""
    if repo.refs.read(_PREFIX + commit) is None:
        return
    repo.refs.remove(_PREFIX + commit)


def pinned(repo: Repository) -> set[str]:
    """The commits that are pinned."""
    return {name.removeprefix(_PREFIX) for name in repo.refs.under(_PREFIX)}
