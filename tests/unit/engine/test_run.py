"""A run as one cold process: what it does with an order, seen from its run directory."""

import subprocess
import sys
from pathlib import Path

import pytest
from engine_runs import facts, last, make_run, output

from reconciler.engine import child, marker


def run(run_dir: Path) -> Path:
    log = (run_dir / "output").open("ab")
    with log:
        subprocess.run(
            [sys.executable, "-P", child.ENTRY, "run", run_dir], check=False, stdout=log, stderr=log, timeout=60
        )
    return run_dir


def source_of(run_dir: Path) -> Path:
    return run_dir.parents[2] / f"source-{run_dir.parent.name}-{run_dir.name}"


@pytest.mark.parametrize(
    ("flow", "result"),
    [
        ("import asyncio\nasync def main():\n    await asyncio.sleep(0)\n    return 1\n", 1),
        ("from reconciler import flow\n@flow\ndef main(n: int = 2):\n    return n\n", 2),
        ("from reconciler import flow\n@flow(name='x')\nasync def main():\n    return 3\n", 3),
        ("from datetime import timedelta\ndef main(d: timedelta = None):\n    return None\n", None),
        ("class F:\n    def __call__(self):\n        return 4\nmain = F()\n", 4),
    ],
    ids=["async", "decorated", "decorated async", "nothing", "callable object"],
)
def test_flows_of_every_kind_are_called(tmp_path, flow, result):
    fact = last(run(make_run(tmp_path, flow)))
    assert (fact["fact"], fact["result"]) == ("completed", result)


def test_running_says_what_runs(tmp_path):
    fact = facts(
        run(make_run(tmp_path, "from reconciler import flow\n@flow(name='Load it', version='v7')\ndef main(): pass\n"))
    )[1]
    assert (fact["flow_name"], fact["flow_version"], fact["git_present"]) == ("Load it", "v7", False)
    assert fact["interpreter"].endswith(sys.version.split()[0])


@pytest.mark.parametrize(
    ("flow", "message"),
    [
        ("main = 5\n", "is a int, not a function"),
        ("class main: pass\n", "is a class, not a function"),
        ("other = 1\n", "has no 'main'"),
    ],
)
def test_an_entrypoint_that_is_no_function_says_so_without_a_traceback(tmp_path, flow, message):
    error = last(run(make_run(tmp_path, flow)))["error"]
    assert message in error["message"]
    assert "  File" not in error["traceback"]


def test_a_syntax_error_names_the_users_line(tmp_path):
    error = last(run(make_run(tmp_path, "def main(:\n")))["error"]
    assert error["type"] == "SyntaxError"
    assert "flow.py" in error["traceback"]
    assert "importlib" not in error["traceback"]


def test_an_import_that_fails_begins_in_the_users_file(tmp_path):
    error = last(run(make_run(tmp_path, "import not_there\ndef main(): pass\n")))["error"]
    frames = [line for line in error["traceback"].splitlines() if line.startswith("  File")]
    assert frames[0].endswith("line 1, in <module>")
    assert (error["type"], "not_there" in error["message"]) == ("ModuleNotFoundError", True)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"n": "many"}, "parameter 'n': 'many' is not an integer"),
        ({}, "parameter 'n' is missing"),
        ({"n": 1, "m": 2}, "parameter 'm' is not one of the flow's, which are: n"),
    ],
)
def test_a_parameter_that_does_not_fit_is_named_and_the_flow_not_called(tmp_path, given, message):
    done = run(make_run(tmp_path, "def main(n: int):\n    print('called')\n", parameters=given))
    assert message in last(done)["error"]["message"]
    assert [f["fact"] for f in facts(done)] == ["step", "failed"]
    assert "called" not in output(done)


@pytest.mark.parametrize(
    "flow",
    [
        "import time\ndef main():\n    time.sleep(60)\n",
        (
            "def main():\n    while True:\n        try:\n            for _ in iter(int, 1): pass\n"
            "        except Exception: pass\n"
        ),
        "import asyncio\nasync def main():\n    await asyncio.sleep(60)\n",
        "import time\nasync def main():\n    time.sleep(60)\n",
    ],
    ids=["sleeping", "catching every Exception", "async", "blocking the loop"],
)
def test_a_late_flow_times_out(tmp_path, flow):
    done = run(make_run(tmp_path, flow, timeout_seconds=0.2))
    assert (last(done)["fact"], last(done)["seconds"]) == ("timed_out", 0.2)
    assert "longer than 0.2 s" in output(done)


def test_the_decorator_bounds_the_time_too(tmp_path):
    flow = "import time\nfrom reconciler import flow\n@flow(timeout_seconds=0.1)\ndef main():\n    time.sleep(60)\n"
    assert last(run(make_run(tmp_path, flow)))["fact"] == "timed_out"


def test_a_timeout_error_of_the_users_own_is_a_failure(tmp_path):
    flow = "async def main():\n    raise TimeoutError('mine')\n"
    assert last(run(make_run(tmp_path, flow, timeout_seconds=30)))["error"]["message"] == "mine"


