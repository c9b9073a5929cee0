"""The daemon stops, is killed, finds its disk full: runs go on, no fact is lost, nothing runs twice."""

import ctypes
import os
import random
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest
from helpers_acceptance import ask, begin, ended, events, in_state, output, processes, specs, start, state_root
from helpers_daemon import Daemon, command, until
from helpers_git import Repo

FLOWS = """\
import os, time
from pathlib import Path

def witness(side: str, seconds: float = 0.0):
    place = Path(os.getcwd())
    while place.name != "work":
        place = place.parent
    attempt = place.parent
    with open(side, "ab", buffering=0) as file:
        file.write(f"{attempt.parent.name} {attempt.name}\\n".encode())
    time.sleep(seconds)
    return "done"

def chatty(go: str):
    for n in range(200):
        print("line", n, flush=True)
    while not Path(go).exists():
        time.sleep(0.01)
    for n in range(200, 400):
        print("line", n, flush=True)
    return "all"
"""


def served(root: Path) -> Repo:
    repo = Repo(root / "repo")
    side = {"side": str(root / "side"), "seconds": 0.05}
    tick = {"name": "tick", "entrypoint": "f.py:witness", "parameters": side}
    tick["schedules"] = [{"cron": "* * * * * */1", "slug": "each"}]
    manual = {"name": "manual", "entrypoint": "f.py:witness", "parameters": side, "concurrency_limit": 2}
    chatty = {"name": "a", "entrypoint": "f.py:chatty"}
    repo.commit({"f.py": FLOWS, "specs/a.yaml": specs(tick, manual, chatty)})
    return repo


def test_a_run_outlives_a_stop_and_ends_under_the_next_daemon(tmp_path):
    repo = served(tmp_path)
    with Daemon(repo) as daemon:
        run = start(repo.path, "chatty/a", "-p", f"go={tmp_path}/go")
        until(lambda: "line 199\n" in output(repo.path, run))
        began = time.monotonic()
        assert daemon.stop(signal.SIGTERM) == 0
        assert time.monotonic() - began < 5
        assert processes(run) != []
        assert ask(repo.path, "show", run)["state"] == "Running"
        assert command(repo.path, "status").returncode == 0  # reading works while it is down
        assert "no daemon serves" in command(repo.path, "run", "chatty/a").stderr
        begin(daemon)
        (tmp_path / "go").touch()
        told = ended(repo.path, run)
        assert (told["state"], told["result"], told["attempt"]) == ("Completed", "all", 1)
        assert output(repo.path, run).split("\n")[:-1] == [f"line {n}" for n in range(400)]


def test_a_run_that_ends_while_no_daemon_is_there_is_told_by_the_next(tmp_path):
    repo = served(tmp_path)
    with Daemon(repo) as daemon:
        run = start(repo.path, "chatty/a", "-p", f"go={tmp_path}/go")
        in_state(repo.path, run, "Running")
        daemon.stop(signal.SIGKILL)
        (tmp_path / "go").touch()
        until((state_root(repo) / f"runs/{run}/1/exit").exists)
        begin(daemon)
        told = ended(repo.path, run)
        assert (told["state"], told["exit"]["code"]) == ("Completed", 0)
        assert output(repo.path, run).count("line") == 400


@pytest.mark.parametrize("seed", range(3))
def test_killed_at_random_moments_under_load(tmp_path, seed):
    """Slots each second, requests and commits, and the daemon killed: each run's body ran once for each attempt."""
    rng = random.Random(seed)
    repo = served(tmp_path)
    asked: dict[str, str] = {}
    children: list[tuple[str, subprocess.CompletedProcess[str]]] = []
    with Daemon(repo) as daemon:
        for round_number in range(3):
            for n in range(3):
                key = f"{round_number}-{n}"
                children.append((key, command(repo.path, "run", "witness/manual", "--key", key)))
            repo.commit({"note": str(rng.random())})
            pause = time.monotonic() + rng.random() * 0.7
            while time.monotonic() < pause:  # the moment of the kill is what varies
                command(repo.path, "run", "witness/manual", "--key", f"{round_number}-x")
            daemon.stop(signal.SIGKILL)
            assert ask(repo.path, "verify")["problems"] == []
            begin(daemon)
        for key, done in children:
            if done.returncode == 0:
                asked[key] = done.stdout.strip()
                again = command(repo.path, "run", "witness/manual", "--key", key)
                assert again.stdout.strip() == asked[key]
        assert len(asked) == 9
        manual, chatty = ({"name": n, "entrypoint": f"f.py:{f}"} for n, f in (("manual", "witness"), ("a", "chatty")))
        daemon.applied(repo.commit({"specs/a.yaml": specs(manual, chatty)}))  # no more slots
        runs = [ended(repo.path, row["id"]) for row in ask(repo.path, "runs")]
        assert {r["state"] for r in runs} <= {"Completed", "Cancelled"}
        assert all(r["state"] == "Completed" for r in runs if r["id"] in asked.values())
        counted = Counter((tmp_path / "side").read_text().splitlines())
        assert max(counted.values()) == 1, counted.most_common(3)
        assert {line.split()[0] for line in counted} == {r["id"] for r in runs if r["state"] == "Completed"}
        dues = Counter((r["deployment"], r["due"]) for r in runs if r["trigger"] == "schedule")
        assert max(dues.values()) == 1
        assert ask(repo.path, "verify")["problems"] == []
        for run in runs:
            until(lambda run=run: not processes(run["id"]))
        assert "Traceback" not in daemon.output.read_text()
    until(lambda: not processes(str(repo.path)), f"left behind: {processes(str(repo.path))}")


# --- a full disk -----------------------------------------------------------------------------------------------------

LIBC = ctypes.CDLL(None, use_errno=True)


@pytest.fixture
def small(tmp_path):
    """A disk of 3 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    if LIBC.mount(b"tmpfs", os.fsencode(place), b"tmpfs", 0, b"size=3m") != 0:
        why = f"no small disk can be mounted: {os.strerror(ctypes.get_errno())}"
        pytest.skip(why)
    yield place
    LIBC.umount2(os.fsencode(place), 2)


def test_a_full_disk_is_said_and_survived(tmp_path, small):
    repo = served(tmp_path)
    state = small / "state"
    (repo.path / ".git/reconciler").symlink_to(state)
    state.mkdir(mode=0o700)
    with Daemon(repo) as daemon:
        assert (
            ended(repo.path, start(repo.path, "witness/manual", "-p", f"side={tmp_path}/own"))["state"] == "Completed"
        )
        with (small / "filler").open("wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(b"x" * 4096)
            except OSError:
                pass
        done = command(repo.path, "run", "witness/manual")
        if done.returncode != 0:  # a last page may have been free
            assert done.returncode == 1
            assert "Traceback" not in done.stderr
        until(lambda: "cannot be written" in daemon.output.read_text(), daemon.output.read_text())
        assert daemon.process is not None
        assert daemon.process.poll() is None
        (small / "filler").unlink()
        run = until(
            lambda: (
                (d := command(repo.path, "run", "witness/manual", "--key", "after")).returncode == 0
                and d.stdout.strip()
            )
        )
        assert ended(repo.path, run)["state"] == "Completed"
        assert ask(repo.path, "verify")["problems"] == []
        assert "Traceback" not in daemon.output.read_text()
        missed = [e for e in events(repo.path, "RunCreated") if e["data"]["trigger"] == "schedule"]
        assert len({e["data"]["due"] for e in missed}) == len(missed)
