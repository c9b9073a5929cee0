"""The process pool and its template: what happens when one of them, or a run, dies at a bad moment."""

import contextlib
import json
import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from engine_runs import children_of, facts, gone, last, make_run, my_children, output, pids_of, wait_until

from reconciler.engine import marker
from reconciler.model.errors import StepError
from reconciler.pools.process import ProcessPool

WAITS = (
    "import os, sys, time\nfrom pathlib import Path\nhere = Path(sys.path[0])\n"
    "def main():\n    while not (here / 'go').exists(): time.sleep(0.01)\n    print('whole')\n    return os.getppid()\n"
)
QUICK = "import os\ndef main():\n    return os.getppid()\n"
COMMIT = "c" * 40


@pytest.fixture
def pool():
    made = ProcessPool()
    before = my_children()
    yield made
    ours = set(my_children()) - set(before)
    made.close()
    for pid in ours:
        wait_until(lambda pid=pid: gone(pid), f"template {pid}")


def source_of(run_dir: Path) -> Path:
    return run_dir.parents[2] / f"source-{run_dir.parent.name}-{run_dir.name}"


def finish(pool: ProcessPool, run_dir: Path) -> Path:
    wait_until(lambda: not pool.alive(run_dir), f"the end of {run_dir}")
    return run_dir


def started(pool: ProcessPool, run_dir: Path) -> int:
    pool.launch(run_dir)
    wait_until((run_dir / "started").exists, "the start")
    owner = marker.owner(run_dir)
    assert owner is not None
    return owner.keeper


def test_runs_share_a_template_each_in_a_session_of_its_own(pool, tmp_path):
    body = (
        "import os\ndef main():\n    return [os.getppid(), os.getsid(0) == os.getpid(), os.getpgid(0) == os.getpid()]\n"
    )
    ends = []
    for n in range(3):
        run_dir = make_run(tmp_path, body, run=f"{n:016x}")
        pool.launch(run_dir)
        ends.append(last(finish(pool, run_dir))["result"])
    assert len({end[0] for end in ends}) == 1
    assert all(end[1:] == [True, True] for end in ends)


def test_a_killed_template_leaves_its_run_alive_and_another_takes_the_next(pool, tmp_path):
    run_dir = make_run(tmp_path, WAITS)
    template = started(pool, run_dir)
    os.kill(template, signal.SIGKILL)
    wait_until(lambda: gone(template), "the template")
    assert pool.alive(run_dir)
    other = make_run(tmp_path, QUICK, run="00000000000000bb")
    pool.launch(other)
    assert last(finish(pool, other))["result"] != template
    (source_of(run_dir) / "go").touch()
    finish(pool, run_dir)
    assert pool.exit_status(run_dir) is None  # nobody saw it end, but it said how
    assert (last(run_dir)["fact"], output(run_dir)) == ("completed", "whole\n")


def test_a_run_whose_template_died_can_still_be_killed(pool, tmp_path):
    run_dir = make_run(tmp_path, WAITS)
    template = started(pool, run_dir)
    os.kill(template, signal.SIGKILL)
    wait_until(lambda: gone(template), "the template")
    pool.kill(run_dir, signal.SIGKILL)
    finish(pool, run_dir)
    assert "completed" not in [f["fact"] for f in facts(run_dir)]


def test_an_attempt_lost_with_its_template_before_it_started_never_runs(pool, tmp_path):
    blocker = make_run(tmp_path, QUICK)
    pool.launch(blocker)
    template = last(finish(pool, blocker))["result"]
    os.kill(template, signal.SIGSTOP)
    lost = make_run(tmp_path, WAITS, run="00000000000000bb")
    pool.launch(lost)
    assert pool.alive(lost)
    os.kill(template, signal.SIGKILL)
    finish(pool, lost)
    assert marker.owner(lost) == marker.NOBODY
    pool.launch(lost)
    after = make_run(tmp_path, QUICK, run="00000000000000cc")
    pool.launch(after)
    finish(pool, after)
    assert not (lost / "journal.jsonl").exists()


