"""Where a repository lies: from any folder in it to its git, common and work directories. Called by repository."""

import os
from dataclasses import dataclass
from pathlib import Path

from reconciler.model.errors import AccessError, SourceUnavailableError

_POINTER_LIMIT = 4096


@dataclass(frozen=True, slots=True)
class Location:
    """The directories of one repository as seen from one work tree."""

    git_dir: Path
    """HEAD of this work tree is here."""
    common_dir: Path
    """Objects and branches; shared by linked worktrees."""
    work_tree: Path | None
    """None in a bare repository, unless `core.worktree` says otherwise."""


def locate(path: Path) -> Location:
    """The repository that `path` lies in: a work tree, a folder of it, a bare repository, a `.git` folder or file.

    Raises SourceUnavailableError when there is none.
    """
    start = Path(os.path.realpath(path))
    if start.name == ".git" and start.is_file():
        start = start.parent
    for folder in (start, *start.parents):
        found = _at(folder)
        if found is not None:
            return found
    what = "not a git repository" if start.exists() else "no such directory"
    raise SourceUnavailableError(f"{path}: {what}", hint="name a folder inside a git repository, or run `git init`")


def check_owner(location: Location) -> None:
    """Raises AccessError when a directory of the repository belongs to another user.

    Whoever owns a repository decides what is in it; git has the same rule (safe.directory).
    """
    me = os.geteuid()
    for folder in (location.work_tree, location.git_dir, location.common_dir):
        if folder is not None and (owner := folder.stat().st_uid) != me:
            raise AccessError(
                f"{folder}: the repository is owned by another user (uid {owner}, not {me})",
                hint="run as its owner, or say that you trust the owner",
            )


def _at(folder: Path) -> Location | None:
    """The repository whose top `folder` is."""
    dot = folder / ".git"
    if dot.is_file():
        return _location(_pointer(dot, "gitdir: "), folder)
    if _is_git_dir(dot):
        return _location(dot, folder)
    return _location(folder, _work_tree_of(folder)) if _is_git_dir(folder) else None


def _location(git_dir: Path, work_tree: Path | None) -> Location:
    if not _is_git_dir(git_dir):
        raise SourceUnavailableError(
            f"{work_tree or git_dir}: its .git names {git_dir}, which is not a git directory",
            hint="was the main repository moved or the worktree pruned? See `git worktree repair`",
        )
    common = git_dir / "commondir"
    return Location(git_dir, _pointer(common, "") if common.is_file() else git_dir, work_tree)


def _work_tree_of(git_dir: Path) -> Path | None:
    """The work tree of a git directory that was named itself."""
    back = git_dir / "gitdir"
    if (git_dir / "commondir").is_file() and back.is_file():
        return _pointer(back, "").parent
    return git_dir.parent if git_dir.name == ".git" else None


def _pointer(file: Path, prefix: str) -> Path:
    """The directory that a one-line file names, relative to the file's own."""
    try:
        with file.open("rb") as stream:
            text = os.fsdecode(stream.read(_POINTER_LIMIT)).rstrip("\r\n")
    except OSError as error:
        raise SourceUnavailableError(f"{file}: cannot be read: {error.strerror}") from error
    if not text.startswith(prefix) or "\0" in text:
        raise SourceUnavailableError(f"{file}: not a git file (it should begin with {prefix!r})")
    return Path(os.path.realpath(file.parent / text[len(prefix) :]))


def _is_git_dir(folder: Path) -> bool:
    """As git decides it: a HEAD, and objects and refs of its own or shared ones."""
    if not (folder / "HEAD").exists() and not (folder / "HEAD").is_symlink():
        return False
    if (folder / "commondir").is_file():
        return True
    return (folder / "objects").is_dir() and (folder / "refs").exists()
