"""What every pool on this machine promises, with real processes."""

import os
import signal
from pathlib import Path

import pytest
from engine_runs import facts, gone, last, make_run, output, pids_of, wait_until

from reconciler import plugins, pools
from reconciler.pools import Pool, check

LOCAL = ["inline", "process"]
NOTE_PID = "import os, sys, time\nfrom pathlib import Path\nhere = Path(sys.path[0])\n"


@pytest.fixture(params=LOCAL)
def pool(request):
    made = plugins.load(pools, Pool, request.param)()
    yield made
    made.close()


def run(pool: Pool, run_dir: Path) -> Path:
    pool.launch(run_dir)
    wait_until(lambda: not pool.alive(run_dir), f"the end of {run_dir}")
    return run_dir


def source_of(run_dir: Path) -> Path:
    return run_dir.parents[2] / f"source-{run_dir.parent.name}-{run_dir.name}"


def test_hello_completes_and_leaves_output_result_and_exit(pool, tmp_path):
    done = run(
        pool,
        make_run(
            tmp_path, "def main(name):\n    print('hello', name)\n    return {'n': 1}\n", parameters={"name": "you"}
        ),
    )
    assert pool.exit_status(done) == {"code": 0, "signal": None}
    assert output(done) == "hello you\n"
    assert [f["fact"] for f in facts(done)] == ["step", "running", "completed"]
    assert last(done)["result"] == {"n": 1}
    assert not pool.alive(done)


def test_a_failing_flow_says_so_from_the_users_first_line_on(pool, tmp_path):
    done = run(pool, make_run(tmp_path, "def inner():\n    raise KeyError('gone')\ndef main():\n    inner()\n"))
    assert pool.exit_status(done) == {"code": 1, "signal": None}
    error = last(done)["error"]
    assert (error["type"], error["message"]) == ("KeyError", "'gone'")
    first, second = [line for line in error["traceback"].splitlines() if line.startswith("  File")]
    assert first.endswith("in main")
    assert second.endswith("in inner")
    assert "KeyError" in output(done)


@pytest.mark.parametrize(
    ("body", "status", "fact"),
    [
        ("sys.exit(3)", {"code": 1, "signal": None}, "failed"),
        ("sys.exit(0)", {"code": 0, "signal": None}, "completed"),
        ("os._exit(7)", {"code": 7, "signal": None}, "running"),
        ("import ctypes; ctypes.string_at(0)", {"code": None, "signal": signal.SIGSEGV}, "running"),
        ("os.kill(os.getpid(), 9)", {"code": None, "signal": signal.SIGKILL}, "running"),
    ],
    ids=["exit 3", "exit 0", "hard exit", "segfault", "kill -9"],
)
def test_an_end_of_another_kind_is_recorded(pool, tmp_path, body, status, fact):
    done = run(pool, make_run(tmp_path, f"import os, sys\ndef main():\n    {body}\n"))
    assert pool.exit_status(done) == status
    assert last(done)["fact"] == fact


def test_a_crash_in_c_code_names_the_line(pool, tmp_path):
    done = run(pool, make_run(tmp_path, "import ctypes\ndef main():\n    ctypes.string_at(0)\n"))
    assert 'flow.py", line 3 in main' in output(done)


LEAVES_PROCESSES = NOTE_PID + (
    "def leave(daemonise):\n"
    "    read, write = os.pipe()\n"
    "    if os.fork() == 0:\n"
    "        if daemonise:\n"
    "            os.setsid()\n"
    "            if os.fork(): os._exit(0)\n"
    "        with open(here / 'pids', 'a') as f: f.write(f'{os.getpid()} ')\n"
    "        os.close(read); os.write(write, b'x'); os.close(write)\n"
    "        time.sleep(600)\n"
    "        os._exit(0)\n"
    "    os.close(write); os.read(read, 1)\n"
)


@pytest.mark.parametrize("daemonise", [False, True], ids=["a child", "a daemon"])
def test_what_a_flow_leaves_running_ends_with_it(pool, tmp_path, daemonise):
    done = run(pool, make_run(tmp_path, LEAVES_PROCESSES + f"def main():\n    leave({daemonise})\n"))
    assert pool.exit_status(done) == {"code": 0, "signal": None}
    (left,) = pids_of(source_of(done) / "pids")
    wait_until(lambda: gone(left), "the process that was left")