def test_a_template_whose_daemon_is_gone_drains(tmp_path):
    pool = ProcessPool()
    run_dir = make_run(tmp_path, WAITS)
    template = started(pool, run_dir)
    pool.close()
    assert not gone(template)
    (source_of(run_dir) / "go").touch()
    wait_until(lambda: gone(template), "the template")
    assert marker.read_exit(run_dir) == {"code": 0, "signal": None}


def test_a_dead_run_is_not_mistaken_for_a_process_with_its_pid(pool, tmp_path):
    run_dir = make_run(tmp_path, QUICK)
    mark = {"pid": os.getpid(), "started": 1, "boot": marker.boot_id(), "keeper": os.getppid()}
    (run_dir / "started").write_text(json.dumps(mark))
    assert not pool.alive(run_dir)
    pool.kill(run_dir, signal.SIGKILL)  # would be the end of this test


def test_a_run_directory_deleted_underneath_is_no_run_and_harms_nobody(pool, tmp_path):
    run_dir = make_run(tmp_path, WAITS)
    started(pool, run_dir)
    source = source_of(run_dir)
    owner = marker.owner(run_dir)
    for path in sorted(run_dir.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    run_dir.rmdir()
    (source / "go").touch()
    wait_until(lambda: not marker.alive(owner), "the run")
    after = make_run(tmp_path, QUICK, run="00000000000000bb")
    pool.launch(after)
    assert last(finish(pool, after))["fact"] == "completed"
    assert not pool.alive(run_dir)


def test_an_interpreter_that_does_not_start_is_told(tmp_path):
    pool = ProcessPool(python=str(tmp_path / "no-python"))
    with pytest.raises(StepError, match="cannot be launched"):
        pool.launch(make_run(tmp_path, QUICK))


def test_an_attempt_given_to_a_template_that_dies_at_its_start_is_over(tmp_path):
    pool = ProcessPool(python="/bin/false")
    run_dir = make_run(tmp_path, QUICK)
    with contextlib.suppress(StepError):  # told at once, when its end is seen that soon
        pool.launch(run_dir)
    finish(pool, run_dir)
    assert (pool.exit_status(run_dir), marker.owner(run_dir)) == (None, marker.NOBODY)
    pool.close()


def test_many_at_once_all_end(pool, tmp_path):
    runs = [make_run(tmp_path, QUICK, run=f"{n:016x}") for n in range(40)]
    for run_dir in runs:
        pool.launch(run_dir)
    for run_dir in runs:
        assert last(finish(pool, run_dir))["fact"] == "completed"


def prepared(folder: Path, name: str, flow: str) -> None:
    copy = folder / name
    copy.mkdir(parents=True)
    (copy / "flow.py").write_text(flow)
    found = (copy / "flow.py").lstat()
    files = [["flow.py", found.st_mode, found.st_size, found.st_ctime_ns, found.st_ino]]
    manifest = {"commit": COMMIT, "tree": "d" * 40, "directories": [], "files": files, "links": [], "lfs": []}
    (folder / f"{name}.json").write_text(json.dumps(manifest))


def test_the_default_pull_takes_a_prepared_copy_and_never_a_poisoned_one(pool, tmp_path):
    copies = tmp_path / "copies"
    for name in ("one", "two"):
        prepared(copies, name, "import os\ndef main():\n    return os.getcwd()\n")
    (copies / "one" / "flow.py").write_text("def main():\n    return 'poisoned'\n")
    inputs = {"git_dir": str(tmp_path / ".git"), "commit": COMMIT, "directories": []}
    pull = [{"step": "git_clone", "id": None, "inputs": inputs}]
    run_dir = make_run(tmp_path, "", pull=pull, state_dir_copies=str(copies))
    pool.launch(run_dir)
    assert last(finish(pool, run_dir))["result"] == str(run_dir / "work")
    running = facts(run_dir)[1]
    assert (running["commit"], running["tree"]) == (COMMIT, "d" * 40)
    assert list(copies.iterdir()) == []


def git(folder: Path, *words: str) -> str:
    """The real git, with nothing of this machine's configuration."""
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    command = ["git", "-c", "user.name=A", "-c", "user.email=a@example.com", *words]
    return subprocess.run(command, cwd=folder, env=env, check=True, capture_output=True, text=True).stdout.strip()


def test_without_a_prepared_copy_the_commit_is_laid_out_from_git(pool, tmp_path):
    repository = tmp_path / "repository"
    (repository / "flows").mkdir(parents=True)
    (repository / "flows" / "etl.py").write_text("import os\ndef main():\n    return sorted(os.listdir())\n")
    (repository / "big.bin").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    git(repository, "init", "-q")
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "one")
    commit, tree = git(repository, "rev-parse", "HEAD", "HEAD^{tree}").split()
    inputs = {"git_dir": str(repository / ".git"), "commit": commit, "directories": []}
    default = [{"step": "git_clone", "id": None, "inputs": inputs}]
    run_dir = make_run(tmp_path, "", pull=default, entrypoint="flows/etl.py:main")
    pool.launch(run_dir)
    assert last(finish(pool, run_dir))["result"] == ["big.bin", "flows"]
    running = facts(run_dir)[1]
    assert (running["commit"], running["tree"], running["git_present"]) == (commit, tree, False)
    assert "1 files are Git LFS pointers" in output(run_dir)
    named = [{"step": "git_clone", "id": "c", "inputs": {**inputs, "repository": ".", "directories": ["flows"]}}]
    other = make_run(tmp_path, "", run="00000000000000bb", pull=named, entrypoint="flows/etl.py:main")
    pool.launch(other)
    assert last(finish(pool, other))["result"] == ["flows"]
    assert (other / "work" / "repository" / "flows").is_dir()


