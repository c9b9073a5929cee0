"""Makes a virtual environment and installs into it, with uv where there is one. Called by engine/environments.

The installer's words go to the run's output line by line, without the user names and passwords of the URLs in them.
"""

import os
import re
import shutil
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO

from reconciler.engine import hidden
from reconciler.engine.requirements import Requirements
from reconciler.model.errors import StepError

_TAIL_LINES, _TAIL_CHARACTERS = 12, 1500
_LINE = 64 * 1024
_USERINFO = re.compile(rb"(?<=://)[^/\s]*@")
_ELSEWHERE = ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_USER", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
"""Variables that would lead an installer to another place than the environment."""


def build(venv: Path, wanted: Sequence[Requirements], *, stream: bool, lock: int) -> str:
    """Make `venv`, which does not exist, and install every file in it; the name of what installed it.

    `lock` is a descriptor that the installer holds as long as it lives: where this process is killed, nobody else
    builds at this place while a part of it still writes. Raises StepError with the installer's last words.
    """
    uv = _uv()
    python = str(venv / "bin" / "python")
    if uv:
        cache = [] if Path(os.environ.get("HOME") or "/nonexistent").is_dir() else ["--no-cache"]
        make = [uv, "venv", "--quiet", "--no-project", "--python", sys.executable, str(venv)]
        install = [uv, "pip", "install", *cache, "--python", python, "-r"]
    else:
        make = [sys.executable, "-I", "-m", "venv", str(venv)]
        install = [python, "-I", "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "-r"]
    name = "uv" if uv else "pip"
    _run(make, "an environment cannot be made", venv.parent, stream=stream, lock=lock)
    for each in wanted:
        what = f"{name} could not install {each.file.name}"
        _run([*install, str(each.file)], what, each.directory, stream=stream, lock=lock)
    return name


def _uv() -> str | None:
    """The uv on the path, else the one that is installed beside this interpreter."""
    beside = str(Path(sys.executable).with_name("uv"))
    return shutil.which("uv") or (beside if os.access(beside, os.X_OK) else None)


def _environment() -> Mapping[str, str]:
    return {name: value for name, value in os.environ.items() if name not in _ELSEWHERE}


def _run(command: Sequence[str], what: str, folder: Path, *, stream: bool, lock: int) -> None:
    tail: deque[bytes] = deque(maxlen=_TAIL_LINES)
    try:
        process = subprocess.Popen(
            command, cwd=folder, env=_environment(), pass_fds=(lock,),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
    except OSError as error:
        raise StepError(f"{what}: {Path(command[0]).name}: {error.strerror}") from None
    with process:
        try:
            said = threading.Thread(target=_pass_on, args=(process.stdout, deque(maxlen=0)), kwargs={"stream": stream})
            said.start()
            _pass_on(process.stderr, tail, stream=stream)
            said.join()
            code = process.wait()
        except BaseException:
            process.kill()
            raise
    if code:
        how = f"exit status {code}" if code > 0 else f"signal {-code}"
        raise StepError(f"{what} ({how}): {_words(tail)}".rstrip(": "))


def _pass_on(source: IO[bytes] | None, tail: deque[bytes], *, stream: bool) -> None:
    while source and (line := source.readline(_LINE)):
        plain = _USERINFO.sub(b"", line)
        tail.append(plain)
        if stream:
            os.write(sys.stdout.fileno(), plain)


def _words(tail: Iterable[bytes]) -> str:
    return hidden.text(b"".join(tail).decode("utf-8", "replace").strip())[-_TAIL_CHARACTERS:]