def test_a_flow_deaf_to_sigterm_dies_of_sigkill_with_all_it_started(pool, tmp_path):
    deaf = (
        "import signal\n" + LEAVES_PROCESSES + "def main():\n"
        "    signal.signal(signal.SIGTERM, lambda *_: print('no', flush=True))\n"
        "    leave(True)\n    leave(False)\n    (here / 'ready').touch()\n"
        "    while True: time.sleep(600)\n"
    )
    run_dir = make_run(tmp_path, deaf)
    pool.launch(run_dir)
    wait_until((source_of(run_dir) / "ready").exists, "the flow")
    pool.kill(run_dir, signal.SIGTERM)
    wait_until(lambda: "no" in output(run_dir), "the flow's refusal")
    assert pool.alive(run_dir)
    pool.kill(run_dir, signal.SIGKILL)
    wait_until(lambda: not pool.alive(run_dir), "the end")
    assert pool.exit_status(run_dir) == {"code": None, "signal": signal.SIGKILL}
    for pid in pids_of(source_of(run_dir) / "pids"):
        wait_until(lambda pid=pid: gone(pid), f"process {pid}")


def test_sigterm_lets_finally_run_and_is_the_end(pool, tmp_path):
    body = NOTE_PID + (
        "def main():\n    try:\n        (here / 'ready').touch(); time.sleep(600)\n    finally:\n"
        "        print('tidied')\n"
    )
    run_dir = make_run(tmp_path, body)
    pool.launch(run_dir)
    wait_until((source_of(run_dir) / "ready").exists, "the flow")
    pool.kill(run_dir, signal.SIGTERM)
    wait_until(lambda: not pool.alive(run_dir), "the end")
    assert pool.exit_status(run_dir) == {"code": None, "signal": signal.SIGTERM}
    assert output(run_dir) == "tidied\n"


def test_a_flood_of_output_keeps_head_and_tail(pool, tmp_path):
    body = (
        "import os\ndef main():\n    print('first')\n"
        "    for _ in range(200): os.write(1, b'x' * (1 << 20))\n    print('last')\n"
    )
    done = run(pool, make_run(tmp_path, body, limits={"output_bytes": 1 << 20}))
    assert pool.exit_status(done) == {"code": 0, "signal": None}
    assert (done / "output").stat().st_blocks * 512 <= (1 << 20) + 8192
    with (done / "output").open("rb") as file:
        assert file.read(5) == b"first"
        file.seek(-5, os.SEEK_END)
        assert file.read() == b"last\n"


def test_another_owner_takes_a_run_over_by_its_directory(pool, tmp_path):
    body = NOTE_PID + "def main():\n    while not (here / 'go').exists(): time.sleep(0.01)\n    print('whole')\n"
    run_dir = make_run(tmp_path, body)
    pool.launch(run_dir)
    wait_until((run_dir / "started").exists, "the start")
    pool.close()
    heir = type(pool)()
    assert heir.alive(run_dir)
    assert heir.exit_status(run_dir) is None
    (source_of(run_dir) / "go").touch()
    wait_until(lambda: not heir.alive(run_dir), "the end")
    assert heir.exit_status(run_dir) == {"code": 0, "signal": None}
    assert output(run_dir) == "whole\n"
    heir.close()


def test_two_launches_of_an_attempt_run_it_once(pool, tmp_path):
    run_dir = make_run(
        tmp_path, NOTE_PID + "def main():\n    with open(here / 'ran', 'a') as f: f.write('x')\n    return 5\n"
    )
    pool.launch(run_dir)
    pool.launch(run_dir)
    wait_until(lambda: not pool.alive(run_dir), "the end")
    pool.launch(run_dir)
    other = make_run(tmp_path, "def main(): pass\n", run="00000000000000bb")
    run(pool, other)  # requests are answered in order: the third launch is over, too
    assert (source_of(run_dir) / "ran").read_text() == "x"
    assert pool.exit_status(run_dir) == {"code": 0, "signal": None}
    assert [f["fact"] for f in facts(run_dir)] == ["step", "running", "completed"]


def test_a_run_killed_before_it_starts_never_does(pool, tmp_path):
    run_dir = make_run(tmp_path, NOTE_PID + "def main():\n    (here / 'ran').touch()\n")
    pool.kill(run_dir, signal.SIGKILL)
    assert not run(pool, run_dir).joinpath("journal.jsonl").exists()
    assert pool.exit_status(run_dir) is None
    assert not (source_of(run_dir) / "ran").exists()


def test_the_environment_is_clean_but_for_what_is_declared(pool, tmp_path, monkeypatch):
    monkeypatch.setenv("DAEMON_TOKEN", "s3cret")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setenv("PYTHONPATH", "/nonexistent")
    body = NOTE_PID + (
        "def main():\n    (here / 'pid').write_text(str(os.getpid()))\n"
        "    return dict(os.environ), time.strftime('%z'), sys.argv, "
        "sorted(vars(sys.modules['__main__']))\n"
        ""
    )
    done = run(pool, make_run(tmp_path, body, env={"MINE": "1", "TZ": "America/New_York", "HOME": None}))
    environ, zone, argv, names = last(done)["result"]
    assert "DAEMON_TOKEN" not in environ
    assert "PYTHONPATH" not in environ
    assert "HOME" not in environ
    assert (environ["MINE"], environ["PATH"]) == ("1", os.environ["PATH"])
    assert zone in {"-0500", "-0400"}
    assert argv == [""]
    assert not set(names) & {"run", "template", "ROOT"}