def test_the_daemon_is_told_when_the_flow_begins_and_of_the_end(pool, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(str(tmp_path / "hint"))
        daemon.settimeout(20)
        run_dir = make_run(tmp_path, QUICK, notify=str(tmp_path / "hint"))
        pool.launch(run_dir)
        assert [daemon.recv(100) for _ in range(2)] == [b"00000000000000aa", b"00000000000000aa!"]
        assert pool.exit_status(run_dir) == {"code": 0, "signal": None}


def test_an_async_flow_and_spawned_processes_work_in_a_fork(pool, tmp_path):
    body = (
        "import asyncio, multiprocessing\ndef double(n):\n    return 2 * n\n"
        "async def main():\n    await asyncio.sleep(0)\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n        return pool.map(double, [4])\n"
    )
    run_dir = make_run(tmp_path, body)
    pool.launch(run_dir)
    assert last(finish(pool, run_dir))["result"] == [8]


def test_strays_of_one_run_do_not_cost_another_its_own(pool, tmp_path):
    """A daemonised process belongs to the run that made it as long as that lives."""
    body = WAITS.replace(
        "def main():\n",
        "def main():\n    if os.fork() == 0:\n        os.setsid()\n        if os.fork(): os._exit(0)\n"
        "        (here / 'pids').write_text(str(os.getpid())); time.sleep(600)\n    os.wait()\n",
    )
    keeps = make_run(tmp_path, body)
    pool.launch(keeps)
    wait_until(lambda: pids_of(source_of(keeps) / "pids"), "the daemon of the run")
    (stray,) = pids_of(source_of(keeps) / "pids")
    other = make_run(tmp_path, QUICK, run="00000000000000bb")
    pool.launch(other)
    template = last(finish(pool, other))["result"]
    assert stray not in children_of(template)
    assert not gone(stray)
    (source_of(keeps) / "go").touch()
    finish(pool, keeps)
    wait_until(lambda: gone(stray), "the stray")


def test_the_template_imports_nothing_but_our_engine_and_the_standard_library(pool, tmp_path):
    body = (
        "import sys\ndef main():\n"
        "    return [n for n in sys.modules if n.partition('.')[0] not in {*sys.stdlib_module_names, "
        "'reconciler', 'flow'} and not n.startswith('_')]\n"
        ""
    )
    run_dir = make_run(tmp_path, body)
    pool.launch(run_dir)
    foreign = {name.partition(".")[0] for name in last(finish(pool, run_dir))["result"]}
    assert not foreign & {"pydantic", "dulwich", "yaml", "croniter", "jsonschema", "click"}
