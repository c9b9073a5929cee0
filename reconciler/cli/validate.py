"""Check spec files and the code they name as they lie in the work tree, before they are committed."""

import sys
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from os.path import abspath, realpath
from pathlib import Path
from typing import Any

import click

from reconciler.cli import _log
from reconciler.cli._log import quickly
from reconciler.cli._place import Place, settings_of
from reconciler.cli._plan_text import located
from reconciler.cli._plan_words import many
from reconciler.cli._planning import Resolved, told_offline
from reconciler.cli._print import paint, plain, print_json, progress, say
from reconciler.daemon import mirrors
from reconciler.daemon.config import Settings
from reconciler.daemon.observe import Observer
from reconciler.daemon.reading import Environment
from reconciler.daemon.spec_dir import OVERLAYS, ROOT_FILE, YAML, SpecDir
from reconciler.daemon.view import Bring
from reconciler.daemon.words import words
from reconciler.git.repository import Repository
from reconciler.git.work_tree import WorkTree
from reconciler.model.errors import NotFoundError, SourceUnavailableError
from reconciler.model.plan import Desired, Problem, Source
from reconciler.model.state import Observed

NOWHERE = Path("/nonexistent")
"""Where fetched repositories are looked for: a work tree is checked by itself."""


@click.command("validate")
@click.argument("path", required=False)
@click.option("--specs", metavar="DIR", help="Directory of spec files (default: specs).")
@click.option("--env", metavar="NAME", help="As this environment only (default: as none, and as each that is there).")
@click.option("--variable", "variables", multiple=True, metavar="NAME=VALUE", help="For `{{ NAME }}`; once for each.")
@click.option("--json", "as_json", is_flag=True, help="A JSON object.")
@click.pass_obj
def command(obj: dict[str, Any], /, path: str | None, as_json: bool, **flags: Any) -> None:
    """Check spec files and the code they name as they lie in the work tree; what the daemon would refuse is refused.

    \b
    PATH is a file or folder, in a repository or not. Exit 0, or 1 on problems; never uses the network.
    JSON: {problems: [{file, line, column, key, message}], notes: [the same keys]}
    """
    settings = _settings(obj, path, flags)
    target = _target(obj, path, settings.specs)
    with quickly(), progress("reading specs"):
        found = _read(target, settings)
    problems, notes = target.only(_together(found, 0)), target.only(_together(found, 1))
    if as_json:
        print_json({"problems": [p.json() for p in problems], "notes": [n.json() for n in notes]})
    else:
        _tell(target, found, problems, notes)
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


def _settings(obj: dict[str, Any], path: str | None, flags: dict[str, Any]) -> Settings:
    """The operator's settings and the branch that is tracked; outside of any repository there are only the flags."""
    try:
        place = Place.of(obj)
        settings = settings_of(place, flags)
        return settings if settings.branch else replace(settings, branch=_log.branch(place))
    except SourceUnavailableError:
        if path is None:
            raise
        return settings_of(Place(NOWHERE, NOWHERE), flags)


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


@dataclass(frozen=True, slots=True)
class Found:
    """What the files say as one environment."""

    env: str | None
    desired: Desired
    told: tuple[tuple[Problem, ...], tuple[Problem, ...]]
    """Problems and notes."""


def _read(target: Target, settings: Settings) -> list[Found]:
    """What the files say, read by the very code that reads commits: as the environment that is set, or as each."""
    repo = _repository(target.root)
    with repo or nullcontext():
        tree = WorkTree(target.root, repo)
        ours, resolve = (lambda address: address == "."), mirrors.offline
        branch = settings.branch or (repo.main_branch() if repo else None)
        bring: Bring = _nothing
        if repo is not None:
            opened = lambda: Repository.open(target.root, trust_owner=True)  # noqa: E731 - a thing to hand over
            others = mirrors.Mirrors(opened, NOWHERE, settings.allow_hosts, 0.0)
            ours, resolve = others.ours, Resolved(others, Observed())
            bring = partial(others.submodules, fetch=False)
        known = words()
        found = []
        for name in _environments(target, settings.env, tree):
            env = Environment.of(name, settings.variables, branch)
            desired = Observer(target.specs, known, ours, resolve, bring, env=env).desired(tree, tree.head, None)
            found.append(Found(name, desired, told_offline(desired.problems, desired.notes)))
        return found


def _nothing(_repo: Repository, _tree: str, _source: Source) -> tuple[()]:
    """Outside of a repository there are no submodules."""
    return ()


def _environments(target: Target, given: str | None, tree: WorkTree) -> list[str | None]:
    """What the files are read as; where one overlay is asked for, as its environment."""
    there = SpecDir(target.specs).environments(tree, tree.head)
    asked = next((name for name, entry in there.items() if entry.path == target.part), None)
    if given is not None or asked is not None:
        return [asked if given is None else given or None]
    return [None, *sorted(there)]


def _together(found: list[Found], which: int) -> tuple[Problem, ...]:
    """Problems or notes of every environment, each once: with the name of the one it is met in, where only there."""
    first, *rest = found
    told = list(first.told[which])
    for each in rest:
        apart = f"{OVERLAYS}/{each.env}."
        for one in each.told[which]:
            if one not in told:
                named = apart in one.file or one in first.told[which]
                told.append(one if named else replace(one, message=f"{one.message} (as {each.env})"))
    return tuple(sorted(set(told)))


def _tell(target: Target, found: list[Found], problems: tuple[Problem, ...], notes: tuple[Problem, ...]) -> None:
    for problem in problems:
        located("problem", problem)
    for note in notes:
        located("note", note)
    files = {d.name: d.file for each in reversed(found) for d in each.desired.deployments.values()}
    sound = sum(map(target.holds, files.values()))
    overlaid = f"/{OVERLAYS}/" in f"/{target.part}"
    if not sound and not problems and not overlaid:
        say(f"no deployments in {plain(target.part or target.specs)} of {plain(target.root)}")
        return
    counts = f"{many(sound, 'deployment')} without fault, {many(len(problems), 'problem')}"
    as_each = ", ".join(each.env for each in found if each.env)
    counts += f"; environments: {plain(as_each)}" if as_each else ""
    say(paint(counts, "red" if problems else "green"))
