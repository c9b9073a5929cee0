"""`reconciler demo` tells its story, ends by itself, and leaves nothing behind, however it ends."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from served import COMMAND, ENV, processes_naming, until


@pytest.fixture
def place() -> Iterator[Path]:
    """An empty TMPDIR whose name is short enough for a socket's address below it."""
    with tempfile.TemporaryDirectory(prefix="d-") as folder:
        yield Path(folder)


@pytest.fixture
def told(place: Path) -> tuple[str, float]:
    began = time.monotonic()
    done = subprocess.run(
        [*COMMAND, "demo"], env=ENV | {"TMPDIR": str(place)}, capture_output=True, text=True, timeout=40, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, time.monotonic() - began


def test_it_tells_the_whole_story_and_cleans_up(told: tuple[str, float], place: Path) -> None:
    said, seconds = told
    story = [
        r"DeploymentCreated  greet/hello", r"2 created", r"Hello, Ada!", r"count/every-second, due", r"2 moved",
        r"Good evening, Ada!", r"held back: greet/hello", r"specs/greet\.yaml:\d+:\d+: deployments\[0\]\.entrypo",
        r"Good evening, world!", r"git revert HEAD", r"DeploymentPruned   count/every-second", r"Synced",
        r"RevisionRefused", r"confirmed and applied", r"the log verifies",
    ]  # fmt: skip
    at = 0
    for line in story:
        found = re.compile(line).search(said, at)
        assert found, f"{line!r} is not told after:\n{said[:at][-500:]}"
        at = found.end()
    assert seconds < 20
    assert "\x1b[" not in said
    assert list(place.iterdir()) == []
    assert processes_naming(str(place)) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_half_way_it_cleans_up_as_well(number: int, code: int, place: Path, tmp_path: Path) -> None:
    with (tmp_path / "said").open("wb") as output:
        # What is started in the background is started deaf to Ctrl-C; what is tried here has a terminal.
        words = ["env", "--default-signal=INT", *COMMAND, "demo"]
        child = subprocess.Popen(
            words, env=ENV | {"TMPDIR": str(place)}, stdout=output, stderr=output, start_new_session=True
        )
    log = "reconciler-demo-*/greetings/.git/reconciler/log.db"
    until(lambda: list(place.glob(log)) or child.poll() is not None, "the demo's daemon")
    os.kill(child.pid, number)
    assert child.wait(20) == code, (tmp_path / "said").read_text()
    assert list(place.iterdir()) == []
    assert processes_naming(str(place)) == []


def test_without_git_it_says_so(tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "demo"], env=ENV | {"PATH": str(tmp_path)}, capture_output=True, text=True, timeout=20, check=False
    )
    assert done.returncode == 1
    assert "git, which is not on PATH" in done.stderr


def test_when_a_step_goes_wrong_it_says_which_and_cleans_up(place: Path, tmp_path: Path) -> None:
    git = tmp_path / "git"
    git.write_text(
        f"""#!/bin/sh\ncase "$1" in revert) echo "no way back"; exit 1;; esac\nexec {shutil.which("git")} "$@"\n"""
    )
    git.chmod(0o755)
    env = ENV | {"TMPDIR": str(place), "PATH": f"{tmp_path}:{ENV['PATH']}"}
    done = subprocess.run([*COMMAND, "demo"], env=env, capture_output=True, text=True, timeout=40, check=False)
    assert done.returncode == 1
    assert "at '4. A broken spec harms nothing': git revert failed: no way back" in done.stderr
    assert "RevisionApplied" in done.stdout
    assert list(place.iterdir()) == []
    assert processes_naming(str(place)) == []
