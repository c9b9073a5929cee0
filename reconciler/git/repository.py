"""An open repository: refs, commits, trees and blobs by id. Called by everything in git/, the daemon and the steps.

Nothing in `.git/config` is ever run, and no file it includes is read: only the format, its extensions and the URLs of
the remotes are looked at.
"""

import re
from pathlib import Path
from types import TracebackType
from typing import Self

from dulwich.config import ConfigFile
from dulwich.object_format import OBJECT_FORMATS

from reconciler.git import commit as commits
from reconciler.git.commit import Commit
from reconciler.git.location import Location, check_owner, locate
from reconciler.git.objects import BLOB, COMMIT, NAMES, TAG, TREE, Objects, TooLargeError
from reconciler.git.refs import Refs, branch_ref
from reconciler.model.errors import NotFoundError, SourceUnavailableError

_TREE_LIMIT = 64 << 20
_COMMIT_LIMIT = 1 << 20
_KNOWN_EXTENSIONS = {"noop", "objectformat", "partialclone", "preciousobjects", "refstorage", "relativeworktrees"}
_KNOWN_EXTENSIONS |= {"worktreeconfig", "compatobjectformat"}
_REVISION = re.compile(r"(?P<base>[^~^:?*\[\\\x00-\x20\x7f]+)(?P<steps>(?:[~^]\d{0,9})*)")
_STEP = re.compile(r"([~^])(\d*)")
_HEX = re.compile(r"[0-9a-f]{4,64}")
_PLACES = ("refs/{}", "refs/tags/{}", "refs/heads/{}", "refs/remotes/{}", "refs/remotes/{}/HEAD")


