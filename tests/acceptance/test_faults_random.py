"""kill -9 of the daemon, its template and its runs at random moments under load: nothing twice, nothing lost, all ends.

More: `FAULTS_SEEDS=0:50 pytest tests/acceptance/test_faults_random.py`; one seed is one order of kills.
"""

import contextlib
import json
import os
import random
import re
import signal
import time

import pytest
from helpers_daemon import until
from helpers_faults import Site, Survivor

from reconciler.stores._reader import Reader

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


def branch(site: Site, rng: random.Random) -> None:
    """A previewed branch comes, moves or goes, and a run of one is asked for."""
    name = f"feature/{rng.choice('xyz')}"
    there = f"refs/heads/{name}" in site.repo.git("for-each-ref", "--format=%(refname)", "refs/heads").split()
    site.repo.git("branch", "-qD", name) if there and rng.random() < 0.3 else site.repo.git("branch", "-f", name)
    site.asked(f"witness/manual--feature-{rng.choice('xyz')}", str(rng.random()))


def previewed(site: Site) -> bool:
    """Whether every branch is previewed as it is, and no other."""
    refs = site.repo.git("for-each-ref", "--format=%(refname:lstrip=2) %(objectname)", "refs/heads/feature")
    with Reader.open(site.state.log) as log:
        found = log.meta("repository")["previews"]
        names = {row["preview"] for row in log.deployments() if row.get("preview")}
    heads = dict(line.split() for line in refs.splitlines())
    return {name: each["revision"] for name, each in found.items()} == heads and names == heads.keys()


def noted(site: Site) -> int:
    """Runs that the notes of all commits tell of."""
    text = site.repo.git("log", "--all", "--format=%N", "--notes=reconciler")
    return sum(int(number) for number in re.findall(r": (\d+) runs?,", text))


@pytest.mark.parametrize("seed", range(FIRST, LAST))
def test_killed_at_random_moments_under_load(tmp_path, seed):
    rng = random.Random(seed)
    site = Site(tmp_path, concurrency_limit=4)
    with Survivor(site.repo, "--limit", "4", "--preview", "feature/*", "--notes") as daemon:
        for turn in range(4):
            moment = time.monotonic() + rng.random() * 0.8
            strikes = rng.sample(range(20), 2)
            for n in range(20):
                site.run(f"{turn}-{n}", seconds=rng.choice((0, 0.1)))
                if n in strikes:
                    strike(site, rng)
                    branch(site, rng)
                if time.monotonic() > moment:  # the moment of the kill is what varies
                    break
            site.repo.commit({"note": str(rng.random())})
            daemon.stop(signal.SIGKILL)
            daemon.start()
        until(lambda: site.run("after"))
        until(lambda: previewed(site), "previews are not what the branches are")
        site.quiet()
        runs = {row["id"]: row for row in site.judge(places=4)}
        assert runs[site.acknowledged["after"]]["state"] == "Completed"
        assert {row["state"] for row in runs.values()} <= {"Completed", "Crashed", "Cancelled"}
        told = sum(bool(row["source_commit"]) for row in runs.values())
        until(lambda: noted(site) == told, "runs are not noted, or more than once")
        assert daemon.stop() == 0
    assert "Traceback" not in daemon.output.read_text()
    site.nobody()
