"""A flow written for Prefect, with the real package, in an environment that our own step made. Once: it is 250 MB."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers_acceptance import ask, specs, start, state_root
from helpers_daemon import Daemon, command
from helpers_git import Repo

REQUIREMENTS = "prefect==3.8.8\nfastapi<0.140\nsqlalchemy<2.1\n"
"""Newer releases of the last two break the first."""
PATIENCE = 480.0
FLOW = """
import os
from datetime import date
from pathlib import Path
from prefect import flow, task

@task
def add(a, b):
    return a + b

@flow(name="sums", version="v3", retries=1, retry_delay_seconds=0, timeout_seconds=120)
def sums(n: int, day: date):
    tries = Path(os.environ["TRIES"])
    with tries.open("a") as file:
        file.write(f"{type(day).__name__} {Path(os.environ['PREFECT_HOME']).parent.name}\\n")
    if len(tries.read_text().splitlines()) == 1:
        raise LookupError("not yet")
    return add(n, 2)
"""


@pytest.fixture
def repo(tmp_path):
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "prefect==3.8.8", "-d", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        assert "CI" not in os.environ, done.stderr
        pytest.skip("Prefect cannot be had here")
    return Repo(tmp_path / "repo")


def ended(path: Path, run: str) -> dict:
    until = time.monotonic() + PATIENCE
    while (found := ask(path, "show", run))["finished_at"] is None:
        assert time.monotonic() < until, (found, command(path, "logs", run).stdout[-3000:])
        time.sleep(0.5)
    return found


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_it_runs_as_it_is_by_prefects_own_engine_while_the_daemon_makes_the_attempts(repo, tmp_path):
    tries = tmp_path / "tries"
    pull = [{"git_clone": {"repository": "."}}, {"pip_install_requirements": {"stream_output": False}}]
    spec = specs(
        {
            "name": "a",
            "entrypoint": "flow.py:sums",
            "parameters": {"n": 40, "day": "2026-01-31"},
            "pull": pull,
            "work_pool": {"job_variables": {"env": {"TRIES": str(tries)}}},
        }
    )
    repo.commit({"flow.py": FLOW, "requirements.txt": REQUIREMENTS, "specs/a.yaml": spec})
    with Daemon(repo):
        run = ended(repo.path, identity := start(repo.path, "sums/a"))
        said = command(repo.path, "logs", identity).stdout
    assert (run["state"], run["result"], run["attempt"]) == ("Completed", 42, 2), (run, said)
    assert tries.read_text() == "date 1\ndate 2\n"  # Prefect converts, and tried once in each attempt
    assert (run["flow_name"], run["flow_version"]) == ("sums", "v3")
    assert "Task run 'add-" in said
    assert "environments" in run["interpreter"]
    assert not (state_root(repo) / "runs" / identity / "2" / "prefect").exists()
