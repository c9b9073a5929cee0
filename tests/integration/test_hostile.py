"""What a commit or a run can do to the daemon that serves it: nothing."""

import json
import os

import pytest
from helpers_daemon import Daemon, answer, command, until
from helpers_git import Repo

from reconciler.daemon import client
from reconciler.daemon.state_dir import StateDir
from reconciler.model.errors import InvalidRequestError, ReconcilerError

SPEC = 'deployments:\n  - {name: main, entrypoint: "f.py:f"}\n'
FORGES = """
import os, pathlib
def f(lines: list[str], times: int = 1, last: str = ""):
    here = pathlib.Path.cwd()
    while not (here / "order.json").exists():
        here = here.parent
    with (here / "journal.jsonl").open("a") as journal:
        for _ in range(times):
            journal.writelines(line + "\\n" for line in lines)
        journal.write(last + "\\n")
    os._exit(0)
"""


@pytest.fixture
def repo(tmp_path):
    made = Repo(tmp_path / "repo")
    made.commit({"specs/a.yaml": SPEC, "f.py": FORGES})
    return made


def ended(path, *parameters):
    run = command(path, "run", "f/main", *parameters).stdout.strip()
    until(lambda: answer(path, "show", run)["finished_at"], "the run does not end")
    return answer(path, "show", run)["state"]


def test_a_spec_whose_file_name_is_no_text_is_deployed(repo):
    revision = repo.commit({os.fsdecode(b"specs/odd\xff.yaml"): SPEC.replace("main", "odd")})
    with Daemon(repo) as daemon:
        daemon.applied(revision)
        later = repo.commit({"x": "1"})
        daemon.applied(later)
        assert {row["deployment"] for row in answer(repo.path, "status")} == {"f/main", "f/odd"}
        assert daemon.stop() == 0
    with Daemon(repo):
        until(
            lambda: command(repo.path, "suspend", "f/odd", "--reason", "x").returncode == 0, "it does not serve again"
        )


def test_a_run_cannot_stay_for_ever_nor_hold_up_the_others_by_what_it_writes(repo):
    final = '{"attempt":1,"fact":"completed","at":1,"result":%s}'
    step = json.dumps([json.dumps({"attempt": 1, "fact": "step", "at": 1, "step": "x"})] * 100)
    with Daemon(repo):
        assert ended(repo.path, "-p", f"lines={json.dumps([final % '1e999'])}") == "Crashed"
        assert ended(repo.path, "-p", f"lines={step}", "-p", f"last={final % 1}") == "Completed"
        assert ended(repo.path, "-p", f"lines={step}", "-p", "times=1000", "-p", f"last={final % 1}") == "Crashed"


ODD = ({"name": 5}, {"name": "a\nb"}, {"tags": 5}, {"tags": {"a": 1}}, {"due": "soon"}, {"due": 5})


def test_a_request_of_wrong_types_is_refused_at_the_door(repo):
    state = StateDir(repo.path / ".git/reconciler")
    with Daemon(repo):
        for odd in ODD:
            with pytest.raises(ReconcilerError) as refused:
                client.ask(state, "run", {"deployment": "f/main", "key": "k", **odd})
            assert refused.value.reason == InvalidRequestError.reason, odd


TRAPS = """
import os, pathlib, signal, sys, time
from reconciler import flow, suspend_flow_run
def ancestors():
    pid = os.getpid()
    while pid > 1:
        yield pid
        pid = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
def crashed(flow, run, state): pass
@flow(on_crashed=[crashed], retries=1)
def f(how: str):
    here = pathlib.Path.cwd()
    while not (here / "order.json").exists():
        here = here.parent
    (here.parent / "2").mkdir(exist_ok=True)
    for folder in (here, here.parent / "2"):
        for name in (".cancel", ".order", ".order.json", ".exit", "lost", ".lost", ".resume"):
            for end in ("", *(f".{pid}" for pid in ancestors())):
                try:
                    os.mkfifo(folder / (name + end))
                except FileExistsError:
                    pass
    if how == "deep":
        folder = os.open(".", os.O_RDONLY)
        for _ in range(1200):
            os.mkdir("d", dir_fd=folder)
            folder, before = os.open("d", os.O_RDONLY, dir_fd=folder), folder
            os.close(before)
    if how == "wait":
        print("ready", flush=True)
        time.sleep(600)
    if how == "suspend":
        suspend_flow_run()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_pipes_where_the_daemon_writes_stop_neither_it_nor_the_template(repo):
    repo.commit({"f.py": TRAPS})
    with Daemon(repo) as daemon:
        daemon.applied(repo.head())
        assert ended(repo.path, "-p", "how=die") == "Crashed"
        assert ended(repo.path, "-p", "how=deep") == "Crashed"
        run = command(repo.path, "run", "f/main", "-p", "how=wait").stdout.strip()
        until(lambda: "ready" in command(repo.path, "logs", run).stdout, "it does not start")
        assert command(repo.path, "cancel", run).returncode == 0
        until(lambda: answer(repo.path, "show", run)["state"] == "Cancelled", "it is not cancelled")


def test_the_order_and_its_secrets_go_with_each_attempt(repo):
    repo.commit({"f.py": TRAPS})
    with Daemon(repo) as daemon:
        daemon.applied(repo.head())
        run = command(
            repo.path, "run", "f/main", "-p", "how=suspend", "--job-variable", 'env={"X": "canary"}'
        ).stdout.strip()
        until(lambda: answer(repo.path, "show", run)["state"] == "Suspended", "it is not suspended")
        orders = StateDir(repo.path / ".git" / "reconciler").runs
        until(lambda: not [*orders.rglob("order.json")], "its order stays")
        assert command(repo.path, "cancel", run).returncode == 0