class Repository:
    """One repository, opened by one thread; 1 ms to open, and to be closed when the work at hand is done."""

    def __init__(self, location: Location) -> None:
        self.location = location
        self.git_dir = location.git_dir
        self.common_dir = location.common_dir
        self._config = _read_config(location.common_dir / "config")
        self.work_tree = self._work_tree(location)
        extensions = self._extensions()
        self.format = OBJECT_FORMATS[extensions.get("objectformat", "sha1")]
        self.reftable = extensions.get("refstorage") == "reftable"
        self.refs = Refs(location, reftable=self.reftable)
        self.objects = Objects(location.common_dir / "objects", self.format)
        self._shallow: frozenset[str] | None = None

    @classmethod
    def open(cls, path: Path, *, trust_owner: bool = False) -> Self:
        """The repository that `path` lies in.

        Raises SourceUnavailableError when there is none or its format is unknown, AccessError when it belongs to
        another user and `trust_owner` is not set.
        """
        location = locate(path)
        if not trust_owner:
            check_owner(location)
        return cls(location)

    def close(self) -> None:
        """Let go of every file."""
        self.objects.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def head_branch(self) -> str | None:
        """The branch HEAD of this work tree names, even before its first commit; None when detached."""
        return self.refs.head_branch()

    def main_branch(self) -> str | None:
        """Taken for the tracked branch where nobody said: the one a remote's HEAD named, else the one HEAD names."""
        remotes = sorted(self.remotes(), key=lambda name: name != "origin")
        found = (name for remote in remotes if (name := self.refs.cloned_branch(remote)))
        return next(found, None) or self.head_branch()

    def branch_named(self, word: str) -> str | None:
        """The branch that a revision is the name of, as `main`, `origin/main` or a full ref; None where of none."""
        word = word.removeprefix("refs/").removeprefix("heads/").removeprefix("remotes/")
        remote, _, name = word.partition("/")
        if self.branch(word) is not None:
            return word
        return name if remote in self.remotes() and self.branch(name, remote) is not None else None

    def branch(self, name: str, remote: str | None = None) -> str | None:
        """The commit of a local branch, or of a remote's as last fetched; None when there is none."""
        return self.refs.read(branch_ref(name, remote))

    def named(self, name: str, first: str | None = None) -> str | None:
        """The commit of a branch, local or as a remote was last seen to have it, else of a tag; None for neither.

        A branch of the remote `first` counts before a local one.
        """
        places = (first, None, *self.remotes())
        found = next((c for remote in places if (c := self.branch(name, remote))), None)
        try:
            return found or self.resolve(f"refs/tags/{name}")
        except NotFoundError:
            return None

    def branches(self, remote: str | None = None) -> dict[str, str]:
        """The commit of every local branch, or of a remote's as last fetched; but for names that no log can hold."""
        prefix = branch_ref("", remote)
        found = {name.removeprefix(prefix): commit for name, commit in self.refs.under(prefix).items()}
        return {name: commit for name, commit in found.items() if name.isprintable() and (name != "HEAD" or not remote)}

    def remotes(self) -> dict[str, str]:
        """The URL of each remote as written, credentials included: redact before showing."""
        return {
            section[1].decode("utf-8", "replace"): self._config.get(section, b"url").decode("utf-8", "replace")
            for section in self._config.sections()
            if len(section) == 2 and section[0].lower() == b"remote" and b"url" in self._config[section]  # noqa: PLR2004 - a pair
        }

    def setting(self, section: str, key: str) -> str | None:
        """One value of the repository's own configuration, as written."""
        return _value(self._config, section, key)

    def shallow(self) -> frozenset[str]:
        """The commits whose parents this clone cut off; empty for a full one."""
        if self._shallow is None:
            try:
                text = (self.common_dir / "shallow").read_text("ascii", "replace")
            except OSError:
                text = ""
            self._shallow = frozenset(text.split())
        return self._shallow

    def has(self, name: str) -> bool:
        """Whether an object of this full id is here."""
        return self._is_id(name) and self.objects.has(name)

    def commit(self, name: str) -> Commit:
        """A commit by full id. Raises SourceUnavailableError when it is missing or no commit."""
        raw = self._read(name, COMMIT, _COMMIT_LIMIT)
        try:
            return commits.parse(name, raw)
        except ValueError as error:
            raise SourceUnavailableError(f"commit {name} is malformed: {error}") from error

    def links(self, name: str) -> tuple[str, tuple[str, ...]]:
        """Tree and parents of a commit, as cheaply as possible. Raises as `commit` does."""
        try:
            return commits.parse_links(self._read(name, COMMIT, _COMMIT_LIMIT))
        except ValueError as error:
            raise SourceUnavailableError(f"commit {name} is malformed: {error}") from error

    def tree_bytes(self, name: str) -> bytes:
        """The raw entries of a tree by full id. Raises SourceUnavailableError when it is missing or no tree."""
        return self._read(name, TREE, _TREE_LIMIT)

    def blob(self, name: str, limit: int) -> bytes:
        """The content of a file by full id.

        Raises TooLargeError, naming the size, past `limit` bytes, and SourceUnavailableError when it is missing.
        """
        return self._read(name, BLOB, limit)

    def resolve(self, revision: str) -> str:
        """The commit that an id, an abbreviated id, a branch, a tag or HEAD names, with `~n` and `^n` behind it.

        Raises NotFoundError for a name that is unknown, ambiguous or not well-formed.
        """
        match = _REVISION.fullmatch(revision)
        if match is None or revision[0] in "-@" or ".." in revision or "@{" in revision:
            raise NotFoundError(f"{revision!r} is not a revision", hint=_WANTED)
        name = self._peel(self._base(match["base"]), revision)
        for sign, digits in _STEP.findall(match["steps"]):
            count = int(digits) if digits else 1
            name = self._ancestor(name, count, revision) if sign == "~" else self._parent(name, count, revision)
        return name

    def _base(self, word: str) -> str:
        if word == "HEAD":
            name = self.refs.read("HEAD")
            if name is None:
                raise NotFoundError("HEAD has no commit yet", hint="make a first commit")
            return name
        if self._is_id(word):
            return word
        found = {place: value for place in _PLACES if (value := self.refs.read(place.format(word)))}
        if word.startswith("refs/") and (value := self.refs.read(word)):
            found = {"{}": value}
        if len(set(found.values())) > 1:
            places = " and ".join(place.format(word) for place in found)
            raise NotFoundError(f"{word!r} is ambiguous: {places} differ", hint="give the full name")
        return next(iter(found.values()), None) or self._abbreviated(word)

    def _abbreviated(self, word: str) -> str:
        names = self.objects.starting(word) if _HEX.fullmatch(word) else set()
        if len(names) > 1:
            names = {name for name in names if self.objects.read(name, _TREE_LIMIT)[0] in (COMMIT, TAG)}
        if len(names) != 1:
            what = "an ambiguous abbreviation" if names else "no branch, tag or commit of this repository"
            raise NotFoundError(f"{word!r} is {what}", hint=_WANTED)
        return names.pop()

    def _peel(self, name: str, revision: str) -> str:
        """The commit behind a tag, or the commit itself."""
        for _step in range(10):
            if not self.objects.has(name):
                raise NotFoundError(f"{revision!r}: no object {name} in this repository", hint=_WANTED)
            try:
                kind, raw = self.objects.read(name, _COMMIT_LIMIT)
            except TooLargeError:
                break
            if kind == COMMIT:
                return name
            if kind != TAG or not raw.startswith(b"object "):
                break
            name = raw[7:].partition(b"\n")[0].decode("ascii", "replace")
        raise NotFoundError(f"{revision!r} names no commit", hint=_WANTED)

    def _ancestor(self, name: str, count: int, revision: str) -> str:
        for _step in range(count):
            name = self._parent(name, 1, revision)
        return name

    def _parent(self, name: str, number: int, revision: str) -> str:
        if number == 0:
            return name
        parents = () if name in self.shallow() else self.links(name)[1]
        if number > len(parents):
            raise NotFoundError(f"{revision!r}: {name[:12]} has no parent {number}", hint=_WANTED)
        return parents[number - 1]

    def _read(self, name: str, kind: int, limit: int) -> bytes:
        if not self._is_id(name):
            raise SourceUnavailableError(f"{name!r} is not an object id")
        try:
            found, raw = self.objects.read(name, limit)
        except TooLargeError as error:
            raise TooLargeError(f"{NAMES[kind]} {name} has {error.message}", error.size) from None
        if found != kind:
            raise SourceUnavailableError(f"object {name} is a {NAMES[found]}, not a {NAMES[kind]}")
        return raw

    def _is_id(self, word: str) -> bool:
        return len(word) == self.format.hex_length and _HEX.fullmatch(word) is not None

    def _extensions(self) -> dict[str, str]:
        """Extensions of the format. Raises SourceUnavailableError when one is not understood."""
        found = {}
        version = _value(self._config, "core", "repositoryformatversion") or "0"
        for key, value in _section(self._config, "extensions").items():
            found[key.decode("utf-8", "replace").lower()] = value.decode("utf-8", "replace").lower()
        unknown = sorted(set(found) - _KNOWN_EXTENSIONS) if version != "0" else []
        odd = [] if version in ("0", "1") else [f"format version {version}"]
        odd += [f"extension {word}" for word in unknown]
        if found.get("refstorage", "files") not in ("files", "reftable"):
            odd.append(f"refs stored as {found['refstorage']}")
        if found.get("objectformat", "sha1") not in OBJECT_FORMATS:
            odd.append(f"object format {found['objectformat']}")
        if odd:
            raise SourceUnavailableError(f"{self.common_dir}: a repository with {', '.join(odd)} is not understood")
        return found

    def _work_tree(self, location: Location) -> Path | None:
        linked = location.git_dir != location.common_dir
        if not linked and (_value(self._config, "core", "bare") or "").lower() in ("true", "yes", "on", "1"):
            return None
        elsewhere = None if linked else _value(self._config, "core", "worktree")
        return (location.git_dir / elsewhere).resolve() if elsewhere else location.work_tree


_WANTED = "give a branch, a tag or a commit id, as `git log --oneline` shows them"


def _read_config(file: Path) -> ConfigFile:
    try:
        with file.open("rb") as stream:
            return ConfigFile.from_file(stream, expand_includes=False)
    except FileNotFoundError:
        return ConfigFile()
    except (OSError, ValueError) as error:
        raise SourceUnavailableError(f"{file}: cannot be read: {error}") from error


def _section(config: ConfigFile, name: str) -> dict[bytes, bytes]:
    return dict(config.items((name.encode(),))) if (name.encode(),) in config else {}


def _value(config: ConfigFile, section: str, key: str) -> str | None:
    try:
        return config.get((section.encode(),), key.encode()).decode("utf-8", "surrogateescape").strip()
    except KeyError:
        return None
