"""What every verb keeps: one file, its first line the help, documented JSON, and quick because it imports little."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from helpers_daemon import environment
from helpers_git import Repo

from reconciler.cli import cli
from reconciler.stores.sqlite import SqliteStore

FOLDER = Path(importlib.import_module("reconciler.cli").__file__ or "").parent
VERBS = sorted(file.stem for file in FOLDER.glob("*.py") if not file.stem.startswith("_"))
READING = {"plan", "validate", "status", "show", "history", "runs", "events", "slots", "verify"}
READING |= {"diff", "revert", "backfill", "pools", "gc", "backup", "explain"}
READING |= {"replay", "bisect"}
HEAVY = {"dulwich", "pydantic", "yaml", "jsonschema", "croniter", "dateutil", "watchfiles"}
PROMISED = "serve init validate plan confirm status show history run runs logs cancel suspend resume retry".split()
PROMISED += "replay local bisect diff quarantine release revert".split()
PROMISED += "events slots schema verify pools gc backup completion backfill explain".split()


def test_every_promised_verb_is_there():
    assert set(PROMISED) <= set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_is_one_file_that_explains_itself(verb):
    source = (FOLDER / f"{verb}.py").read_text()
    first = source.partition("\n")[0]
    assert first.startswith('"""')
    assert len(first.strip('"')) <= 110
    assert (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0].endswith(".")
    command = importlib.import_module(f"reconciler.cli.{verb}").command
    assert isinstance(command, click.Command)
    told = CliRunner().invoke(cli, [verb, "--help"])
    assert told.exit_code == 0
    options = {name for param in command.params for name in param.opts}
    assert ("--json" in options) is (verb in READING)
    nameless = [p.name for p in command.params if isinstance(p, click.Option) and not p.help]
    assert nameless == []


def loaded(*words: str) -> set[str]:
    """The modules, by their first name, that a verb imports beyond those Python starts with."""
    code = (
        "import sys; before = set(sys.modules); import reconciler.cli\n"
        f"sys.argv = ['reconciler', *{list(words)!r}]\n"
        "try: reconciler.cli.main()\n"
        "except SystemExit: pass\n"
        "print('\\n' + ' '.join(sorted({name for name in set(sys.modules) - before})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True, timeout=30
    )
    return set(done.stdout.splitlines()[-1].split())


def test_help_imports_click_and_nothing_of_ours():
    found = loaded("--help")
    others = {name.partition(".")[0] for name in found} - sys.stdlib_module_names
    assert others == {"click", "reconciler"}
    assert {name for name in found if name.startswith("reconciler")} == {"reconciler", "reconciler.cli"}
    assert not found & {"sqlite3", "asyncio", "socket", "logging", "urllib.request", "http"}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    repo = Repo(tmp_path_factory.mktemp("verbs") / "repo")
    repo.commit({"a": "b"})
    state = repo.path / ".git/reconciler"
    state.mkdir(mode=0o700)
    SqliteStore.open(state / "log.db").close()
    return repo.path


@pytest.mark.parametrize(
    "words",
    [
        "runs",
        "events",
        "logs x",
        "show x",
        "run a/b",
        "cancel x",
        "retry x",
        "resume x",
        "status",
        "suspend a/b --reason x",
        "quarantine a/b --version x --reason x",
        "release a/b --reason x",
    ],
)
def test_what_reads_the_log_or_asks_the_daemon_imports_nothing_heavy(path, words):
    found = {name.partition(".")[0] for name in loaded("-C", str(path), *words.split())}
    assert "click" in found
    assert not found & HEAVY
