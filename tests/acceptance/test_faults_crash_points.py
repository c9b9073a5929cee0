"""kill -9 at named points: of the daemon around each act, of runs and templates within; no fact is lost or doubled.

All points: `FAULTS=all pytest tests/acceptance/test_faults_crash_points.py`.
"""

import os
import signal

import pytest
from crashing import DAEMON, ENGINE
from helpers_daemon import Daemon, until
from helpers_faults import Doomed, Site, Survivor

SIDES = ("before", "after")
ONCE = {"adopt", "reading", "template", "cache", "settled", "parcel", "branches", "beside"}
"""Points that one start passes once."""
ELSEWHERE = {"resume", "suspended"}
"""Points of runs that wait for a person: see test_faults_kills."""
EVERY = [(point, side, n) for point in DAEMON for side in SIDES for n in ((1,) if point in ONCE else (1, 3))]
EVERY += [(point, side, 1) for point in ENGINE for side in SIDES]
EVERY = [each for each in EVERY if each[0] not in ELSEWHERE]
BULKY = {"copy", "take"}
"""Points on the way of a source that is too large for a parcel."""
PREVIEWS = ("--preview", "feature/*")
CHOSEN = [
    ("append", "before", 3), ("append", "after", 2), ("flush", "after", 5), ("adopt", "before", 1),
    ("adopt", "after", 1), ("act", "before", 3), ("supervise", "before", 1), ("order", "before", 1),
    ("rename", "before", 1), ("launch", "before", 1), ("launch", "after", 3), ("look", "after", 3),
    ("forget", "before", 1), ("claim", "after", 1), ("journal", "after", 1), ("exit", "before", 1),
    ("preview", "after", 3),
]  # fmt: skip


@pytest.mark.parametrize(("point", "side", "number"), EVERY if os.environ.get("FAULTS") == "all" else CHOSEN)
def test_killed_at(tmp_path, point, side, number):
    site = Site(tmp_path)
    if point in BULKY:
        site.repo.commit({f"data/{number}": "" for number in range(70)})
    flag = tmp_path / "flag"
    if point == "adopt":  # of a run that lives
        with Daemon(site.repo) as before:
            site.run("slow", go=str(tmp_path / "go"))
            until(site.side.exists)
            before.stop(signal.SIGKILL)
    plan = {"point": point, "side": side, "number": number, "flag": str(flag)}
    site.repo.git("branch", "feature/x")
    with Doomed(site, plan, *PREVIEWS) as doomed:
        keys = ["key-1", "key-2", "key-3"]

        def crashed() -> bool:
            if keys and site.run(keys[0]):
                del keys[0]
            alive = doomed.process is not None and doomed.process.poll() is None
            assert alive or flag.exists(), doomed.output.read_text()
            return flag.exists()

        until(crashed, "the point is not reached")
        if point in DAEMON:
            assert doomed.died() == -signal.SIGKILL
        else:
            until(lambda: site.run("last") is not None)
            doomed.stop(signal.SIGKILL)
    (tmp_path / "go").touch()
    with Survivor(site.repo, *PREVIEWS) as daemon:
        for key, run in list(site.acknowledged.items()):
            assert until(lambda key=key: site.run(key)) == run
        until(lambda: site.run("after"))
        until(lambda: site.asked("witness/manual--feature-x"), "the branch is not previewed")
        site.quiet()
        runs = {row["id"]: row for row in site.judge()}
        said = [(row["state"], row["reason"]) for row in runs.values()]
        assert {state for state, _ in said} <= {"Completed", "Cancelled"} | (
            {"Crashed"} if point in ENGINE else set()
        ), said
        assert "Cancelled" not in {runs[run]["state"] for run in site.acknowledged.values()}, said
        assert runs[site.acknowledged["after"]]["state"] == "Completed"
        assert not [e for e in site.events() if e.type == "SpecIsolated"]
        assert daemon.stop() == 0
    assert "Traceback" not in daemon.output.read_text()
    site.nobody()
