"""`git_clone`: source from a git repository, at a commit that was resolved when the deployment was reconciled."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from re import fullmatch, match
from typing import Any, ClassVar

from reconciler.model.errors import StepError
from reconciler.steps import Context, Step

_WITH_CREDENTIALS = r"https?://[^/\s]*@|[A-Za-z][A-Za-z0-9+.-]*://[^/\s@]*:[^/\s]*@"
"""A name or password in a URL; `ssh://git@host` holds neither secret nor person."""


@dataclass(frozen=True, kw_only=True)
class GitClone(Step):
    """Lay a repository out below the run's folder, or into it when no repository is named."""

    TAKES_TEMPLATES_ONLY: ClassVar[frozenset[str]] = frozenset({"access_token", "credentials"})
    TAKES_SECRETS: ClassVar[frozenset[str]] = TAKES_TEMPLATES_ONLY

    repository: str
    """A URL (https or ssh), a path, or `.` for the repository of the spec."""
    branch: str | None = None
    """The branch whose newest commit to take; the default branch if neither it nor `commit_sha` is given."""
    commit_sha: str | None = None
    """The commit to take, in full."""
    include_submodules: bool = False
    """Whether submodules are laid out too, each at the commit that the repository records for it."""
    access_token: str | None = None
    """A reference to the token with which to fetch."""
    credentials: str | dict[str, Any] | None = None
    """A reference to the credentials with which to fetch."""
    directories: list[str] | None = None
    """The only directories (or files) to lay out."""
    clone_directory_name: str | None = None
    """The folder to lay it out in; the repository's name, with `-branch` where one is given, if absent."""

    def problems(self) -> Iterable[tuple[str, str]]:
        """Inputs that exclude each other, and names that lead elsewhere."""
        if self.branch and self.commit_sha:
            yield "commit_sha", "either branch or commit_sha, not both"
        if self.access_token and self.credentials:
            yield "credentials", "either access_token or credentials, not both"
        if match(_WITH_CREDENTIALS, self.repository):
            yield (
                "repository",
                "an address may not hold a user name or password: keep credentials out of the repository",
            )
        if self.branch and self.branch.startswith("-"):
            yield "branch", "a branch's name does not start with '-'"
        if (
            self.commit_sha
            and "{{" not in self.commit_sha
            and not fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", self.commit_sha)
        ):
            yield "commit_sha", "a commit's full id: 40 (or 64) hex digits in lower case"
        if self.clone_directory_name is not None and not _inside(self.clone_directory_name):
            yield "clone_directory_name", "the name of a folder below the run's own: no '..', no leading '/'"
        for directory in self.directories or ():
            if not _inside(directory):
                yield "directories", f"{directory!r} does not lie in the repository"

    @staticmethod
    def act(inputs: Mapping[str, Any], context: Context) -> Mapping[str, Any]:
        """Lay the commit out and answer the absolute `directory`: later steps find it wherever they stand."""
        name = _folder(inputs)
        if not _inside(name):
            raise StepError(f"git_clone: {name!r} is no folder below the run's own")
        context.lay_out(context.work / name, inputs)
        return {"directory": str(context.work / name)}


def _folder(inputs: Mapping[str, Any]) -> str:
    if inputs.get("clone_directory_name"):
        return str(inputs["clone_directory_name"])
    repository = inputs.get("repository")
    if not repository:
        return "."
    branch = f"-{inputs['branch'].replace('/', '-')}" if inputs.get("branch") else ""
    return _name(str(repository), Path(inputs.get("git_dir") or "repository")) + branch


def _name(repository: str, git_dir: Path) -> str:
    """The last part of a URL or path without `.git`; of `.`, the folder that the repository lies in."""
    last = repository.rstrip("/").replace(":", "/").rpartition("/")[2].removesuffix(".git")
    if last not in {"", ".", ".."}:
        return last
    return git_dir.parent.name if git_dir.name == ".git" else git_dir.name.removesuffix(".git")


def _inside(name: str) -> bool:
    path = PurePosixPath(name)
    return bool(name) and not path.is_absolute() and ".." not in path.parts and "\0" not in name
