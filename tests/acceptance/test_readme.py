"""The README's tour, typed literally: its commands run in a shell of their own and print what the page shows."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from helpers_git import Repo
from served import COMMAND, ENV, ROOT, in_session, reconciler, until

README = (ROOT / "README.md").read_text("utf-8")
BLOCK = re.compile(r"^```(sh|text)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def tour() -> list[tuple[str, str]]:
    """The tour's blocks in order: `sh` to type, `text` shown after it."""
    section = README.split("\n## A five-minute tour\n")[1].split("\n## ")[0]
    return BLOCK.findall(section)


@dataclass
class Shell:
    """A bash that is typed into."""

    process: "subprocess.Popen[bytes]"
    output: Path
    typed: int = 0

    def type(self, commands: str) -> str:
        """Type commands; what they print."""
        assert self.process.stdin
        before = len(self.output.read_text("utf-8"))
        self.typed += 1
        mark = f"--- typed {self.typed} ---"
        self.process.stdin.write(f"{commands}\necho '{mark}'\n".encode())
        self.process.stdin.flush()
        until(lambda: mark in self.output.read_text("utf-8"), f"the end of:\n{commands}")
        return self.output.read_text("utf-8")[before:].replace(mark, "")


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """In an empty folder, with `reconciler` on the PATH."""
    command = tmp_path / "bin" / "reconciler"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {shlex.join(COMMAND)} "$@"\n')
    command.chmod(0o755)
    (tmp_path / "here").mkdir()
    env = ENV | {"PATH": f"{command.parent}:{ENV['PATH']}"}
    with (tmp_path / "output").open("wb") as output:
        process = subprocess.Popen(
            ["bash"], cwd=tmp_path / "here", env=env, stdin=subprocess.PIPE, stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
    try:
        yield Shell(process, tmp_path / "output")
    finally:
        for pid in [*in_session(process.pid)]:
            if pid != process.pid:
                subprocess.run(["kill", str(pid)], check=False)
        process.communicate(timeout=20)
        until(lambda: not in_session(process.pid), "everything to end")


def masked(text: str) -> str:
    """A line without what differs from one day to the next: ids, instants, the width of columns."""
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", "TIME", text)
    text = re.sub(r"\b[0-9a-f]{8,64}\b", "ID", text)
    return re.sub(r"\s+", " ", text).strip()


def shows(printed: str, shown: str) -> None:
    """Every line shown is printed, in order; `…` stands for anything."""
    lines = iter(printed.splitlines())
    for line in shown.splitlines():
        pattern = ".*".join(map(re.escape, masked(line).split("…")))
        assert any(re.search(pattern, masked(one)) for one in lines), f"{line!r} is not printed:\n{printed}"


def settled(repo: Path) -> None:
    """As a person would, look again once the daemon has made up its mind about the newest commit."""
    head = Repo(repo, init=False).head()
    words = "events", "--type", "RevisionApplied", "--type", "RevisionRefused", "--json"
    until(lambda: f'"revision": "{head}"' in reconciler(repo, *words, code=None), f"{head[:8]} to be decided")


def test_the_tour_prints_what_it_shows(shell: Shell, tmp_path: Path) -> None:
    repo, serving, printed = tmp_path / "here/greetings", False, ""
    for language, body in tour():
        if language == "text":
            shows(printed, body)
            continue
        printed = shell.type(body)
        serving = (serving or "reconciler serve" in body) and "kill $!" not in body
        if serving:
            settled(repo)
    until(lambda: not list(repo.glob(".git/reconciler/socket")), "the daemon to stop")


@pytest.mark.parametrize(
    ("marker", "command"),
    [
        ("demo", "python3 -m venv .venv && .venv/bin/pip install -q . && .venv/bin/reconciler demo"),
        ("tests", "python3 -m venv .venv && .venv/bin/pip install -q -e '.[dev]' && .venv/bin/pytest"),
    ],
)
def test_the_two_commands_stand_where_ci_reads_them(marker: str, command: str) -> None:
    assert f"<!-- {marker} -->\n```sh\n{command}\n```\n" in README
