"""The submodules of a commit: where each lies, which commit the tree records, whose address it has. Called by mirrors.

Only what the tree itself names is looked at: an entry of `.gitmodules` whose path is no submodule means nothing, and
nothing else it says (names, update commands, branches) is ever read.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from dulwich.config import ConfigFile

from reconciler.git import url
from reconciler.git.objects import TooLargeError
from reconciler.git.repository import Repository
from reconciler.git.tree import EXECUTABLE, FILE, GITLINK, lookup
from reconciler.model.errors import InvalidRequestError, ReconcilerError, StepError

LIST = ".gitmodules"
MOST, DEPTH = 64, 5
_LIST_BYTES = 256 * 1024
_SECTIONS = 1000
_SHOWN = 200

Bring = Callable[[str, str], Path]
"""(address, commit) to a repository that has the commit. Raises a ReconcilerError."""


@dataclass(frozen=True, slots=True)
class Submodule:
    """One submodule, below the top of the working copy."""

    path: str
    commit: str
    address: str
    """Absolute: a URL, or a path on this machine."""


def listed(repo: Repository, tree: str, base: str, *, local: bool, hosts: Collection[str]) -> Iterator[Submodule]:
    """The submodules that one tree records and `.gitmodules` gives an address, in the order of the latter.

    `base` is the address relative ones start from. Only where the tree's own repository is `local`, known by a path or
    ours, may an address be a path. Raises StepError for an address that may not be used or a list that is none.
    """
    seen: set[str] = set()
    for path, address in _entries(repo, tree):
        entry = lookup(repo, tree, path)
        if entry is None or entry.mode != GITLINK or path in seen:
            continue
        seen.add(path)
        if len(seen) > MOST:
            raise StepError(f"{LIST} names more than {MOST} submodules")
        place = resolve(address, base)
        refused = url.allowed(place, hosts)
        if not refused and url.host(place) is None and not local:
            refused = "a repository elsewhere may not name a folder of this machine"
        if refused:
            raise StepError(f"submodule {path[:_SHOWN]!r}: {url.redact(place)[:_SHOWN]!r}: {refused}")
        yield Submodule(path, entry.id, place)


def paths(repo: Repository, tree: str) -> list[str]:
    """Where `.gitmodules` of a tree says that submodules lie, whether or not they do; none where it is no such list."""
    try:
        return [path for path, _ in _entries(repo, tree)]
    except StepError:
        return []


def resolve(address: str, base: str) -> str:
    """An address as git reads it: `./x` and `../x` are relative to that of the repository. Raises StepError."""
    if not address.startswith(("./", "../")):
        return address
    head, rest = _without_user(base).rstrip("/"), address
    joint = "/"
    while rest.startswith(("./", "../")):
        if rest.startswith("../"):
            cut = max(head.rfind("/"), head.rfind(":"))
            if cut <= 0 or head[:cut].endswith((":", "/")):
                raise StepError(f"the address {url.redact(address)[:_SHOWN]!r} climbs out of {url.redact(base)!r}")
            joint = head[cut]
            head, rest = head[:cut], rest[3:]
        else:
            rest = rest[2:]
    return f"{head}{joint}{rest.rstrip('/')}"


def every(repo: Repository, tree: str, base: str, rules: "Rules") -> list[tuple[Submodule, Path]]:
    """All submodules of a tree and theirs, parents first, each with the repository that `rules.bring` finds for it.

    Raises StepError for what may not be, and what `bring` raises, with the submodule's path.
    """
    found: list[tuple[Submodule, Path]] = []
    _below(repo, tree, _Level("", base, rules.local, 0), rules, found)
    return found


@dataclass(frozen=True, slots=True)
class Rules:
    """What submodules may be, and how their repositories are had."""

    hosts: Collection[str]
    bring: Bring
    local: bool
    directories: tuple[str, ...] = ()
    """The only folders that are laid out; empty for all."""


@dataclass(frozen=True, slots=True)
class _Level:
    """The repository whose submodules are looked for."""

    prefix: str
    base: str
    local: bool
    depth: int


def _below(repo: Repository, tree: str, level: _Level, rules: Rules, found: list[tuple[Submodule, Path]]) -> None:
    for module in listed(repo, tree, level.base, local=level.local, hosts=rules.hosts):
        path = f"{level.prefix}{module.path}"
        if rules.directories and not any(f"{path}/".startswith(f"{d}/") for d in rules.directories):
            continue
        if level.depth >= DEPTH or len(found) >= MOST:
            raise StepError(f"submodule {path[:_SHOWN]!r}: more than {DEPTH} levels or {MOST} submodules")
        try:
            place = rules.bring(module.address, module.commit)
        except ReconcilerError as error:
            error.message = f"submodule {path[:_SHOWN]!r} at {module.commit[:12]}: {error.message}"
            raise
        found.append((Submodule(path, module.commit, module.address), place))
        with Repository.open(place, trust_owner=True) as inner:
            below = _Level(f"{path}/", module.address, url.host(module.address) is None, level.depth + 1)
            _below(inner, inner.commit(module.commit).tree, below, rules, found)


def _entries(repo: Repository, tree: str) -> Iterator[tuple[str, str]]:
    """Path and address of each section of `.gitmodules` that has both."""
    entry = lookup(repo, tree, LIST)
    if entry is None:
        return
    if entry.mode not in (FILE, EXECUTABLE):
        raise StepError(f"{LIST} is not a regular file")
    try:
        config = ConfigFile.from_file(BytesIO(repo.blob(entry.id, _LIST_BYTES)), expand_includes=False)
    except TooLargeError as error:
        raise StepError(f"{LIST}: {error.message}") from None
    except (ValueError, UnicodeError):
        raise StepError(f"{LIST} is not a list of submodules as git writes it") from None
    for count, section in enumerate(config.sections()):
        if count > _SECTIONS:
            raise StepError(f"{LIST} has more than {_SECTIONS} sections")
        if section[0].lower() == b"submodule" and b"path" in config[section] and b"url" in config[section]:
            path, address = (config.get(section, key).decode("utf-8", "surrogateescape") for key in (b"path", b"url"))
            yield path.rstrip("/"), address


def _without_user(base: str) -> str:
    """The address from which relative ones start; the name and password of a web address stay with their owner."""
    try:
        web = url.parse(base).scheme in ("http", "https")
    except InvalidRequestError:
        return base
    return url.redact(base) if web else base
