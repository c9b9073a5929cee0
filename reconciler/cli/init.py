"""Write a first spec and flow into this repository, and say what to do next."""

from pathlib import Path
from typing import Any

import click

from reconciler.cli import schema
from reconciler.cli._print import plain, say
from reconciler.git.repository import Repository
from reconciler.model.errors import AccessError, ConflictError, SourceUnavailableError

SPEC = """\
# yaml-language-server: $schema=.schema.json
# Committing this file deploys what it says; `reconciler validate` checks it first.
deployments:
  - name: main
    entrypoint: flows/hello.py:hello
    parameters:
      name: world
    schedules:
      - cron: "0 9 * * MON-FRI"
        timezone: UTC
"""
FLOW = '''\
"""A first flow: a plain function. What it prints is kept, what it returns is recorded."""


def hello(name: str = "world") -> str:
    """Greet someone."""
    greeting = f"Hello, {name}!"
    print(greeting)
    return greeting
'''
NEXT = """\
Next:
  git add specs flows
  git commit -m "A first deployment"
  reconciler serve                         # in a terminal of its own: deploys what is committed
  reconciler run hello/main -p name=you --wait"""


@click.command("init")
@click.pass_obj
def command(obj: dict[str, Any]) -> None:
    """Write specs/hello.yaml, its schema for editors, and flows/hello.py. Never overwrites; commits nothing."""
    top = _top(Path(obj["repo"]))
    files = {"specs/hello.yaml": SPEC, "flows/hello.py": FLOW}
    there = [name for name in files if (top / name).exists() or (top / name).is_symlink()]
    if there:
        raise ConflictError(
            f"{' and '.join(there)} exist{'s' * (len(there) == 1)} already in {top}",
            hint="nothing was written; see `reconciler validate` and `reconciler plan`",
        )
    if not (top / "specs/.schema.json").exists():
        files["specs/.schema.json"] = schema.text() + "\n"
    for name, text in files.items():
        _write(top, name, text)
        say(f"wrote {plain(name)}")
    say(NEXT)


def _top(path: Path) -> Path:
    with Repository.open(path, trust_owner=True) as repo:
        if repo.work_tree is None:
            raise SourceUnavailableError(
                f"{path}: a bare repository has no work tree to write into", hint="run this in a clone of it"
            )
        return repo.work_tree


def _write(top: Path, name: str, text: str) -> None:
    """Write a new file below the top; a folder that is a link out of it is not followed."""
    file = top / name
    try:
        file.parent.mkdir(exist_ok=True)
        if file.parent.is_symlink():
            raise ConflictError(
                f"{file.parent} is a symbolic link", hint="specs and flows are folders of the repository"
            )
        with file.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except PermissionError:
        raise AccessError(f"this user may not write {file}") from None
    except OSError as error:
        raise ConflictError(f"{file} cannot be written: {error.strerror}") from None
