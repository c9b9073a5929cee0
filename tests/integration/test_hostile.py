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
