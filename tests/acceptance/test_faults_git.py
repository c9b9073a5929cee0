"""kill -9 where git is written: notes are neither lost nor doubled, a revert is a whole branch or none; asked again.

All points: `FAULTS=all pytest tests/acceptance/test_faults_git.py`.
"""

import json
import os
import signal
import subprocess
import sys

import pytest
from crashing import NOTES, REVERT
from helpers_acceptance import ended, spec
from helpers_daemon import Daemon, answer, environment, until
from helpers_faults import LAUNCHER, Doomed, Site, Survivor
from helpers_git import Repo

EVERY = os.environ.get("FAULTS") == "all"
SIDES = ("before", "after")
NOTED = [(point, side, n) for point in NOTES for side in SIDES for n in ((3, 4) if point == "count" else (1, 2))]
"""The first two counts are those of a start: there is nothing to count."""


@pytest.mark.parametrize(("point", "side", "number"), NOTED if EVERY else [("swap", "after", 1)])
def test_notes_of_a_daemon_killed_at(tmp_path, point, side, number):
    site, flag = Site(tmp_path, tick=False), tmp_path / "flag"
    noted = lambda: site.repo.git("log", "-1", "--format=%N", "--notes=reconciler")  # noqa: E731
    with Doomed(site, {"point": point, "side": side, "number": number, "flag": str(flag)}, "--notes") as doomed:
        asked = 0

        def crashed() -> bool:
            nonlocal asked
            if not asked or f": {asked} run" in noted():
                asked += site.run(f"run-{asked}") is not None
            return flag.exists()

        until(crashed, "the point is not reached")
        assert doomed.died() == -signal.SIGKILL
    with Survivor(site.repo, "--notes") as daemon:
        ended(site.path, until(lambda: site.run("last")))
        site.quiet()
        runs = site.judge()
        until(lambda: f": {len(runs)} runs, {len(runs)} Completed" in noted(), noted())
        assert daemon.stop() == 0
    assert noted().count("Completed") == 1
    site.repo.git("fsck", "--strict")
    assert list(site.repo.path.glob(".git/**/*.lock")) == []
    assert "Traceback" not in daemon.output.read_text()


FLOW = "def f():\n    return {!r}\n"


@pytest.fixture(scope="module")
def moved(tmp_path_factory) -> Repo:
    """A repository whose log knows two versions."""
    repo = Repo(tmp_path_factory.mktemp("moved") / "repo")
    repo.commit({"README": "1", "f.py": FLOW.format("good"), "specs/a.yaml": spec("a", "f.py:f", tags=["good"])})
    with Daemon(repo) as daemon:
        daemon.applied(repo.commit({"f.py": FLOW.format("bad"), "specs/a.yaml": spec("a", "f.py:f", tags=["bad"])}))
        assert daemon.stop() == 0
    return repo


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("point", REVERT if EVERY else ["branch"])
def test_a_revert_killed_at(moved, tmp_path, point, side):
    words = ("revert", "f/a", "--version", "gen:1", "--path", "f.py", "--branch", f"back-{point}-{side}")
    plan = {"point": point, "side": side, "number": 1, "flag": str(tmp_path / "flag")}
    line = [sys.executable, str(LAUNCHER), json.dumps(plan), "-C", str(moved.path), *words]
    done = subprocess.run(line, env=environment(), capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    made = moved.git("branch", "--list", words[-1])
    assert bool(made) is ((point, side) == ("branch", "after"))
    assert answer(moved.path, *words)["branch"] == words[-1]
    assert "good" in moved.git("show", f"{words[-1]}:f.py")
    moved.git("fsck", "--strict")
    assert moved.git("status", "--porcelain") == ""
    assert list(moved.path.glob(".git/**/*.lock")) == []
