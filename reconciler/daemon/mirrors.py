"""Other repositories that specs name: followed like a tracked remote, resolved when reconciled. Used by wiring.

They are asked at most once an interval, only over https, ssh or a path, and only on hosts the operator allows.
"""

import time
from pathlib import Path

from reconciler.daemon.observe import Elsewhere
from reconciler.git import history, provenance
from reconciler.git import remote as remotes
from reconciler.git.repository import Repository
from reconciler.model.errors import SourceUnavailableError
from reconciler.model.plan import Source

TIMEOUT = 60.0


class Mirrors:
    """Resolves sources in other repositories, and says where their objects lie."""

    def __init__(self, folder: Path, base: Path, hosts: frozenset[str], interval: float) -> None:
        self._folder = folder
        self._base = base
        self._hosts = hosts
        self._interval = interval
        self._found: dict[Source, tuple[float, Elsewhere]] = {}

    @property
    def followed(self) -> bool:
        """Whether any repository has to be asked again from time to time."""
        return bool(self._found)

    def resolve(self, source: Source) -> Elsewhere:
        """The commit of a source now, or as of less than an interval ago. Raises SourceUnavailableError."""
        asked, place = self._found.get(source, (0.0, None))
        if place is not None and time.monotonic() - asked < self._interval:
            return place
        place = self._fetch(source)
        self._found[source] = (time.monotonic(), place)
        return place

    def git_dir(self, source: Source) -> Path:
        """Where the objects of a source's repository lie."""
        return remotes.mirror_path(self._url(source), self._folder)

    def _url(self, source: Source) -> str:
        url = source.repository or ""
        refused = provenance.allowed(url, self._hosts)
        if refused:
            raise SourceUnavailableError(f"{provenance.redact(url)}: {refused}")
        return url if "://" in url or provenance.host(url) else str((self._base / url).resolve())

    def _fetch(self, source: Source) -> Elsewhere:
        path, tip = remotes.mirror(
            self._url(source), self._folder, source.branch, source.commit, timeout=TIMEOUT
        )
        if source.commit:
            return Elsewhere(str(path), source.commit)
        with Repository.open(path, trust_owner=True) as repo:
            found = history.newest(repo, tip, {"": source.directories or (".",)})[""]
        if not isinstance(found, str):
            raise SourceUnavailableError(f"nothing under {', '.join(source.directories)} in {source.repository}")
        return Elsewhere(str(path), found)


def offline(source: Source) -> Elsewhere:
    """For commands that never use the network."""
    raise SourceUnavailableError(f"{source.repository} is another repository, and this command stays offline")
