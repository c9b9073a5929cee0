"""Other repositories that specs name: followed like a tracked remote, resolved when reconciled. Used by wiring.

They are asked at most once an interval, only over https, ssh or a path, and only on hosts the operator allows.
"""

import time
from collections.abc import Callable, Collection
from pathlib import Path

from reconciler import git
from reconciler.daemon.reading import Elsewhere
from reconciler.git import history, submodules, url
from reconciler.git.repository import Repository
from reconciler.model.errors import SourceUnavailableError
from reconciler.model.plan import Json, Source

TIMEOUT = 60.0


class Mirrors:
    """Resolves sources in other repositories, and says where their objects lie."""

    def __init__(self, opened: Callable[[], Repository], folder: Path, hosts: Collection[str], interval: float) -> None:
        self._opened = opened
        self._folder = folder
        self._interval = interval
        with opened() as repo:
            self._base = repo.work_tree or repo.git_dir
            self._hosts = url.own_hosts(repo) | frozenset(hosts)
        self._found: dict[Source, tuple[float, Elsewhere]] = {}
        self._ours: dict[str, bool] = {}

    def ours(self, address: str) -> bool:
        """Whether an address in a spec names this repository."""
        if address not in self._ours:
            with self._opened() as repo:
                self._ours[address] = url.same(address, repo, self._base)
        return self._ours[address]

    def resolve(self, source: Source) -> Elsewhere:
        """The commit of a source now, or as of less than an interval ago. Raises SourceUnavailableError."""
        asked, place = self._found.get(source, (0.0, None))
        if place is not None and time.monotonic() - asked < self._interval:
            return place
        place = self._fetch(source)
        self._found[source] = (time.monotonic(), place)
        return place

    def git_dir(self, source: Source) -> Path:
        """Where the objects of a source's repository lie, as of its last fetch."""
        return git.remote.mirror_path(self._address(source), self._folder)

    def submodules(self, repo: Repository, tree: str, source: Source, *, fetch: bool = True) -> list[Json]:
        """The submodules of a tree as an order lists them, each fetched unless it is here or `fetch` is off.

        Raises StepError for what may not be, SourceUnavailableError or NotFoundError for what is not to be had.
        """
        base = self._address(source) if source.repository else self._own_address(repo)
        local = source.repository is None or url.host(base) is None
        bring = self._bring if fetch else self._here
        rules = submodules.Rules(self._hosts, bring, local, source.directories)
        found = submodules.every(repo, tree, base, rules)
        return [{"path": module.path, "git_dir": str(place), "commit": module.commit} for module, place in found]

    def _own_address(self, repo: Repository) -> str:
        """What relative addresses start from in this repository: its remote, else its own place, as git has it."""
        remotes = repo.remotes()
        address = remotes.get("origin") or next(iter(remotes.values()), str(self._base))
        return address if url.host(address) else str((self._base / url.parse(address).path).resolve())

    def _bring(self, address: str, commit: str) -> Path:
        return git.remote.mirror(address, self._folder, commit=commit, timeout=TIMEOUT)[0]

    def _here(self, address: str, commit: str) -> Path:
        path = git.remote.mirror_path(address, self._folder)
        if path.is_dir():
            with Repository.open(path, trust_owner=True) as repo:
                if repo.has(commit):
                    return path
        raise SourceUnavailableError(f"{url.redact(address)} is not here with this commit")

    def _address(self, source: Source) -> str:
        address = source.repository or ""
        refused = url.allowed(address, self._hosts)
        if refused:
            raise SourceUnavailableError(f"{url.redact(address)}: {refused}")
        return address if url.host(address) else str(self._base / url.parse(address).path)

    def _fetch(self, source: Source) -> Elsewhere:
        path, tip = git.remote.mirror(
            self._address(source), self._folder, branch=source.branch, commit=source.commit, timeout=TIMEOUT
        )
        if source.commit:
            return Elsewhere(str(path), source.commit)
        with Repository.open(path, trust_owner=True) as repo:
            found = history.newest(repo, tip, {"": source.directories or (".",)})[""]
        if not isinstance(found, str):
            raise SourceUnavailableError(f"{url.redact(source.repository or '')} has nothing at {source.directories}")
        return Elsewhere(str(path), found)


def offline(source: Source) -> Elsewhere:
    """For commands that never use the network."""
    raise SourceUnavailableError(
        f"{url.redact(source.repository or '')} is another repository, and this command stays offline"
    )
