"""A branch on which some paths are as they were, written as objects: no work tree, no index. Called by `revert`."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from dulwich.config import StackedConfig

from reconciler.git import refs, tree
from reconciler.git.repository import Repository
from reconciler.git.writing import Person, Writing, entry
from reconciler.model.errors import ConflictError, InvalidRequestError

Names = dict[bytes, "Names"]
"""Paths as a tree of names; what ends is empty."""
_UNSAFE = str.maketrans("", "", "<>\n\0")


def person(repo: Repository, name: str | None, email: str | None) -> Person:
    """Who commits: as given, else user.name and user.email of git's configuration. Raises InvalidRequestError."""
    stack = StackedConfig(StackedConfig.default_backends())

    def configured(key: str) -> str:
        own = repo.setting("user", key)
        if own:
            return own
        try:
            return stack.get((b"user",), key.encode()).decode("utf-8", "replace").strip()
        except KeyError:
            return ""

    found = Person(
        *(
            (each or "").translate(_UNSAFE).strip()
            for each in (name or configured("name"), email or configured("email"))
        )
    )
    if not found.name or not found.email:
        raise InvalidRequestError(
            "git does not know who commits",
            hint="git config user.name 'Your Name'; git config user.email you@example.org",
        )
    return found


def restored(repo: Repository, now: str, then: str, paths: Iterable[str]) -> str:
    """The tree `now` (by id) with each path as it is in the tree `then`: written, and its id.

    A path is a file or a directory, from the top; `.` is everything. Raises SourceUnavailableError.
    """
    wanted: Names = {}
    for path in sorted(paths, key=len, reverse=True):  # what lies below another path is overwritten by it
        if path == ".":
            return then
        at = wanted
        *above, last = path.encode("utf-8", "surrogateescape").split(b"/")
        for name in above:
            at = at.setdefault(name, {})
        at[last] = {}
    writing = Writing(repo)
    top = _splice(writing, (now, then), wanted) or writing.tree({})
    writing.finish()
    return top


def _splice(writing: Writing, sides: tuple[str | None, str | None], wanted: Names) -> str | None:
    """The id of a directory with the wanted names taken from the other side; None for an empty one."""
    repo = writing.repo
    width = repo.format.oid_length
    now, then = (repo.tree_bytes(side) if side else b"" for side in sides)
    kept = dict(_chunks(now, width))
    for name, below in wanted.items():
        before, after = tree.find(now, name, width), tree.find(then, name, width)
        if below and (_is_folder(before) or _is_folder(after)):
            made = _splice(writing, (_folder(before), _folder(after)), below)
            if made is not None:
                kept[name] = tree.DIRECTORY, entry(name, tree.DIRECTORY, bytes.fromhex(made))
            elif _is_folder(before):
                kept.pop(name)
        elif not below and after is not None:
            kept[name] = after[0], entry(name, *after)
        elif not below:
            kept.pop(name, None)
    return writing.tree(kept) if kept else None


def _chunks(raw: bytes, width: int) -> Iterator[tuple[bytes, tuple[int, bytes]]]:
    """Each entry of a raw tree as its very bytes."""
    at = 0
    while at < len(raw):
        name, mode, _, end = tree.entry_at(raw, at, width)
        yield name, (mode, raw[at:end])
        at = end


def _is_folder(raw: tree.Raw | None) -> bool:
    return raw is not None and raw[0] == tree.DIRECTORY


def _folder(raw: tree.Raw | None) -> str | None:
    return raw[1].hex() if raw is not None and raw[0] == tree.DIRECTORY else None


def commit(repo: Repository, top: str, parent: str, *, who: Person, at: datetime, message: str) -> str:
    """Write a commit of a tree on a parent; its id."""
    writing = Writing(repo)
    made = writing.commit(top, parent, who, f"{int(at.timestamp())} {at:%z}", message)
    writing.finish()
    return made


def check(name: str) -> None:
    """Raises InvalidRequestError for what is no name of a branch."""
    if name.startswith("-") or not refs.valid(f"refs/heads/{name}"):
        raise InvalidRequestError(
            f"{name!r} is no name for a branch", hint="letters, digits, `-`, `_` and `/` are safe"
        )


def branch(repo: Repository, name: str, made: str) -> None:
    """Make a branch at a commit. Raises ConflictError where one of that name is."""
    if not repo.refs.create(f"refs/heads/{name}", made):
        raise ConflictError(
            f"the branch {name} exists and holds something else",
            hint=f"name another with --branch, or remove it: git branch -D {name}",
        )
