"""Environments of runs: built once, entered by exec or by a template of their own, never half-built, never ours."""

import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from engine_runs import facts, gone, last, make_run, my_children, output, wait_until
from helpers_packages import uv, wheel

from reconciler.engine import marker
from reconciler.pools.process import ProcessPool

FLOW = (
    "import os, sys\n"
    "def main():\n"
    "    import tinything\n"
    "    try:\n        import pydantic\n"
    "    except ImportError:\n        pydantic = None\n"
    "    return {'value': tinything.VALUE, 'python': sys.executable, 'pid': os.getpid(), 'parent': os.getppid(),\n"
    "            'ours': pydantic is not None, 'program': os.environ['PATH'].split(':')[0]}\n"
)
STEP = "pip_install_requirements"


@pytest.fixture
def pool():
    made = ProcessPool()
    before = my_children()
    yield made
    ours = set(my_children()) - set(before)
    made.close()
    for pid in ours:
        wait_until(lambda pid=pid: gone(pid), f"template {pid}")


class Bench:
    """Run directories that ask for what lies in a folder of wheels."""

    def __init__(self, root: Path, tools: str) -> None:
        self.root, self.wheels, self.tools = root, root / "wheels", tools
        self.environments = root / "state" / "environments"
        wheel(self.wheels, "tinything", "1.2", "VALUE = 42\n")
        self._runs = 0

    def run(self, requirements: str = "tinything==1.2\n", *, steps: int = 1, **order) -> Path:
        """A run whose source holds a requirements file."""
        self._runs += 1
        given = {
            "run": f"{self._runs:016x}",
            "environments": str(self.environments),
            "python": sys.executable,
            "deployment": "main/a",
            "env": {"PATH": f"{self.tools}:{os.environ['PATH']}", **order.pop("env", {})},
        }
        run_dir = make_run(self.root, FLOW, **{**given, **order})
        source = self.root / f"source-{given['run']}-1"
        (source / "requirements.txt").write_text(f"--no-index\n--find-links {self.wheels}\n{requirements}")
        todo = json.loads((run_dir / "order.json").read_text())
        todo["pull"] += [{"step": STEP, "id": None, "inputs": {}}] * steps
        (run_dir / "order.json").write_text(json.dumps(todo))
        return run_dir

    def folders(self) -> list[Path]:
        return sorted(self.environments.iterdir())


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path, uv())


def finish(pool: ProcessPool, *run_dirs: Path) -> list[dict]:
    for run_dir in run_dirs:
        wait_until(lambda r=run_dir: not pool.alive(r), f"the end of {run_dir}")
    return [last(run_dir) for run_dir in run_dirs]


def launch(pool: ProcessPool, *run_dirs: Path) -> list[dict]:
    for run_dir in run_dirs:
        pool.launch(run_dir)
    return finish(pool, *run_dirs)


def test_eight_runs_at_once_build_one_environment_and_later_ones_start_in_it(pool, bench):
    together = [bench.run() for _ in range(8)]
    ends = launch(pool, *together)
    assert [end.get("result", end)["value"] for end in ends] == [42] * 8
    said = [output(run_dir) for run_dir in together]
    assert sum("installing requirements.txt" in text for text in said) == 1
    assert len(bench.folders()) == 1
    (folder,) = bench.folders()
    for run_dir, end in zip(together, ends, strict=True):
        found = end["result"]
        assert found["python"] == str(folder / "venv" / "bin" / "python")
        assert (found["ours"], found["program"]) == (False, str(folder / "venv" / "bin"))
        assert marker.owner(run_dir).pid == found["pid"]  # the same process all along

    first = {end["result"]["parent"] for end in ends}
    warm = launch(pool, bench.run(), bench.run())
    parents = {end["result"]["parent"] for end in warm}
    assert len(parents) == 1
    assert not parents & first
    (template,) = parents
    assert Path(f"/proc/{template}/cmdline").read_bytes().startswith(os.fsencode(folder))
    before = (folder / "used").stat().st_mtime_ns
    (fact,) = launch(pool, bench.run())
    assert (folder / "used").stat().st_mtime_ns > before
    assert fact["result"]["parent"] == template

    # Other requirements: the guess is wrong, and the run finds out.
    wheel(bench.wheels, "tinything", "2.0", "VALUE = 43\n")
    (fact,) = launch(pool, bench.run("tinything==2.0\n"))
    assert fact["result"]["value"] == 43
    assert len(bench.folders()) == 2


def test_pip_is_used_where_there_is_no_uv(pool, tmp_path):
    bench = Bench(tmp_path, str(tmp_path))
    run_dir = bench.run()
    (end,) = launch(pool, run_dir)
    assert end["result"]["value"] == 42
    assert "with pip" in output(run_dir)
    assert json.loads((bench.folders()[0] / "ready").read_text())["installer"] == "pip"


def test_a_failed_install_fails_the_run_with_its_reason_and_without_secrets(pool, bench):
    text = "--extra-index-url https://ada:hunter2@index.invalid/simple\nnot-there-at-all\n"
    (end,) = launch(pool, run_dir := bench.run(text))
    message = end["error"]["message"]
    assert re.search(
        r"uv could not install requirements.txt \(exit status \d\): .*not-there-at-all", message, re.DOTALL
    )
    assert "hunter2" not in message + output(run_dir) + (run_dir / "journal.jsonl").read_text()
    assert not (bench.folders()[0] / "ready").exists()
    assert not (bench.folders()[0] / "venv").exists()


def test_a_run_killed_while_it_builds_leaves_nothing_that_is_used(pool, bench):
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it never answers, so both builds last until they are ended
        _kill_one_of_two(pool, bench, f"--find-links http://127.0.0.1:{silent.getsockname()[1]}/\nnot-there\n")