def test_logging_works_without_a_word_and_gives_way_to_the_flows_own(tmp_path):
    plain = "import logging\ndef main():\n    logging.getLogger('etl').info('loaded %d', 3)\n"
    assert output(run(make_run(tmp_path, plain))).endswith("INFO    etl: loaded 3\n")
    own = "import logging\ndef main():\n    logging.basicConfig(format='own %(message)s')\n    logging.info('x')\n"
    assert output(run(make_run(tmp_path, own, run="bb"))) == "own x\n"


@pytest.mark.parametrize("method", ["spawn", "fork", "forkserver"])
def test_multiprocessing_works(tmp_path, method):
    flow = (
        "import multiprocessing, os\ndef double(n):\n    return 2 * n\n"
        f"def main():\n    with multiprocessing.get_context({method!r}).Pool(2) as pool:\n"
        f"        return pool.map(double, [1, 2])\n"
    )
    assert last(run(make_run(tmp_path, flow)))["result"] == [2, 4]


def test_threads_and_exit_functions_end_before_the_process_does(tmp_path):
    flow = (
        "import atexit, threading, time\n"
        "def main():\n    atexit.register(print, 'bye')\n"
        "    threading.Thread(target=lambda: (time.sleep(0.1), print('thread'))).start()\n"
    )
    assert output(run(make_run(tmp_path, flow))) == "thread\nbye\n"


def test_the_marker_names_the_process_and_a_second_one_has_no_effect(tmp_path):
    run_dir = run(make_run(tmp_path, "import os\ndef main():\n    print('ran')\n    return os.getpid()\n"))
    owner = marker.owner(run_dir)
    assert owner is not None
    assert owner.pid == last(run_dir)["result"]
    before = (run_dir / "journal.jsonl").read_bytes()
    run(run_dir)
    assert (run_dir / "journal.jsonl").read_bytes() == before
    assert output(run_dir) == "ran\n"


def test_nothing_of_ours_but_the_engine_is_imported_into_a_run(tmp_path):
    flow = (
        "import sys\ndef main():\n"
        "    return sorted(n for n in sys.modules if n in ('pydantic', 'dulwich', 'yaml', 'asyncio', "
        "'sqlite3'))\n"
        ""
    )
    assert last(run(make_run(tmp_path, flow)))["result"] == []


STEP = "run_shell_script"


def test_outputs_of_a_step_feed_later_ones(tmp_path):
    run_dir = make_run(
        tmp_path,
        "",
        pull=[
            {
                "step": STEP,
                "id": "made",
                "inputs": {"script": "mkdir -p sub/er\nprintf sub/er", "stream_output": False},
            },
            {
                "step": "prefect.deployments.steps.set_working_directory",
                "id": None,
                "inputs": {"directory": "{{ made.stdout }}"},
            },
            {
                "step": STEP,
                "id": None,
                "inputs": {
                    "script": "cat > f.py <<X\ndef main():\n    import os\n    return os.getcwd()\nX",
                    "shell": True,
                },
            },
        ],
        entrypoint="f.py:main",
    )
    assert last(run(run_dir))["result"] == str(run_dir / "work" / "sub" / "er")


def test_a_step_that_fails_ends_the_run_before_any_user_code(tmp_path):
    run_dir = make_run(
        tmp_path,
        "",
        pull=[
            {"step": STEP, "id": None, "inputs": {"script": "sh -c 'echo why >&2; exit 4'"}},
            {"step": STEP, "id": None, "inputs": {"script": "echo never"}},
        ],
    )
    step, failed = facts(run(run_dir))
    assert (step["ok"], failed["reason"]) == (False, "StepFailed")
    assert failed["error"]["message"].endswith("ended with exit status 4: why")
    assert "never" not in output(run_dir)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            {"step": "set_working_directory", "id": None, "inputs": {"directory": "{{ x.y }}"}},
            "nothing gives a value for {{ x.y }}",
        ),
        ({"step": "set_working_dir", "id": None, "inputs": {}}, "did you mean 'set_working_directory'?"),
        ({"step": "git_clone", "id": None, "inputs": {"repository": "."}}, "the commit was not resolved"),
        ({"step": "git_clone", "id": None, "inputs": {"clone_directory_name": "../.."}}, "no folder below"),
        ({"step": "pip_install_requirements", "id": None, "inputs": {}}, "has no place for environments"),
        (
            {"step": "git_clone", "id": None, "inputs": {"git_dir": "x", "commit": "c", "include_submodules": "true"}},
            "include_submodules must be known before the run",
        ),
    ],
)
def test_a_step_that_cannot_be_done_says_why(tmp_path, entry, message):
    assert message in last(run(make_run(tmp_path, "", pull=[entry])))["error"]["message"]


def test_without_steps_a_run_stands_in_its_empty_work_folder(tmp_path):
    run_dir = make_run(tmp_path, "", pull=[], entrypoint="os:getcwd")
    assert last(run(run_dir))["result"] == str(run_dir / "work")
    assert list((run_dir / "work").iterdir()) == []
