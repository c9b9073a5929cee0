"""The commit of the tracked branch, read without opening a repository where that is plain. Called by status and show.

A loose ref or a line of packed-refs is read here, in microseconds; whatever is not so simple (a symbolic ref, a
reftable) is left to the git floor, whose library takes longer to import than everything else these verbs do.
"""

import importlib
import re
from pathlib import Path
from typing import Any

from reconciler.git.location import locate
from reconciler.model.errors import ReconcilerError
from reconciler.model.state import Observed

_ID = re.compile(rb"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_LIMIT = 4096


def tips(repo: Path, observed: Observed) -> dict[str, str | None]:
    """The commit of each previewed branch, and by the empty name that of the tracked one."""
    return {branch: tip(repo, observed, branch) for branch in ("", *observed.previews)}


def tip(repo: Path, observed: Observed, preview: str = "") -> str | None:
    """The commit of the branch that the log tracks, or of a previewed one; None when it cannot be read."""
    branch = preview or observed.branch
    if not branch:
        return None
    try:
        common = locate(repo).common_dir
        kind = f"remotes/{observed.remote}" if observed.remote else "heads"
        return _plain(common, f"refs/{kind}/{branch}") or _opened(repo, branch, observed.remote)
    except (ReconcilerError, OSError):
        return None


def _plain(common: Path, name: str) -> str | None:
    if ".." in name or (common / "reftable").exists():
        return None
    try:
        with (common / name).open("rb") as file:
            return _id(file.read(_LIMIT).strip())
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return _packed(common, name.encode("utf-8", "surrogateescape"))


def _packed(common: Path, name: bytes) -> str | None:
    try:
        with (common / "packed-refs").open("rb") as file:
            for line in file:
                if line.rstrip(b"\n").endswith(b" " + name) and line[:1] not in b"#^":
                    return _id(line.partition(b" ")[0])
    except FileNotFoundError:
        pass
    return None


def _id(text: bytes) -> str | None:
    return text.decode() if _ID.fullmatch(text) else None


def _opened(repo: Path, branch: str, remote: str | None) -> str | None:
    repository: Any = importlib.import_module("reconciler.git.repository").Repository
    with repository.open(repo, trust_owner=True) as opened:
        found: str | None = opened.branch(branch, remote)
    return found
