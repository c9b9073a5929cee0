"""Files of a folder as if they were the tree of a commit, so that whatever reads commits reads them. For `validate`.

The daemon never uses it. Nothing is followed out of the folder: a symbolic link is a symbolic link here, as in a
commit. Ids are numbers in the order of asking; objects that are not of the folder come from its repository, if any.
"""

import os
import stat
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from dulwich.index import Index, IndexEntry
from dulwich.object_format import OBJECT_FORMATS

from reconciler.git import tree
from reconciler.git.commit import Commit
from reconciler.git.objects import TooLargeError
from reconciler.git.repository import Repository
from reconciler.model.errors import AccessError, ReconcilerError, SourceUnavailableError

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class WorkTree(Repository):
    """A folder, and the repository it belongs to (None: it stands alone)."""

    def __init__(self, root: Path, repo: Repository | None) -> None:
        self._root = os.fsencode(root)
        self._repo = repo
        self.common_dir = repo.common_dir if repo else root
        self.format = repo.format if repo else OBJECT_FORMATS["sha1"]
        self._paths: list[bytes] = []
        self._ids: dict[bytes, str] = {}
        self._listed: dict[bytes, bytes] = {}
        """Folders as they were when first asked for: a tree does not change either."""
        self.head = self._id(b"")
        """The id of the commit, and of its tree, that the folder looks like."""

    def close(self) -> None:
        """Nothing is held open here."""

    def commit(self, name: str) -> Commit:
        """As the repository's; `head` is the folder."""
        if name == self.head:
            return Commit(name, name, (), "", "", _NEVER, _NEVER, "the work tree")
        return self._beneath().commit(name)

    def links(self, name: str) -> tuple[str, tuple[str, ...]]:
        """As the repository's."""
        return (name, ()) if name == self.head else self._beneath().links(name)

    def shallow(self) -> frozenset[str]:
        """As the repository's."""
        return self._repo.shallow() if self._repo else frozenset()

    def remotes(self) -> dict[str, str]:
        """As the repository's."""
        return self._repo.remotes() if self._repo else {}

    def branch(self, name: str, remote: str | None = None) -> str | None:
        """As the repository's."""
        return self._repo.branch(name, remote) if self._repo else None

    def named(self, name: str, first: str | None = None) -> str | None:
        """As the repository's."""
        return self._repo.named(name, first) if self._repo else None

    def has(self, name: str) -> bool:
        """As the repository's."""
        return self._path(name) is not None or (self._repo is not None and self._repo.has(name))

    def tree_bytes(self, name: str) -> bytes:
        """The listing of a folder as a raw tree. Raises AccessError when it cannot be read."""
        path = self._path(name)
        if path is None:
            return self._beneath().tree_bytes(name)
        if path not in self._listed:
            self._listed[path] = self._listing(path)
        return self._listed[path]

    def _listing(self, path: bytes) -> bytes:
        try:
            with os.scandir(os.path.join(self._root, path)) as found:  # noqa: PTH118 - names are bytes, not text
                named = [(entry.name, self._mode(path, entry)) for entry in found]
        except OSError as error:
            raise AccessError(f"{os.fsdecode(path) or '.'}: the folder cannot be read: {error.strerror}") from None
        entries = [(entry, mode) for entry, mode in named if mode]
        entries = [(entry, self._as_recorded(path, entry, mode)) for entry, mode in entries]
        entries.sort(key=lambda e: e[0] + b"/" if e[1] == tree.DIRECTORY else e[0])
        prefix = path + b"/" if path else b""
        return b"".join(b"%o %s\0" % (mode, e) + bytes.fromhex(self._named(prefix + e, mode)) for e, mode in entries)

    def blob(self, name: str, limit: int) -> bytes:
        """The content of a file. Raises TooLargeError past `limit` bytes, AccessError when it cannot be read."""
        path = self._path(name)
        if path is None:
            return self._beneath().blob(name, limit)
        try:
            fd = os.open(os.path.join(self._root, path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)  # noqa: PTH118
            with os.fdopen(fd, "rb") as file:
                size = os.fstat(fd).st_size
                data = file.read(limit + 1)
        except OSError as error:
            raise AccessError(f"{os.fsdecode(path)}: the file cannot be read: {error.strerror}") from None
        if len(data) > limit:
            raise TooLargeError(f"{max(size, len(data))} bytes", max(size, len(data)))
        return data

    def _mode(self, folder: bytes, entry: "os.DirEntry[bytes]") -> int:
        """The mode as git would record it; 0 for what git does not see."""
        kind = entry.stat(follow_symlinks=False).st_mode
        if stat.S_ISLNK(kind):
            return tree.SYMLINK
        if stat.S_ISDIR(kind):
            if not folder and entry.name == b".git":
                return 0
            return tree.GITLINK if os.path.lexists(entry.path + b"/.git") else tree.DIRECTORY
        if not stat.S_ISREG(kind):
            return 0
        return tree.EXECUTABLE if kind & stat.S_IXUSR else tree.FILE

    def _as_recorded(self, folder: bytes, name: bytes, mode: int) -> int:
        """An empty folder that the index has as a submodule is one that was not fetched."""
        path = folder + b"/" + name if folder else name
        unfetched = mode == tree.DIRECTORY and path in self._recorded and not self._filled(path)
        return tree.GITLINK if unfetched else mode

    def _filled(self, path: bytes) -> bool:
        with os.scandir(self._root + b"/" + path) as inside:
            return any(inside)

    def _named(self, path: bytes, mode: int) -> str:
        """The id of an entry; of a submodule the commit that git would record."""
        if mode != tree.GITLINK:
            return self._id(path)
        try:
            with Repository.open(Path(os.fsdecode(self._root + b"/" + path)), trust_owner=True) as inner:
                if inner.work_tree == Path(os.fsdecode(self._root + b"/" + path)):
                    return inner.resolve("HEAD")
        except (ReconcilerError, OSError):
            pass
        return self._recorded.get(path) or self._id(path)

    @cached_property
    def _recorded(self) -> dict[bytes, str]:
        """The submodules in the index of the repository, when the folder is the top of its work tree."""
        if self._repo is None or self._repo.work_tree != Path(os.fsdecode(self._root)):
            return {}
        file = self._repo.git_dir / "index"
        if not (self._repo.work_tree / ".gitmodules").is_file() or not file.is_file():
            return {}
        try:
            entries = Index(str(file)).items()
            modules = [(path, e) for path, e in entries if isinstance(e, IndexEntry) and e.mode == tree.GITLINK]
            return {path: e.sha.decode() for path, e in modules}
        except (OSError, ValueError, AssertionError, KeyError):
            return {}  # not readable as an index of one version: `git` itself will say so

    def _id(self, path: bytes) -> str:
        if path not in self._ids:
            self._paths.append(path)
            self._ids[path] = len(self._paths).to_bytes(self.format.oid_length, "big").hex()
        return self._ids[path]

    def _path(self, name: str) -> bytes | None:
        number = int(name, 16) if len(name) == self.format.hex_length else 0
        return self._paths[number - 1] if 0 < number <= len(self._paths) else None

    def _beneath(self) -> Repository:
        if self._repo is None:
            raise SourceUnavailableError("this folder is in no git repository")
        return self._repo
