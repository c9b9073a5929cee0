"""Pull steps as files for Prefect write them, turned into what they mean here, each with a word. Called by core/parse.

There a server keeps credentials, continuous integration fills in its variables while it deploys, and steps may run on
Windows. Here the commit is recorded, and the repository's own objects need no credentials.
"""

import re
from typing import Any, Final

from reconciler.core._document_marks import Path, clip
from reconciler.core._parse_findings import Findings
from reconciler.core._parse_keys import step_word
from reconciler.core._parse_steps import items
from reconciler.core.version import CLONES
from reconciler.model.plan import Json

BLOCK: Final = "prefect.blocks."
SECRET: Final = "prefect.blocks.secret."  # noqa: S105 - the name of a kind of block, no secret
_ENV: Final = re.compile(r"\{\{\s*\$(\w+)\s*\}\}")
_COMMITS: Final = frozenset({"GITHUB_SHA", "CI_COMMIT_SHA", "BITBUCKET_COMMIT", "BUILD_SOURCEVERSION", "GIT_COMMIT"})
_BRANCHES: Final = frozenset(
    {"GITHUB_REF_NAME", "GITHUB_HEAD_REF", "CI_COMMIT_REF_NAME", "CI_COMMIT_BRANCH", "BITBUCKET_BRANCH"}
    | {"BUILD_SOURCEBRANCHNAME", "GIT_BRANCH"}
)
_CI: Final = {"commit_sha": (_COMMITS, "commit"), "branch": (_BRANCHES, "branch")}
_BEFORE_DIRECTORY: Final = re.compile(r"(?<![^{}])([^{}/]*+)/[^{}]*+(?=\{\{\s*+[\w.\-]+\.directory\s*+\}\})")
"""Begun behind a brace only: a text of slashes would cost its square."""
_DRIVE: Final = re.compile(r"[A-Za-z]:[\\/]|\\\\")
_REMOTE: Final = re.compile(r"prefect_\w+\..+|.*\b(?:pull_from_remote_storage|pull_with_block)")
_OWN_FOLDER: Final = re.compile(
    r"\.?/?$|~|/home/[^/{]+(?:/|$)|/Users/[^/{]+(?:/|$)|/root/|/workspaces/|/mnt/[a-z]/|/[a-z]/Users/"
    r"|[A-Za-z]:[\\/]|\\\\",
)
"""Where people keep their clones, on all systems; an image or a server has its code elsewhere."""
_IMAGE_FOLDER: Final = re.compile(r"/(?:opt/prefect|usr/src/app|app)(?:/|$)")
"""Where images built from a repository have it: Prefect's own, and what Dockerfiles usually say."""
_IN_IMAGE: Final = "a folder of an image: here it is this repository at the recorded commit"
_DEPLOYED_FROM: Final = (
    "the folder it was deployed from, on another machine: here it is this repository at the recorded commit "
    "(`path` of a deployment names a folder within it)"
)
_THIS_REPOSITORY: Final = "without a `pull` the code is this repository at its recorded commit"


def step(item: Json, path: Path, found: Findings) -> Json:
    """A pull step without what only Prefect's surroundings give; what cannot work here is told at its place."""
    if not isinstance(item, dict) or len(item) != 1:
        return item
    ((name, inputs),) = item.items()
    word, path = step_word(name)[0], (*path, name)
    if _REMOTE.fullmatch(name):
        told = (
            f"`{clip(name)}` is not here: code comes from git; remove the step ({_THIS_REPOSITORY}), or use git_clone"
        )
        found.problem(path, told, key=True)
    if not isinstance(inputs, dict):
        return item
    if word == "git_clone":
        return {name: _clone(inputs, path, found)}
    if word == "set_working_directory":
        return {name: _directory(inputs, path, found)}
    return item


def rooted(section: Json, pushes: Json, path: Path, found: Findings) -> Json:
    """A `pull` without a clone, where its code is this repository all the same: then it begins with that.

    It is where a step goes to a folder of the machine that deployed, which Prefect's CLI writes by itself, or to
    the one that an image built from it has, and where it fetches what the file's own `push` uploads.
    """
    steps = items(section, path)
    if any(_name(item) in CLONES for _, item in steps):
        return section
    pushed = {_name(item).replace("push_to", "pull_from") for _, item in items(pushes, ())}
    for index, (where, item) in enumerate(steps):
        word, told = _name(item), ""
        inputs = next(iter(item.values())) if word else None
        given = inputs.get("directory") if isinstance(inputs, dict) else None
        if word == "set_working_directory" and isinstance(given, str):
            told = _DEPLOYED_FROM if _OWN_FOLDER.match(given) else _IN_IMAGE if _IMAGE_FOLDER.match(given) else ""
            if not told:
                return section
            where = (*where, *item, "directory")
        elif word in pushed and _REMOTE.fullmatch(word):
            where, told = (*where, *item), "what `push` uploads is this repository: here it is taken from git"
        if told:
            found.note(where, told, key=where[-1] != "directory")
            clone = {"git_clone": {"repository": ".", **({"id": inputs["id"]} if inputs and "id" in inputs else {})}}
            return [*section[:index], clone, *section[index + 1 :]] if isinstance(section, list) else clone
    return section


def _name(item: Json) -> str:
    """The short word of a step; empty where it is none."""
    return step_word(str(next(iter(item))))[0] if isinstance(item, dict) and len(item) == 1 else ""


def settled(item: Json, path: Path, found: Findings) -> None:
    """Tell what of a rendered `git_clone` only a run would know: its source is found when it is reconciled."""
    if not isinstance(item, dict) or len(item) != 1:
        return
    ((name, inputs),) = item.items()
    if isinstance(inputs, dict) and step_word(name)[0] == "git_clone":
        for key in ("repository", "branch", "commit_sha"):
            if isinstance(inputs.get(key), str) and "{{" in inputs[key]:
                told = "is looked up when git is read, not in a run: write the value here, or a name of `variables`"
                found.problem((*path, name, key), told)


def secret(name: str) -> str | None:
    """The name of the secret that `prefect.blocks.secret.NAME` means; None for any other block."""
    named = name.removeprefix(SECRET).removesuffix(".value")
    return named if name.startswith(SECRET) and "." not in named and "[" not in named else None


def _clone(inputs: dict[str, Json], path: Path, found: Findings) -> dict[str, Json]:
    given = {key: value for key, value in inputs.items() if value is not None}
    for key in ("credentials", "access_token"):
        value = given.get(key)
        if isinstance(value, str) and BLOCK in value and SECRET not in value:
            found.note(
                (*path, key),
                "Prefect's blocks do not exist here: this repository needs none; for another one that is private write "
                "`access_token: '{{ secret.NAME }}'`",
                key=True,
            )
            del given[key]
    for key, (names, what) in _CI.items():
        match = _ENV.fullmatch(given[key].strip()) if isinstance(given.get(key), str) else None
        if match and match[1] in names:
            found.note(
                (*path, key), f"a variable of continuous integration: here the {what} is the recorded one", key=True
            )
            del given[key]
    return given


def _directory(inputs: dict[str, Json], path: Path, found: Findings) -> dict[str, Json]:
    given: Any = inputs.get("directory")
    if not isinstance(given, str):
        return inputs
    where = (*path, "directory")
    if _DRIVE.match(given):
        told = f"a folder of a Windows machine, which no run here can enter: remove the step ({_THIS_REPOSITORY})"
        found.problem(where, told)
    clean = _BEFORE_DIRECTORY.sub(r"\1", given)
    if clean != given:
        found.note(where, "`directory` of a step is absolute here: what stands before it is left out")
    return {**inputs, "directory": clean}
