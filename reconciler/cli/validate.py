"""Check spec files and the code they name as they lie in the work tree, before they are committed."""

import sys
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from os.path import abspath, realpath
from pathlib import Path
from typing import Any

import click

from reconciler.cli._log import quickly
from reconciler.cli._place import Place, settings_of
from reconciler.cli._plan_text import located
from reconciler.cli._planning import Resolved, told_offline
from reconciler.cli._print import paint, plain, print_json, progress, say
from reconciler.daemon import mirrors
from reconciler.daemon.config import Settings
from reconciler.daemon.observe import ROOT_FILE, Observer
from reconciler.daemon.view import Bring
from reconciler.daemon.words import words
from reconciler.git.repository import Repository
from reconciler.git.work_tree import WorkTree
from reconciler.model.errors import NotFoundError, SourceUnavailableError
from reconciler.model.plan import Desired, Problem, Source
from reconciler.model.state import Observed

YAML = (".yaml", ".yml")
NOWHERE = Path("/nonexistent")
"""Where fetched repositories are looked for: a work tree is checked by itself."""


@click.command("validate")
@click.argument("path", required=False)
@click.option("--specs", metavar="DIR", help="Directory of spec files (default: specs).")
@click.option("--json", "as_json", is_flag=True, help="A JSON object.")
@click.pass_obj
def command(obj: dict[str, Any], path: str | None, specs: str | None, as_json: bool) -> None:
    """Check spec files and the code they name as they lie in the work tree; what the daemon would refuse is refused.

    \b
    PATH is a file or folder, in a repository or not. Exit 0, or 1 on problems; never uses the network.
    JSON: {problems: [{file, line, column, key, message}], notes: [the same keys]}
    """
    settings = _settings(obj, path, specs)
    target = _target(obj, path, settings.specs)
    with quickly(), progress("reading specs"):
        desired = _read(target, settings.allow_hosts)
    problems, notes = told_offline(desired.problems, desired.notes)
    problems, notes = target.only(problems), target.only(notes)
    if as_json:
        print_json({"problems": [p.json() for p in problems], "notes": [n.json() for n in notes]})
    else:
        _tell(target, desired, problems, notes)
    sys.exit(int(bool(problems)))


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be checked."""

    root: Path
    """What entrypoints are relative to: the top of the work tree, or what would be."""
    specs: str
    """The directory of spec files, or the one file, from there."""
    part: str = ""
    """The file or folder whose problems are asked for; empty for all."""

    def holds(self, file: str) -> bool:
        """Whether a spec file is asked for."""
        return not self.part or file == self.part or file.startswith(f"{self.part}/")

    def only(self, told: tuple[Problem, ...]) -> tuple[Problem, ...]:
        """The problems that are asked for."""
        return tuple(p for p in told if self.holds(p.file))


def _settings(obj: dict[str, Any], path: str | None, specs: str | None) -> Settings:
    """The operator's settings; outside of any repository there are none but the flag."""
    try:
        return settings_of(Place.of(obj), {"specs": specs})
    except SourceUnavailableError:
        if path is None:
            raise
        return Settings(specs=specs or Settings().specs)


def _target(obj: dict[str, Any], path: str | None, specs: str) -> Target:
    """What PATH means. Raises NotFoundError, SourceUnavailableError."""
    if path is None:
        top = _top(Path(obj["repo"]))
        if top is None:
            raise SourceUnavailableError(
                f"{obj['repo']}: a bare repository has no work tree", hint="reconciler plan reads its commits"
            )
        return Target(top, specs)
    asked = Path(abspath(path))  # noqa: PTH100 - the last name is not followed: it may be a link
    asked = Path(realpath(asked.parent)) / asked.name
    if not asked.exists() and not asked.is_symlink():
        raise NotFoundError(f"{path}: no such file or folder")
    if asked.is_dir():
        asked = Path(realpath(asked))
        if (asked / specs).is_dir() or (asked / ROOT_FILE).is_file():
            return Target(asked, specs)
    return _part(asked, specs)


def _part(asked: Path, specs: str) -> Target:
    """A file or folder below the specs of some tree, or a draft that lies elsewhere."""
    for folder in asked.parents:
        if (folder / specs) in (asked, *asked.parents):
            part = asked.relative_to(folder).as_posix()
            hidden = "/." in f"/{part}"
            whole = asked.is_dir() or (asked.suffix in YAML and not hidden)
            return Target(folder, specs if whole else part, part)
    top = _top(asked) or (asked if asked.is_dir() else asked.parent)
    part = asked.relative_to(top).as_posix()
    return Target(top, part, "" if part == "." else part)


def _top(path: Path) -> Path | None:
    """The top of the work tree that holds a path; None outside of any, and in a bare repository."""
    repo = _repository(path if path.is_dir() else path.parent)
    if repo is None:
        return None
    with repo:
        return repo.work_tree


def _repository(folder: Path) -> Repository | None:
    try:
        return Repository.open(folder, trust_owner=True)
    except SourceUnavailableError:
        return None


def _read(target: Target, hosts: tuple[str, ...]) -> Desired:
    """What the files say, read by the very code that reads commits."""
    repo = _repository(target.root)
    with repo or nullcontext():
        tree = WorkTree(target.root, repo)
        ours, resolve = (lambda address: address == "."), mirrors.offline
        bring: Bring = _nothing
        if repo is not None:
            others = mirrors.Mirrors(lambda: Repository.open(target.root, trust_owner=True), NOWHERE, hosts, 0.0)
            ours, resolve = others.ours, Resolved(others, Observed())
            bring = partial(others.submodules, fetch=False)
        return Observer(target.specs, words(), ours, resolve, bring).desired(tree, tree.head, None)


def _nothing(_repo: Repository, _tree: str, _source: Source) -> tuple[()]:
    """Outside of a repository there are no submodules."""
    return ()


def _tell(target: Target, desired: Desired, problems: tuple[Problem, ...], notes: tuple[Problem, ...]) -> None:
    for problem in problems:
        located("problem", problem)
    for note in notes:
        located("note", note)
    sound = sum(target.holds(d.file) for d in desired.deployments.values())
    if not sound and not problems:
        say(f"no deployments in {plain(target.part or target.specs)} of {plain(target.root)}")
        return
    counts = (
        f"{sound} deployment{'s' * (sound != 1)} without fault, {len(problems)} problem{'s' * (len(problems) != 1)}"
    )
    say(paint(counts, "red" if problems else "green"))
