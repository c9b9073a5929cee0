"""Python that talks to the daemon, as users write it: calls in scripts, `run_deployment`, `serve`; kill -9 of each."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from helpers_acceptance import ask, begin, ended, events, in_state, output, spec, start
from helpers_daemon import Daemon, command, environment, until
from helpers_git import Repo

FLOWS = """
import os, sys, time
from pathlib import Path
from reconciler import flow, run_deployment

@flow
def inner(x):
    return x + 1

@flow(name="outer")
def outer(x: int, mode: str = ""):
    if mode == "fail":
        raise ValueError("on purpose")
    while mode and not Path(mode).exists():
        time.sleep(0.01)
    return inner(x)

@flow
def told(wait: str = "", mark: str = ""):
    print("MARK", os.environ.get("MARK"))
    while wait and not Path(wait).exists():
        time.sleep(0.01)
    return os.environ.get("MARK")

@flow
def chain():
    run = run_deployment("told/main", timeout=20)
    return [run.state.name, run.result(), inner(1)]
"""


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Repo:
    made = Repo(tmp_path_factory.mktemp("scripts") / "repo")
    made.commit({
        "flows.py": FLOWS,
        "specs/told.yaml": spec("main", "flows.py:told"),
        "specs/chain.yaml": spec("main", "flows.py:chain"),
    })  # fmt: skip
    return made


@pytest.fixture(scope="module")
def daemon(repo: Repo) -> Iterator[Daemon]:
    with Daemon(repo) as serving:
        yield serving


@contextmanager
def script(repo: Repo, code: str, **env: str) -> Iterator["subprocess.Popen[str]"]:
    """A script of the user's, in the repository's folder; ended when left."""
    with subprocess.Popen(
        [sys.executable, "-c", f"from flows import *\n{code}"],
        cwd=repo.path, env=environment() | env, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as child:  # fmt: skip
        try:
            yield child
        finally:
            if child.poll() is None:
                child.kill()


def said(repo: Repo, code: str, **env: str) -> Any:
    """What a script prints, as JSON."""
    with script(repo, f"import json\nprint(json.dumps({code}))", **env) as child:
        out, err = child.communicate(timeout=30)
    assert child.returncode == 0, err
    return json.loads(out)


def newest(repo: Repo, *states: str) -> dict[str, Any]:
    """The newest run of a script, as `show` tells it."""
    found: list[Any] = []

    def look() -> bool:
        found[:] = [r for r in ask(repo.path, "runs") if r["trigger"] == "script" and r["state"] in states]
        return bool(found)

    until(look, f"no script's run is {states}")
    told: dict[str, Any] = ask(repo.path, "show", found[0]["id"])
    return told


# --- calls in scripts -----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("daemon")
def test_a_call_in_a_script_is_a_run_without_a_deployment(repo: Repo):
    before = len(ask(repo.path, "runs"))
    assert said(repo, "outer(1)") == 2
    run = newest(repo, "Completed")
    assert "stays in that script's terminal" in command(repo.path, "logs", run["id"]).stderr
    assert (run["deployment"], run["flow_name"], run["version"], run["result"]) == ("", "outer", "none", 2)
    assert run["parameters"] == {"x": 1, "mode": ""}
    assert (run["source_commit"], run["commit"], run["exit"]) == (None, None, None)
    assert len(ask(repo.path, "runs")) == before + 1, "what it called is part of it"
    assert "a script called outer" in command(repo.path, "show", run["id"]).stdout
    assert "outer (script)" in command(repo.path, "runs").stdout
    assert command(repo.path, "verify").returncode == 0
    assert {d["deployment"] for d in ask(repo.path, "status")} == {"told/main", "chain/main"}


@pytest.mark.usefixtures("daemon")
def test_a_call_that_raises_and_a_process_that_goes_on(repo: Repo):
    code = "try: outer(1, mode='fail')\nexcept ValueError as e: print(e, flush=True)\ninput()"
    with script(repo, code) as notebook:
        assert notebook.stdout
        assert notebook.stdout.readline() == "on purpose\n"
        run = newest(repo, "Failed")
        assert notebook.poll() is None
        assert run["error"]["type"] == "ValueError"
        assert "flows.py" in run["error"]["traceback"]
        assert "reconciler/engine" not in run["error"]["traceback"]


def test_a_killed_script_is_crashed_and_a_killed_daemon_is_not_felt(repo: Repo, daemon: Daemon, tmp_path: Path):
    go = tmp_path / "go"
    with script(repo, f"print(outer(7, mode={str(go)!r}))") as lives, script(repo, "outer(8, mode='/never')") as dies:
        seen = lambda: [r for r in ask(repo.path, "runs") if r["trigger"] == "script" and r["state"] == "Running"]  # noqa: E731
        until(lambda: len(seen()) == 2, "both to run")
        by = {r["parameters"]["x"]: r["id"] for r in seen()}
        assert command(repo.path, "cancel", by[7]).returncode != 0
        daemon.stop(signal.SIGKILL)
        dies.kill()
        dies.wait()
        begin(daemon)
        assert ended(repo.path, by[8])["state"] == "Crashed"
        go.touch()
        assert lives.communicate(timeout=20)[0] == "8\n"
        assert ended(repo.path, by[7])["state"] == "Completed"


# --- run_deployment -------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("daemon")
def test_run_deployment_waits_times_out_and_is_idempotent(repo: Repo, tmp_path: Path):
    go = tmp_path / "go"
    asked = f"run_deployment('told/main', {{'wait': {str(go)!r}}}, timeout=0, idempotency_key='k', tags=['a'])"
    first, second = said(repo, f"[r.id for r in ({asked}, {asked})]")
    assert first == second
    waits = f"run_deployment('told/main', {{'wait': {str(tmp_path / 'never')!r}}}, timeout=0.3)"
    state, name = said(repo, f"(lambda r: [r.state_name, r.name])({waits})")
    assert state in {"Pending", "Running"}
    assert name
    go.touch()
    assert ended(repo.path, first)["tags"] == ["a"]
    for row in ask(repo.path, "runs"):
        if row["state"] in {"Pending", "Running"}:
            command(repo.path, "cancel", row["id"])
    marked = "run_deployment('told/main', job_variables={'env': {'MARK': 'by the caller'}}, timeout=20).result()"
    assert said(repo, marked) == "by the caller"
    with script(repo, "run_deployment('told/main', job_variables={'evn': {}})") as child:
        assert "unknown job variable; did you mean 'env'?" in child.communicate(timeout=20)[1]
    with script(repo, "run_deployment('told/mian')") as child:
        assert "did you mean 'told/main'?" in child.communicate(timeout=20)[1]


@pytest.mark.usefixtures("daemon")
def test_a_run_may_run_another_deployment_and_its_own_calls_are_its_own(repo: Repo):
    before = {r["id"] for r in ask(repo.path, "runs")}
    run = ended(repo.path, start(repo.path, "chain/main"))
    assert (run["state"], run["result"]) == ("Completed", ["Completed", None, 2]), output(repo.path, run["id"])
    more = [r["deployment"] for r in ask(repo.path, "runs") if r["id"] not in before]
    assert sorted(more) == ["chain/main", "told/main"]


# --- serve ----------------------------------------------------------------------------------------------------------

SERVE = "from reconciler import serve\nserve(told.to_deployment({name!r}, tags=['t']), limit=1)"


def hears(child: "subprocess.Popen[str]", word: str) -> str:
    """The first line on stderr that holds a word."""
    assert child.stderr
    for line in child.stderr:
        if word in line:
            return line
    raise AssertionError(f"it ended without {word!r}")


@pytest.mark.usefixtures("daemon")
def test_what_git_lacks_is_refused_with_the_spec_to_commit(repo: Repo):
    with script(repo, SERVE.format(name="extra")) as child:
        _, err = child.communicate(timeout=20)
    assert child.returncode == 1
    assert "Traceback" not in err
    text = err[err.index("deployments:") : err.index("  git add")]
    assert "git add flows.py specs/told-extra.yaml" in err
    repo.commit({"specs/told-extra.yaml": text})
    until(lambda: "told/extra" in {d["deployment"] for d in ask(repo.path, "status")}, "told/extra")


def test_a_serving_process_takes_runs_with_its_own_environment(repo: Repo, daemon: Daemon, tmp_path: Path):
    code = SERVE.format(name="main")
    go = tmp_path / "go"
    with script(repo, code, MARK="mine") as server:
        assert 'tags: git says [], the code says ["t"]' in hears(server, "git wins")
        hears(server, "serving told/main")
        with script(repo, code) as second:
            assert f"pid {server.pid}" in second.communicate(timeout=20)[1]
        run = start(repo.path, "told/main", "-p", f"wait={go}")
        waits = start(repo.path, "told/main")
        assert in_state(repo.path, run, "Running")["source_commit"] == ask(repo.path, "show", run)["commit"]
        held = in_state(repo.path, waits, "AwaitingConcurrencySlot")
        assert held["reason"] == f"the serving process (pid {server.pid}) is full (1 of 1)"

        daemon.stop(signal.SIGKILL)
        hears(server, "went away")
        begin(daemon)
        hears(server, "is back")
        server.terminate()
        hears(server, f"waiting for {run}")
        go.touch()
        assert server.wait(timeout=20) == 0
    assert ended(repo.path, run)["result"] == "mine"
    assert ended(repo.path, waits)["result"] is None, "back to its pool"
    pending = events(repo.path, "RunPending", subject=run)
    assert pending[0]["data"]["reason"] == f"served by pid {server.pid}"


@pytest.mark.usefixtures("daemon")
def test_a_killed_serving_process_leaves_its_run_alive_and_the_rest_to_the_pool(repo: Repo, tmp_path: Path):
    go = tmp_path / "go"
    with script(repo, "serve = __import__('reconciler').serve\nserve(told, limit=1)", MARK="mine") as server:
        assert "told/main" in hears(server, "serving")
        run = start(repo.path, "told/main", "-p", f"wait={go}")
        in_state(repo.path, run, "Running")
        waits = start(repo.path, "told/main")
        server.send_signal(signal.SIGKILL)
        server.wait()
        assert ended(repo.path, waits)["result"] is None
        assert ask(repo.path, "show", run)["state"] == "Running"
        go.touch()
        assert ended(repo.path, run)["result"] == "mine"


def test_a_stopped_serving_process_that_never_began_a_run_gives_it_back(repo: Repo, daemon: Daemon):
    assert daemon.process
    with script(repo, SERVE.format(name="main"), MARK="mine") as server:
        hears(server, "serving")
        server.send_signal(signal.SIGSTOP)
        run = start(repo.path, "told/main")
        in_state(repo.path, run, "Pending")
        server.send_signal(signal.SIGKILL)
        server.wait()
        told = ended(repo.path, run)
    assert (told["state"], told["result"], told["attempt"]) == ("Completed", None, 2)
    (back,) = events(repo.path, "RunAwaitingRetry", subject=run)
    assert back["data"]["reason"] == f"the serving process (pid {server.pid}) went away before it began"