def test_the_kernel_shows_no_secret_of_the_daemon_either(pool, tmp_path, monkeypatch):
    monkeypatch.setenv("DAEMON_TOKEN", "s3cret")
    body = "from pathlib import Path\ndef main():\n    return Path('/proc/self/environ').read_text()\n"
    assert "s3cret" not in last(run(pool, make_run(tmp_path, body)))["result"]


def test_no_descriptor_of_anyone_else_is_open_in_a_run(pool, tmp_path):
    body = (
        "import os\ndef main():\n"
        "    return [os.readlink(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd') if "
        "os.path.exists(f'/proc/self/fd/{n}')]\n"
        ""
    )
    with (tmp_path / "daemon.db").open("w"):
        links = last(run(pool, make_run(tmp_path, body)))["result"]
    mine = [link for link in links if "daemon.db" in link or "socket" in link]
    assert mine == []


@pytest.mark.parametrize("cold", [False, True])
@pytest.mark.parametrize("named", [False, True])
def test_a_run_holds_the_secrets_that_its_order_names_and_no_way_to_others(pool, tmp_path, monkeypatch, named, cold):
    monkeypatch.setenv("RECONCILER_SECRET_MINE", "canary-mine")
    monkeypatch.setenv("RECONCILER_SECRET_OTHER", "canary-other")
    body = (
        "import os\nfrom pathlib import Path\ndef main(value):\n"
        "    links = [os.readlink(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd') if int(n) > 2 and "
        "os.path.exists(f'/proc/self/fd/{n}')]\n"
        "    environ = Path('/proc/self/environ').read_text() + str(dict(os.environ))\n"
        "    return [len(value), 'memfd' in str(links), 'canary' in environ, 'SECRET' in environ]\n"
    )
    order = {"parameters": {"value": "{{ secret.MINE }}"}, "env": {"PYTHONHASHSEED": "7"} if cold else {}}
    done = run(pool, make_run(tmp_path, body, **order, **({"secrets": {}} if named else {})))
    length = len("canary-mine" if named else "{{ secret.MINE }}")
    assert last(done)["result"] == [length, False, False, False]


@pytest.mark.parametrize("variable", ["PYTHONHASHSEED", "LC_ALL"])
def test_what_only_a_fresh_interpreter_obeys_is_obeyed(pool, tmp_path, variable):
    body = (
        "import os, sys\ndef main():\n"
        "    return [hash('x'), os.environ.get('PYTHONHASHSEED'), os.environ.get('LC_ALL'), os.getpid() "
        "== os.getsid(0)]\n"
        ""
    )
    value = {"PYTHONHASHSEED": "7", "LC_ALL": "C.UTF-8"}[variable]
    first = run(pool, make_run(tmp_path, body, env={variable: value}))
    second = run(pool, make_run(tmp_path, body, env={variable: value}, run="00000000000000bb"))
    assert value in last(first)["result"]
    assert last(first)["result"][-1] is True
    if variable == "PYTHONHASHSEED":
        assert last(first)["result"] == last(second)["result"]


def test_random_numbers_differ_between_runs(pool, tmp_path):
    body = "import random\ndef main():\n    return random.random()\n"
    results = {last(run(pool, make_run(tmp_path, body, run=f"{n:016x}")))["result"] for n in range(3)}
    assert len(results) == 3


def test_a_directory_without_an_order_is_no_run(pool, tmp_path):
    run_dir = tmp_path / "runs" / "x" / "1"
    run_dir.mkdir(parents=True)
    (run_dir / "order.json").write_text("[]")
    run(pool, run_dir)
    # The marker is taken first, so that nobody else starts the attempt, and its end is told right after.
    wait_until(lambda: pool.exit_status(run_dir), "the exit status")
    assert pool.exit_status(run_dir) == {"code": 70, "signal": None}


def test_job_variables_are_checked_with_a_message_that_helps(pool):
    assert list(check(type(pool), {"env": {"A": "1", "B": None}})) == []
    assert list(check(type(pool), {"envv": {}})) == [(("envv",), "unknown job variable; did you mean 'env'?")]
    ((path, message),) = check(type(pool), {"env": {"A": 1}})
    assert (path, message) == (("env", "A"), "expected text: write it in quotes")


def test_a_template_that_is_told_nothing_more_ends(pool, tmp_path):
    run_dir = run(pool, make_run(tmp_path, "import os\ndef main():\n    return os.getppid()\n"))
    keeper = last(run_dir)["result"]
    pool.close()
    wait_until(lambda: gone(keeper), "the keeper's end")
