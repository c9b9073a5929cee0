"""The daemon stops or is killed: its runs go on, and the next one tells how they ended. More in test_faults_*."""

import signal
import time
from pathlib import Path

from helpers_acceptance import ask, begin, ended, in_state, output, processes, specs, start, state_root
from helpers_daemon import Daemon, command, until
from helpers_git import Repo

FLOWS = """\
import time
from pathlib import Path

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
    chatty = {"name": "a", "entrypoint": "f.py:chatty"}
    repo.commit({"f.py": FLOWS, "specs/a.yaml": specs(chatty)})
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
