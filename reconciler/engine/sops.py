"""Encrypted files of the repository, decrypted in the run by the program `sops`. Called by engine/secrets.py.

The daemon only lays the encrypted bytes beside the order. The keys (SOPS_AGE_KEY_FILE and such) are given to `sops`
alone. Names are not encrypted in such files, so one that does not mention a name is not decrypted for it.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reconciler.core.redaction import Redactor
from reconciler.core.template import MissingValueError, follow
from reconciler.engine.vault import TYPES

_SECONDS = 60
_MOST = 1024 * 1024
_WORDS = 300
_PASSED = ("PATH", "HOME", "USER", "LANG", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR")


class Encrypted:
    """The encrypted files of one attempt, each decrypted at most once, and only if it is asked for."""

    def __init__(self, files: Sequence[Path], keys: Mapping[str, str]) -> None:
        self._files = files
        self._keys = keys
        self._open: dict[Path, dict[str, Any] | str] = {}

    def value(self, name: str) -> tuple[str | None, str]:
        """The value of a name, or None and where it was looked for, with what was in the way."""
        faults: list[str] = []
        for file in self._files:
            if name.partition(".")[0].encode() not in _bytes(file):
                continue
            if file not in self._open:
                self._open[file] = self._decrypted(file)
            found = self._open[file]
            if isinstance(found, str):
                faults.append(f"{file.name}: {found}")
                continue
            try:
                value = follow(found, name)
            except MissingValueError:
                continue
            return value if isinstance(value, str) else json.dumps(value), ""
        why = f" ({'; '.join(faults)})" if faults else ""
        return None, f"the encrypted files {', '.join(file.name for file in self._files)}{why}"

    def _decrypted(self, file: Path) -> dict[str, Any] | str:
        """What a file holds, or why that cannot be known; never a value in that."""
        environment = {name: os.environ[name] for name in _PASSED if name in os.environ} | dict(self._keys)
        program = shutil.which("sops", path=environment.get("PATH"))
        if program is None:
            return "the program `sops`, which decrypts it, is not on the PATH"
        kind = TYPES.get(file.suffix, "yaml")
        command = [program, "--decrypt", "--input-type", kind, "--output-type", "json", str(file)]
        try:
            done = subprocess.run(
                command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, check=False
            )
            if done.returncode == 0:
                held = json.loads(done.stdout)
                return held if isinstance(held, dict) else "it holds no names and values"
        except subprocess.TimeoutExpired:
            return f"`sops` took longer than {_SECONDS} s"
        except OSError as error:
            return f"`sops` cannot be started: {error.strerror}"
        except (ValueError, RecursionError):
            return "what `sops` printed is no JSON, or nested too deeply"
        said = Redactor(self._keys.values()).text(" ".join(done.stderr.decode("utf-8", "replace").split()))
        return f"`sops` ended with {done.returncode}: {said[:_WORDS]}"


def _bytes(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(_MOST)
    except OSError:
        return b""
