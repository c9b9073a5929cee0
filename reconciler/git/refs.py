"""Branch, tag and HEAD names and the commits behind them, as files or reftable. Called by repository, pins, remote."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from dulwich.errors import RefFormatError
from dulwich.file import FileLocked
from dulwich.objects import ObjectID
from dulwich.refs import DiskRefsContainer, Ref, RefsContainer, SymrefLoop, check_ref_format
from dulwich.reftable import ReftableRefsContainer

from reconciler.git.location import Location
from reconciler.model.errors import SourceUnavailableError

_ID = re.compile(rb"[0-9a-f]{40}(?:[0-9a-f]{24})?")


class Refs:
    """The refs of one repository as seen from one work tree."""

    def __init__(self, location: Location, *, reftable: bool) -> None:
        self._files = DiskRefsContainer(str(location.common_dir), str(location.git_dir))
        self.container: RefsContainer = self._files
        # The library creates what it misses: only an existing table is opened.
        if reftable and (location.common_dir / "reftable" / "tables.list").is_file():
            self.container = ReftableRefsContainer(str(location.common_dir))

    def read(self, name: str) -> str | None:
        """The id a full ref name (or HEAD) leads to; None when there is none or it is no valid name."""
        if not valid(name):
            return None
        try:
            _names, value = self.container.follow(_ref(name))
        except (KeyError, ValueError, OSError, SymrefLoop):
            return None
        return value.decode() if value and _ID.fullmatch(value) else None

    def head_branch(self) -> str | None:
        """The branch that HEAD of this work tree names, born or not; None when detached."""
        return self._names("HEAD", "refs/heads/")

    def cloned_branch(self, remote: str) -> str | None:
        """The branch that HEAD of a remote named when it was cloned; None where that is not known."""
        return self._names(f"refs/remotes/{remote}/HEAD", f"refs/remotes/{remote}/")

    def _names(self, symbolic: str, prefix: str) -> str | None:
        """What a symbolic ref names below a prefix."""
        try:
            value = self.container.read_ref(_ref(symbolic))
        except (KeyError, ValueError, OSError):
            value = None
        target = value.removeprefix(b"ref: ").strip().decode("utf-8", "surrogateescape") if value else ""
        return (
            target.removeprefix(prefix) if value and value.startswith(b"ref: ") and target.startswith(prefix) else None
        )

    def symbolic(self, name: str) -> bool:
        """Whether a ref only leads to another one."""
        try:
            value = self.container.read_ref(_ref(name))
        except (KeyError, ValueError):
            return False
        return bool(value and value.startswith(b"ref: "))

    def under(self, prefix: str) -> dict[str, str]:
        """Every ref below a full prefix (`refs/x/`) with its id."""
        found = {}
        for key in self.container.subkeys(_ref(prefix)):
            name = prefix + key.decode("utf-8", "surrogateescape")
            if value := self.read(name):
                found[name] = value
        return found

    def remove(self, name: str) -> None:
        """Drop a ref, loose or packed; nothing happens when there is none. Raises SourceUnavailableError."""
        with _told(name):
            self.container.remove_if_equals(_ref(name), None)

    def create(self, name: str, value: str) -> bool:
        """Point a new ref at an id; False, and nothing happens, where there is one. Raises SourceUnavailableError."""
        with _told(name):
            return bool(self.container.add_if_new(_ref(name), ObjectID(value.encode())))

    def write(self, name: str, value: str) -> None:
        """Point a ref at an id, whatever it named before. Raises SourceUnavailableError."""
        with _told(name):
            self.container.set_if_equals(_ref(name), None, ObjectID(value.encode()))

    def swap(self, name: str, before: str | None, after: str) -> bool:
        """Point a ref at an id if it still names `before` (None: if it is not there); whether it did.

        False too while another process holds its lock. Raises SourceUnavailableError.
        """
        try:
            if before is None:
                return self.create(name, after)
            with _told(name):
                return self.container.set_if_equals(_ref(name), ObjectID(before.encode()), ObjectID(after.encode()))
        except SourceUnavailableError as error:
            if isinstance(error.__cause__, FileLocked):
                return False
            raise


@contextmanager
def _told(name: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, FileLocked, RefFormatError) as error:
        what = "another process holds its lock" if isinstance(error, FileLocked) else str(error)
        raise SourceUnavailableError(
            f"the ref {name} cannot be changed: {what}", hint="is the repository writable, and no git command stuck?"
        ) from error


def valid(name: str) -> bool:
    """Whether a full ref name is well-formed, and no option in disguise."""
    if name == "HEAD":
        return True
    return name.startswith("refs/") and "/-" not in name and check_ref_format(_ref(name))


def branch_ref(name: str, remote: str | None) -> str:
    """The full name of a local branch, or of a remote's branch as last fetched."""
    return f"refs/remotes/{remote}/{name}" if remote else f"refs/heads/{name}"


def _ref(name: str) -> Ref:
    return Ref(name.encode("utf-8", "surrogateescape"))
