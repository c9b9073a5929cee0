"""Where a deployment's code comes from and lies, read off its pull steps: the source scope. Called by core/declare.

The whole repository is the default. `git_clone` of this repository narrows it by `directories`, `branch` or
`commit_sha`; of another one it is followed like a tracked remote (DESIGN section 5, Version).
"""

import re
from collections.abc import Callable, Mapping, Sequence

from reconciler.model.plan import Json, Source, SourceKind

CLONES = frozenset({"git_clone", "agit_clone"})


def sources(
    pull: Sequence[Mapping[str, Json]] | None, ours: Callable[[str], bool], tracked: str | None = None
) -> tuple[Source, ...]:
    """One source for each `git_clone` in order, commits not resolved yet (but for `commit_sha`).

    `pull` None is the default: this repository, whole. `ours` says whether a URL or path is this repository.
    `branch: main` where main is the `tracked` branch is what is read itself, as without `branch`: wherever it is read
    from (a remote's, a previewed branch, a pull request's).
    """
    if pull is None:
        return (Source(SourceKind.WHOLE),)
    return tuple(_source(step.get("inputs") or {}, ours, tracked) for step in pull if step["step"] in CLONES)


def primary(found: Sequence[Source]) -> Source:
    """The source that versions the deployment: the last clone, where the run ends up; NONE without any."""
    return found[-1] if found else Source(SourceKind.NONE)


def paths(source: Source, spec_file: str) -> tuple[str, ...]:
    """The paths whose newest change is the source commit."""
    if not source.directories:
        return (".",)
    own = (spec_file,) if source.kind is SourceKind.SCOPE else ()
    return (*source.directories, *own)


def within(path: str, scope: Sequence[str]) -> bool:
    """Whether a file is one of a scope's paths, or lies below one."""
    return any(each in (".", path) or path.startswith(f"{each}/") for each in scope)


def _source(inputs: Mapping[str, Json], ours: Callable[[str], bool], tracked: str | None) -> Source:
    repository = str(inputs.get("repository") or ".")
    directories = tuple(d.strip("/") or "." for d in inputs.get("directories") or ())
    directories = () if "." in directories else directories
    branch, commit = inputs.get("branch"), inputs.get("commit_sha")
    mine = ours(repository)
    modules = inputs.get("include_submodules") is True
    if commit:
        return Source(SourceKind.COMMIT, commit, None if mine else repository, None, directories, submodules=modules)
    if not mine:
        return Source(SourceKind.FOREIGN, None, repository, branch, directories, submodules=modules)
    if branch and branch != tracked:
        return Source(SourceKind.BRANCH, None, None, branch, directories, submodules=modules)
    kind = SourceKind.SCOPE if directories else SourceKind.WHOLE
    return Source(kind, None, None, None, directories, submodules=modules)


_PLACE = re.compile(r"\{\{\s*[\w.\-]*\bdirectory\s*\}\}")


def working_directory(pull: Sequence[Mapping[str, Json]] | None) -> str | None:
    """Where below the clone the pull steps end; None where only the run can tell.

    A `{{ clone.directory }}` stands for the root of the clone.
    """
    root = ""
    for step in pull or ():
        if step["step"] != "set_working_directory":
            continue
        directory = _PLACE.sub("", str((step.get("inputs") or {}).get("directory", "")))
        if "{{" in directory or (directory.startswith("/") and directory == step["inputs"]["directory"]):
            return None
        root = f"{root}/{directory}"
    parts = [p for p in root.split("/") if p not in {"", "."}]
    return None if ".." in parts else "/".join(parts)
