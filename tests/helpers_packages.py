"""Packages to install without a network, and the real uv where it can be had. For tests of environments."""

import os
import subprocess
import sys
import zipfile
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest


def wheel(folder: Path, name: str, version: str, text: str) -> Path:
    """A wheel of one module."""
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / f"{name}-{version}-py3-none-any.whl"
    about = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(made, "w") as file:
        file.writestr(f"{name}.py", text)
        file.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        file.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{about}/RECORD", "")
    return made


@cache
def uv() -> str:
    """The folder of a real uv, installed once; the test that asks skips where it cannot be had, but not in CI."""
    folder = Path(mkdtemp(prefix="uv-"))
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder), "uv"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        assert "CI" not in os.environ, done.stderr
        pytest.skip("uv cannot be installed here")
    return str(folder / "bin")
