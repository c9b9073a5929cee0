"""`run_shell_script`: commands before the flow; each line is a process of its own unless a shell is asked for."""

import os
import shlex
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from string import Template
from typing import IO, Any, ClassVar

from reconciler.model.errors import StepError
from reconciler.steps import Context, Step

_TAIL_CHARACTERS = 1000
_KEPT_BYTES = 1024 * 1024
_PIECE = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class RunShellScript(Step):
    """Run a script where the steps before ended. A line is split as a shell would, but no shell sees it."""

    TAKES_SECRETS: ClassVar[frozenset[str]] = frozenset({"env"})

    script: str
    """The commands, one a line: no `cd`, pipes or variables unless `shell` is set."""
    directory: str | None = None
    """Where to run it; where the steps before ended, if absent."""
    env: dict[str, str] | None = None
    """Variables over those of the run."""
    stream_output: bool = True
    """Whether its output is part of the run's."""
    expand_env_vars: bool = False
    """Whether `$NAME` and `${NAME}` in the script are replaced before it runs."""
    shell: bool = False
    """Whether `/bin/sh` runs the whole script, stopping at the first command that fails."""

    @staticmethod
    def act(inputs: Mapping[str, Any], context: Context) -> Mapping[str, Any]:
        """Run it; `stdout` and `stderr`, stripped, of all its lines (the last MiB of each)."""
        env = {**context.environment, **(inputs.get("env") or {})}
        directory = str(context.directory / (inputs.get("directory") or ""))
        script = Template(inputs["script"]).safe_substitute(env) if inputs.get("expand_env_vars") else inputs["script"]
        if context.hide(script) != script:
            raise StepError(
                "run_shell_script: a secret would stand in a command line, which the whole machine can read",
                hint="leave it in `env`, and have the command read it there",
            )
        kept = _Kept(), _Kept()
        os.makedirs(context.directory, exist_ok=True)  # noqa: PTH103 - before any clone, the folder is still to be made
        for command in _commands(script, shell=bool(inputs.get("shell"))):
            code = _run(command, kept, cwd=directory, env=env, stream=inputs.get("stream_output", True))
            if code:
                tail = context.hide(kept[1].text() or kept[0].text())
                raise StepError(
                    f"{shlex.join(command)!r} ended with {_end(code)}: {tail[-_TAIL_CHARACTERS:]}".rstrip(": ")
                )
        return {"stdout": kept[0].text(), "stderr": kept[1].text()}


def _commands(script: str, *, shell: bool) -> list[list[str]]:
    if shell:
        return [["/bin/sh", "-ec", script]]
    lines = [line for line in script.splitlines() if line.strip()]
    try:
        return [words for line in lines if (words := shlex.split(line, comments=True))]
    except ValueError as error:
        raise StepError(f"run_shell_script: a line cannot be split into words: {error}") from None


def _end(code: int) -> str:
    return f"exit status {code}" if code > 0 else f"signal {-code}"


class _Kept:
    """The last MiB of a stream."""

    def __init__(self) -> None:
        self._data = bytearray()

    def add(self, piece: bytes) -> None:
        self._data += piece
        if len(self._data) > 2 * _KEPT_BYTES:
            del self._data[:-_KEPT_BYTES]

    def text(self) -> str:
        return self._data[-_KEPT_BYTES:].decode("utf-8", "replace").strip()


def _run(command: list[str], kept: tuple[_Kept, _Kept], *, cwd: str, env: Mapping[str, str], stream: bool) -> int:
    try:
        process = subprocess.Popen(
            command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
    except OSError as error:
        raise StepError(f"{command[0]!r} cannot be run in {cwd}: {error.strerror}") from None
    with process:
        if process.stdout is None or process.stderr is None:
            raise StepError(f"{command[0]!r} has no output")
        sink = sys.stdout.fileno() if stream else None
        other = threading.Thread(target=_drain, args=(process.stderr, kept[1], sink), daemon=True)
        other.start()
        _drain(process.stdout, kept[0], sink)
        other.join()
    return process.returncode


def _drain(source: IO[bytes], kept: _Kept, sink: int | None) -> None:
    while piece := os.read(source.fileno(), _PIECE):
        kept.add(piece)
        if sink is not None:
            os.write(sink, piece)
