"""kill -9 around a run, of one or two at once: templates, serving processes, scripts, runs that suspend or pause."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers_acceptance import ended, in_state, specs
from helpers_daemon import Daemon, environment, until
from helpers_faults import Doomed, Site, Survivor

from reconciler.model.errors import ReconcilerError

WAITS = """\
from reconciler import flow, pause_flow_run, suspend_flow_run
from f import witness

@flow
def pausing(side):
    witness(side)
    pause_flow_run(timeout=600)
    return "on"

@flow(retries=1)
def suspending(side):
    suspend_flow_run(timeout=600)
    return witness(side)
"""


def waiting(tmp_path: Path) -> Site:
    """A site whose flows wait for a person."""
    site = Site(tmp_path, tick=False)
    given = {"parameters": {"side": str(site.side)}}
    flows = [{"name": "it", "entrypoint": f"w.py:{flow}", **given} for flow in ("pausing", "suspending")]
    site.repo.commit({"w.py": WAITS, "specs/w.yaml": specs(*flows)})
    return site


def template(daemon: Daemon) -> int:
    """The process that forks the daemon's runs."""
    assert daemon.process
    pid = daemon.process.pid

    def found() -> int | None:
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split() + threads(pid):
            if b"template" in Path(f"/proc/{child}/cmdline").read_bytes():
                return int(child)
        return None

    return until(found, "there is no template")


def threads(pid: int) -> list[str]:
    """Children that other threads of a process started."""
    return [child for task in Path(f"/proc/{pid}/task").glob("*/children") for child in task.read_text().split()]


@pytest.mark.parametrize("also", [False, True], ids=["the template alone", "the daemon, too"])
def test_a_run_that_its_template_had_not_begun_is_begun_again(tmp_path, also):
    site = Site(tmp_path, tick=False)
    with Survivor(site.repo) as daemon:
        until(lambda: site.run("before"))
        site.idle()
        stopped = template(daemon)
        os.kill(stopped, signal.SIGSTOP)
        run = until(lambda: site.run("held"))
        until((site.state.runs / run / "1/order.json").exists)
        if also:
            daemon.stop(signal.SIGKILL)
        os.kill(stopped, signal.SIGKILL)
        if also:
            daemon.start()
        told = ended(site.path, run)
        assert told["state"] == "Completed", told
        site.judge()
        assert daemon.stop() == 0
    site.nobody()


def test_a_run_killed_between_its_word_that_it_suspends_and_its_end_asks_again(tmp_path):
    """Nobody resumed it: what its next attempt does must wait for a person as the first did."""
    site = waiting(tmp_path)
    plan = {"point": "suspended", "side": "after", "number": 1, "flag": str(tmp_path / "flag")}
    with Doomed(site, plan) as daemon:
        run = until(lambda: site.asked("suspending/it"))
        assert in_state(site.path, run, "Suspended", "Completed")["state"] == "Suspended"
        (crashed,) = [e.data for e in site.events() if e.type == "RunAwaitingRetry"]
        assert "killed by signal 9 after the flow had suspended itself" in crashed["reason"]
        assert not site.side.exists()
        daemon.stop(signal.SIGKILL)
    with Survivor(site.repo) as daemon:
        site.ask("resume", run=run, reason="fine")
        told = ended(site.path, run)
        assert (told["state"], told["attempt"]) == ("Completed", 3)
        site.judge()
        assert daemon.stop() == 0
    site.nobody()


@pytest.mark.parametrize("side", ["before", "after"])
def test_a_daemon_killed_around_the_word_to_go_on_gives_it_again(tmp_path, side):
    site = waiting(tmp_path)
    with Doomed(site, {"point": "resume", "side": side, "number": 1, "flag": str(tmp_path / "flag")}) as doomed:
        run = until(lambda: site.asked("pausing/it"))
        in_state(site.path, run, "Paused")
        with contextlib.suppress(ReconcilerError):  # it may be dead before its answer arrives
            site.ask("resume", run=run, reason="fine")
        assert doomed.died() == -signal.SIGKILL
    with Survivor(site.repo) as daemon:
        assert ended(site.path, run)["state"] == "Completed"
        assert len([e for e in site.events() if e.type == "RunResumed"]) == 1
        site.judge()
        assert daemon.stop() == 0
    site.nobody()


SERVES = "import sys\nfrom w import taken\ntaken.serve('it')\n"
CALLS = "import sys\nfrom w import taken\ntaken(sys.argv[1], sys.argv[2])\n"
TAKEN = """\
import time
from pathlib import Path
from reconciler import flow
from f import witness

@flow
def taken(mark="", go="", side=""):
    if side:
        witness(side)
    if mark:
        Path(mark).touch()
    while go and not Path(go).exists():
        time.sleep(0.01)
    return "done"
"""


@contextlib.contextmanager
def python(site: Site, code: str, *words: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A process of a user's, in the work tree; killed when left."""
    with subprocess.Popen(
        [sys.executable, "-c", code, *words], cwd=site.path, env=environment(), stdin=subprocess.DEVNULL
    ) as child:
        try:
            yield child
        finally:
            child.kill()


def taking(tmp_path: Path) -> Site:
    site = Site(tmp_path, tick=False)
    given = {"side": str(site.side)}
    site.repo.commit({
        "w.py": TAKEN, "specs/w.yaml": specs({"name": "it", "entrypoint": "w.py:taken", "parameters": given}),
    })  # fmt: skip
    return site


def test_a_serving_process_killed_with_its_daemon_loses_no_run(tmp_path):
    site, mark, go = taking(tmp_path), tmp_path / "mark", tmp_path / "go"
    with Daemon(site.repo) as daemon:
        with python(site, SERVES) as server:
            until(lambda: (site.state.root / "served.json").exists() and "taken/it" in served(site))
            given = {"mark": str(mark), "go": str(go)}
            lives = site.ask("run", deployment="taken/it", key="lives", parameters=given)["run"]
            until(mark.exists)
            server.send_signal(signal.SIGSTOP)
            held = site.asked("taken/it", "held")
            until((site.state.runs / str(held) / "1/order.json").exists)
            daemon.stop(signal.SIGKILL)
            server.send_signal(signal.SIGKILL)
            server.wait()
        daemon.start()
        assert ended(site.path, str(held))["state"] == "Completed"
        in_state(site.path, lives, "Running")
        go.touch()
        assert ended(site.path, lives)["state"] == "Completed"
        site.judge()
        assert daemon.stop() == 0
    site.nobody()


def served(site: Site) -> str:
    return (site.state.root / "served.json").read_text()


def test_a_script_killed_while_no_daemon_was_there_is_crashed_by_the_next(tmp_path):
    site, mark = taking(tmp_path), tmp_path / "mark"
    with Survivor(site.repo) as daemon:
        with python(site, CALLS, str(mark), str(tmp_path / "never")) as script:
            until(mark.exists)
            (run,) = [row["id"] for row in site.live()]
            in_state(site.path, run, "Running")
            daemon.stop(signal.SIGKILL)
            script.kill()
            script.wait()
        daemon.start()
        assert ended(site.path, run)["state"] == "Crashed"
        site.judge()
        assert daemon.stop() == 0
    site.nobody()
