"""A small source as one file, which a run writes out itself. Made by the daemon's copies, opened by engine/copies.

The first line is JSON: `{"commit", "tree", "folders": [path], "files": [[path, mode, size]], "links": [[path, target]],
"lfs": [path]}`; the bytes of the files follow, in that order. Every object was hashed on its way in, as for a working
copy; a run is told the sha256 of the whole, so it needs to believe nothing that lies on the disk.
"""

import json

from reconciler.git.checkout import Copy, Manifest, Place, Selection, scope, selection
from reconciler.git.objects import COMMIT
from reconciler.git.repository import Repository
from reconciler.model.errors import NotFoundError, ReconcilerError

MOST_ENTRIES = 64
MOST_BYTES = 256 * 1024


class LargeError(ReconcilerError):
    """The source is better prepared as a folder."""

    reason = "Large"


def wrap(repo: Repository, commit: str, directories: tuple[str, ...]) -> bytes:
    """The parcel of a commit, or of the named folders and files of it.

    Raises LargeError (or StepError for a single large file), else as `checkout.lay_out`.
    """
    wanted = scope(directories)
    tree = repo.commit(commit).tree
    parcel = _Parcel(repo, Manifest(commit, tree, wanted))
    parcel.verified(COMMIT, commit)
    parcel.tree(0, "", tree, selection(wanted))
    for path in wanted:
        if path not in parcel.found:
            raise NotFoundError(f"{path!r} is not in commit {commit[:12]}", hint="see `directories` of git_clone")
    return parcel.closed()


class _Parcel(Copy):
    """A working copy that is kept in memory instead of written."""

    def __init__(self, repo: Repository, manifest: Manifest) -> None:
        super().__init__(repo, manifest)
        self._folders: list[str] = []
        self._files: list[tuple[str, int, int]] = []
        self._contents: list[bytes] = []

    def closed(self) -> bytes:
        made = self.manifest
        head = {
            "commit": made.commit,
            "tree": made.tree,
            "folders": self._folders,
            "files": self._files,
            "links": made.links,
            "lfs": made.lfs_pointers,
        }
        return b"".join([json.dumps(head, separators=(",", ":")).encode(), b"\n", *self._contents])

    def check(self, place: Place) -> None:
        super().check(place)
        if self.entries > MOST_ENTRIES:
            raise LargeError(f"more than {MOST_ENTRIES} files and folders")

    def room(self) -> int:
        return MOST_BYTES - self.bytes

    def folder(self, place: Place, tree: str, below: Selection, depth: int) -> None:
        self._folders.append(place.path)
        self.tree(0, place.path, tree, below, depth=depth + 1)

    def submodule(self, place: Place) -> None:
        self._folders.append(place.path)

    def link(self, place: Place, target: str) -> None:
        self.manifest.links.append((place.path, target))

    def file(self, place: Place, data: bytes, mode: int) -> None:
        self._files.append((place.path, mode, len(data)))
        self._contents.append(data)
