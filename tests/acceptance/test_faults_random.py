"""kill -9 of the daemon, its template and its runs at random moments under load: nothing twice, nothing lost, all ends.

More: `FAULTS_SEEDS=0:50 pytest tests/acceptance/test_faults_random.py`; one seed is one order of kills.
"""

import contextlib
import json
import os
import random
import signal
import time

import pytest
from helpers_daemon import until
from helpers_faults import Site, Survivor

FIRST, LAST = (int(word) for word in os.environ.get("FAULTS_SEEDS", "0:2").split(":"))


def strike(site: Site, rng: random.Random) -> None:
    """Kill the process of a live run, or the template that keeps it."""
    which = rng.choice(("pid", "pid", "keeper"))
    for marker in sorted(site.state.runs.glob("*/*/started")):
        with contextlib.suppress(OSError, ValueError):
            owner = json.loads(marker.read_text())
            if owner["pid"] and not marker.with_name("exit").exists():
                os.kill(owner[which], signal.SIGKILL)
                return


@pytest.mark.parametrize("seed", range(FIRST, LAST))
def test_killed_at_random_moments_under_load(tmp_path, seed):
    rng = random.Random(seed)
    site = Site(tmp_path, concurrency_limit=4)
    with Survivor(site.repo, "--limit", "4") as daemon:
        for turn in range(4):
            moment = time.monotonic() + rng.random() * 0.8
            strikes = rng.sample(range(20), 2)
            for n in range(20):
                site.run(f"{turn}-{n}", seconds=rng.choice((0, 0.1)))
                if n in strikes:
                    strike(site, rng)
                if time.monotonic() > moment:  # the moment of the kill is what varies
                    break
            site.repo.commit({"note": str(rng.random())})
            daemon.stop(signal.SIGKILL)
            daemon.start()
        until(lambda: site.run("after"))
        site.quiet()
        runs = {row["id"]: row for row in site.judge(places=4)}
        assert runs[site.acknowledged["after"]]["state"] == "Completed"
        assert {row["state"] for row in runs.values()} <= {"Completed", "Crashed", "Cancelled"}
        assert daemon.stop() == 0
    assert "Traceback" not in daemon.output.read_text()
    site.nobody()
