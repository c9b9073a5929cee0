"""Which of many scopes a commit touched: the scopes as a tree of names, walked beside two trees. Called by history."""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from reconciler.git.repository import Repository
from reconciler.git.tree import DIRECTORY, Change, Raw, changes
from reconciler.model.errors import SourceUnavailableError

K = TypeVar("K", bound=Hashable)

_DEPTH_LIMIT = 200
"""Levels of one tree that are followed; what lies deeper counts as changed."""


@dataclass(slots=True, eq=False)
class Node(Generic[K]):
    """A directory or file name that scopes name, and the scopes that end here."""

    parent: "Node[K] | None" = None
    name: bytes = b""
    children: "dict[bytes, Node[K]]" = field(default_factory=dict)
    keys: set[K] = field(default_factory=set)
    places: "dict[K, list[Node[K]]]" = field(default_factory=dict)
    """At the root only: where each scope not yet answered ends."""
    seen: tuple[str, bytes] | None = None
    """The tree last read here: the parent's tree of one step is the own tree of the next."""

    @property
    def live(self) -> bool:
        """Whether any scope is still without an answer."""
        return bool(self.places)

    def remaining(self) -> list[K]:
        """The scopes without an answer."""
        return list(self.places)

    def answer(self, key: K) -> None:
        """Forget a scope and every name only it named."""
        for node in self.places.pop(key):
            node.keys.discard(key)
            at: Node[K] | None = node
            while at is not None and at.parent is not None and not at.keys and not at.children:
                at.parent.children.pop(at.name, None)
                at = at.parent


def build(wanted: Mapping[K, tuple[str, ...]]) -> Node[K]:
    """The tree of names of all scopes."""
    root: Node[K] = Node()
    for key, paths in wanted.items():
        for path in paths:
            node = root
            for name in path.encode("utf-8", "surrogateescape").split(b"/") if path != "." else ():
                child = node.children.get(name)
                if child is None:
                    child = node.children[name] = Node(node, name)
                node = child
            node.keys.add(key)
            root.places.setdefault(key, []).append(node)
    return root


def touched(repo: Repository, root: Node[K], before: str | None, after: str) -> set[K]:
    """The scopes that differ between two trees, which are answered thereby."""
    found: set[K] = set()
    if before != after:
        _touch(repo, root, (before, after), found, wanted=False, depth=0)
        for key in found:
            root.answer(key)
    return found


def _touch(
    repo: Repository,
    node: Node[K] | None,
    ids: tuple[str | None, str | None],
    found: set[K],
    *,
    wanted: bool,
    depth: int,
) -> bool:
    """Whether a file differs below; scopes that do are added to `found`. `wanted`: a folder above must know."""
    if depth > _DEPTH_LIMIT:
        return True
    wanted = wanted or (node is not None and bool(node.keys))
    changed = False
    for name, old, new in _changes(repo, node, ids):
        child = node.children.get(name) if node is not None else None
        if child is None and (changed or not wanted):
            if node is None or not node.children:
                break
            continue
        if _is_leaf(old) or _is_leaf(new):
            changed = True
            found |= child.keys if child is not None else set()
        else:
            below = wanted and not changed
            changed |= _touch(repo, child, (_id(old), _id(new)), found, wanted=below, depth=depth + 1)
    if changed and node is not None:
        found |= node.keys
    return changed


def _changes(repo: Repository, node: Node[K] | None, ids: tuple[str | None, str | None]) -> Iterator[Change]:
    before, after = ids
    if node is not None and node.seen is not None and node.seen[0] == after:
        new = node.seen[1]
    else:
        new = repo.tree_bytes(after) if after else b""
    old = repo.tree_bytes(before) if before else b""
    if node is not None:
        node.seen = (before, old) if before else None
    try:
        yield from changes(old, new, repo.format.oid_length)
    except ValueError as error:
        raise SourceUnavailableError(f"tree {after or before} is malformed") from error


def _is_leaf(raw: Raw | None) -> bool:
    return raw is not None and raw[0] != DIRECTORY


def _id(raw: Raw | None) -> str | None:
    return raw[1].hex() if raw is not None else None