def _kill_one_of_two(pool, bench, requirements):
    run_dir, waits = bench.run(requirements), bench.run(requirements)
    pool.launch(run_dir)
    built = lambda: bench.environments.exists() and any((each / "venv").exists() for each in bench.folders())  # noqa: E731
    wait_until(built, "the build")
    pool.launch(waits)
    wait_until(lambda: (waits / "output").exists() and "waiting for another run" in output(waits), "the other to wait")
    os.kill(marker.owner(run_dir).pid, signal.SIGKILL)
    wait_until(lambda: not pool.alive(run_dir), "its end")
    assert not (bench.folders()[0] / "ready").exists()
    wait_until(lambda: "installing requirements.txt" in output(waits), "the other to build")
    pool.kill(waits, signal.SIGTERM)
    finish(pool, waits)
    assert pool.exit_status(waits)["signal"] == signal.SIGTERM


def test_a_second_file_is_installed_beside_the_first(pool, bench):
    wheel(bench.wheels, "otherthing", "1.0", "X = 1\n")
    run_dir = bench.run()
    source = bench.root / f"source-{run_dir.parent.name}-1"
    (source / "more.txt").write_text(f"--no-index\n-f {bench.wheels}\notherthing\n")
    (source / "flow.py").write_text("def main():\n    import tinything, otherthing\n    return otherthing.X\n")
    todo = json.loads((run_dir / "order.json").read_text())
    todo["pull"].append({"step": STEP, "id": None, "inputs": {"requirements_file": "more.txt"}})
    (run_dir / "order.json").write_text(json.dumps(todo))
    (end,) = launch(pool, run_dir)
    assert end.get("result") == 1
    assert [fact["step"] for fact in facts(run_dir) if fact["fact"] == "step"] == ["set_working_directory", STEP, STEP]


def test_a_live_run_holds_its_environment_and_an_idle_template_ends(bench):
    pool = ProcessPool(idle=0.2)
    before = set(my_children())
    run_dir = bench.run()
    launch(pool, run_dir)
    holds = bench.run()
    source = bench.root / f"source-{holds.parent.name}-1"
    (source / "flow.py").write_text("def main():\n    open('gate').read()\n")
    os.mkfifo(source / "gate")
    pool.launch(holds)
    wait_until(lambda: any(fact["fact"] == "running" for fact in facts(holds)), "the flow")
    (folder,) = bench.folders()
    with (folder / ".lock").open("r+") as lock:
        with pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        (source / "gate").write_text("")
        finish(pool, holds)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    template = marker.owner(holds).keeper
    wait_until(lambda: gone(template), "the template of the environment")
    (end,) = launch(pool, bench.run())
    assert end["result"]["parent"] != template
    pool.close()
    for pid in set(my_children()) - before:
        wait_until(lambda pid=pid: gone(pid), f"template {pid}")


def test_outputs_and_directory_go_along(pool, bench):
    run_dir = bench.run()
    todo = json.loads((run_dir / "order.json").read_text())
    todo["pull"][1:1] = [
        {"step": "run_shell_script", "id": "made", "inputs": {"script": "echo deep", "stream_output": False}}
    ]
    todo["pull"] += [
        {"step": "run_shell_script", "id": None, "inputs": {"script": "mkdir -p {{ made.stdout }}"}},
        {"step": "set_working_directory", "id": None, "inputs": {"directory": "{{ made.stdout }}"}},
    ]
    todo["entrypoint"] = "os.getcwd"
    (run_dir / "order.json").write_text(json.dumps(todo))
    (end,) = launch(pool, run_dir)
    assert end["result"].endswith("/deep"), end


def test_source_is_fetched_by_our_interpreter_for_a_run_in_an_environment(pool, bench, tmp_path):
    subprocess.run(["git", "init", "-q", "-b", "main", tmp_path / "repo"], check=True)
    (tmp_path / "repo" / "lib.py").write_text("X = 5\n")
    git = ["git", "-C", tmp_path / "repo", "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "x"], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    run_dir = bench.run(entrypoint="lib.py:main")
    todo = json.loads((run_dir / "order.json").read_text())
    inputs = {"git_dir": str(tmp_path / "repo" / ".git"), "commit": head, "repository": ".", "directories": []}
    todo["pull"].append({"step": "git_clone", "id": None, "inputs": inputs})
    todo["entrypoint"] = "os.listdir"
    (run_dir / "order.json").write_text(json.dumps(todo))
    (end,) = launch(pool, run_dir)
    assert end["result"] == ["lib.py"], end
    assert [f["commit"] for f in facts(run_dir) if f["fact"] == "running"] == [head]


def test_secrets_go_along_into_another_interpreter_and_stay_out_of_what_it_says(bench, monkeypatch):
    monkeypatch.setenv("RECONCILER_SECRET_TOKEN", "canary-token")
    made = ProcessPool()
    try:
        flow = (
            "import os, sys, tinything\n"
            "def main(token):\n"
            "    print(token, os.environ['OWN'], [n for n in os.environ if 'SECRET' in n])\n"
            "    raise ValueError(sys.prefix + token)\n"
        )
        order = {"env": {"OWN": "-{{ secret.TOKEN }}-"}, "parameters": {"token": "{{ secret.TOKEN }}"}, "secrets": {}}
        runs = [bench.run(**order), bench.run(**order)]
        for run_dir in runs:  # the second one begins in the environment's own template
            (bench.root / f"source-{run_dir.parent.name}-1" / "flow.py").write_text(flow)
            (end,) = launch(made, run_dir)
            (folder,) = bench.folders()
            assert end["error"]["message"] == f"{folder / 'venv'}***", end
            assert "*** -***- []" in output(run_dir)
            assert "canary" not in output(run_dir)
    finally:
        made.close()
