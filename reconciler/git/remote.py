"""Fetches: a branch of a configured remote, and mirrors of other repositories. Called by the daemon and git_clone.

A work tree is never touched. Nothing that was fetched is trusted: the daemon reads it like any other repository.
"""

import hashlib
import secrets
import shutil
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import urllib3
from dulwich.client import HTTPUnauthorized
from dulwich.errors import GitProtocolError, HangupException, NotGitRepository
from dulwich.object_store import ObjectStoreGraphWalker
from dulwich.objects import ObjectID
from dulwich.refs import Ref
from dulwich.repo import Repo

from reconciler.git import packs
from reconciler.git.refs import branch_ref, valid
from reconciler.git.repository import Repository
from reconciler.git.transport import Deadline, connect
from reconciler.git.url import normalise, parse, redact
from reconciler.model.errors import NotFoundError, ReconcilerError, SourceUnavailableError

_WORDS_LIMIT = 200


def fetch(repo: Repository, remote: str, branch: str, *, timeout: float) -> str:
    """Fetch one branch of a configured remote into refs/remotes/REMOTE/BRANCH, forced updates included; its commit.

    `timeout` is in seconds. Raises NotFoundError for a remote or branch that does not exist, SourceUnavailableError
    for everything the network can do.
    """
    place = _place(repo, remote)
    if not (valid(branch_ref(branch, None)) and valid(branch_ref(branch, remote))):
        raise NotFoundError(f"{branch!r} is not the name of a branch")
    answer = _wanted(repo, place, _Want(branch), timeout)
    repo.refs.write(branch_ref(branch, remote), answer)
    return answer


def _place(repo: Repository, remote: str) -> str:
    """The address of a configured remote. Raises NotFoundError."""
    url = repo.remotes().get(remote)
    if url is None:
        known = ", ".join(sorted(repo.remotes())) or "none"
        raise NotFoundError(f"there is no remote {remote!r}", hint=f"known remotes: {known}; see `git remote add`")
    # A relative path in the configuration means: from the work tree.
    return url if parse(url).scheme != "file" else str((repo.work_tree or repo.git_dir) / parse(url).path)


def fetch_branches(repo: Repository, remote: str, wanted: Callable[[str], bool], *, timeout: float) -> None:
    """Fetch every wanted branch of a configured remote as `fetch` does; those that are gone there go here too.

    Only refs/heads/* of the remote are looked at: never the refs that a forge keeps for pull requests of forks.
    Raises as `fetch`.
    """
    want = _Branches(wanted)
    _transfer(repo, _place(repo, remote), want, timeout)
    for name in repo.branches(remote):
        if wanted(name) and name not in want.found:
            repo.refs.remove(branch_ref(name, remote))
    for name, commit in want.found.items():
        if repo.has(commit) and repo.branch(name, remote) != commit:
            repo.refs.write(branch_ref(name, remote), commit)


def mirror(
    url: str, folder: Path, *, branch: str | None = None, commit: str | None = None, timeout: float
) -> tuple[Path, str]:
    """A repository that has the wanted commit, and the commit: `commit` itself, else the head of `branch`, else HEAD.

    A path on this machine is opened in place. Anything else is kept as a bare repository in `folder`, full depth, and
    brought up to date, unless `commit` is already there. Raises as `fetch`.
    """
    if parse(url).scheme == "file":
        return _in_place(Path(parse(url).path), branch, commit)
    place = _bare(mirror_path(url, folder))
    with Repository.open(place) as repo:
        if commit is not None and repo.has(commit):
            repo.links(commit)
            return place, commit
        answer = _wanted(repo, url, _Want(branch, commit), timeout)
        repo.refs.write(branch_ref(branch, None) if branch else f"refs/reconciler/fetched/{answer}", answer)
    packs.merge_small(place / "objects")
    return place, answer


def mirror_path(url: str, folder: Path) -> Path:
    """Where `mirror` keeps, or opens, the repository at `url`."""
    if parse(url).scheme == "file":
        return Path(parse(url).path)
    return folder / hashlib.sha256(normalise(url).encode()).hexdigest()[:24]


@dataclass(slots=True)
class _Want:
    """What to ask a remote for, and what it said it has."""

    branch: str | None
    commit: str | None = None
    answer: str | None = None
    has: Callable[[str], bool] = field(default=lambda _name: False)

    def prefixes(self) -> list[bytes]:
        """The refs that need to be listed."""
        return [f"refs/heads/{self.branch}".encode() if self.branch else b"HEAD"]

    def choose(self, refs: Mapping[Ref, ObjectID], depth: int | None = None) -> list[ObjectID]:
        """The ids to ask for, of the refs that are listed."""
        del depth
        listed = refs.get(Ref(self.prefixes()[0]))
        self.answer = self.commit or (listed.decode("ascii") if listed else None)
        return [ObjectID(self.answer.encode())] if self.answer and not self.has(self.answer) else []


@dataclass(slots=True)
class _Branches:
    """Which branches to ask a remote for, and what it said they are."""

    wanted: Callable[[str], bool]
    found: dict[str, str] = field(default_factory=dict)
    has: Callable[[str], bool] = field(default=lambda _name: False)

    def prefixes(self) -> list[bytes]:
        """The refs that need to be listed."""
        return [_HEADS]

    def choose(self, refs: Mapping[Ref, ObjectID], depth: int | None = None) -> list[ObjectID]:
        """The ids to ask for, of the refs that are listed."""
        del depth
        heads = {ref[len(_HEADS) :].decode("utf-8", "replace"): ref for ref in refs if ref.startswith(_HEADS)}
        usable = (name for name in heads if valid(branch_ref(name, None)) and self.wanted(name))
        self.found = {name: refs[heads[name]].decode("ascii") for name in usable}
        return [ObjectID(c.encode()) for c in dict.fromkeys(self.found.values()) if not self.has(c)]


_HEADS = b"refs/heads/"


class _Target(Repo):
    """The library's repository, which tells a remote about every branch that is here and not only the local ones."""

    def get_graph_walker(self, heads: list[ObjectID] | None = None) -> ObjectStoreGraphWalker:
        if heads is None:
            known = {value for prefix in _HAVES for value in self.refs.as_dict(Ref(prefix)).values()}
            heads = [value for value in known if value in self.object_store]
        return super().get_graph_walker(heads)


_HAVES: Sequence[bytes] = (b"refs/heads", b"refs/remotes", b"refs/reconciler/fetched")


def _wanted(repo: Repository, url: str, want: _Want, timeout: float) -> str:
    """Fetch the one commit that is wanted, where it is missing. Raises NotFoundError, SourceUnavailableError."""
    _transfer(repo, url, want, timeout)
    if want.answer is None:
        what = f"no branch {want.branch!r}" if want.branch else "no commit that HEAD names"
        raise NotFoundError(f"{_shown(url)} has {what}")
    try:
        repo.links(want.answer)
    except SourceUnavailableError:
        raise SourceUnavailableError(f"{_shown(url)}: commit {want.answer} was not sent") from None
    return want.answer


def _transfer(repo: Repository, url: str, want: _Want | _Branches, timeout: float) -> None:
    """Fetch what is wanted and missing. Raises SourceUnavailableError."""
    deadline = Deadline(timeout)
    want.has = repo.has
    try:
        with deadline.running(), _Target(str(repo.common_dir)) as target:
            client, path = connect(url, deadline)
            client.fetch(path, target, want.choose, progress=deadline.progress, ref_prefix=want.prefixes())
    except ReconcilerError:
        raise
    except Exception as error:  # noqa: BLE001 - see below
        # What protocols, proxies and hostile servers make the library raise is not to be foreseen.
        reason = f"no answer within {timeout:g} s" if deadline.passed else _reason(error)
        raise SourceUnavailableError(f"{_shown(url)}: {reason}", hint="it is tried again") from None


def _reason(error: BaseException) -> str:
    """One line on what went wrong, without anything secret and without control characters."""
    if isinstance(error, HTTPUnauthorized):
        return "access is refused: no or wrong credentials"
    if isinstance(error, NotGitRepository):
        return "not found, or not a git repository"
    if isinstance(error, (TimeoutError, socket.timeout, urllib3.exceptions.TimeoutError)) or "timed out" in str(error):
        return "no answer in time"
    if isinstance(error, OverflowError):
        return "it sends more than the size limit"
    said = redact(str(error))
    if isinstance(error, HangupException):
        said = f"it hung up: {said}"
    elif not isinstance(error, (GitProtocolError, OSError)):
        said = f"{type(error).__name__}: {said}"
    return "".join(c if c.isprintable() else " " for c in said)[:_WORDS_LIMIT]


def _shown(url: str) -> str:
    return redact(url)[:_WORDS_LIMIT]


def _in_place(path: Path, branch: str | None, commit: str | None) -> tuple[Path, str]:
    with Repository.open(path) as repo:
        wanted = commit or (branch_ref(branch, None) if branch else "HEAD")
        return path, repo.resolve(wanted)


def _bare(place: Path) -> Path:
    """An empty bare repository, made whole or not at all."""
    if not (place / "HEAD").is_file():
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = place.with_name(f".tmp-{secrets.token_hex(8)}")
        Repo.init_bare(str(temporary), mkdir=True).close()
        try:
            temporary.rename(place)
        except OSError:
            # Another thread made it meanwhile.
            shutil.rmtree(temporary)
    return place
