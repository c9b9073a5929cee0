"""Code and its environment, as a user has them: submodules, steps of one's own, requirements, Prefect's own flows."""

import os
import subprocess
import sys

from helpers_acceptance import ask, ended, output, specs, start, status
from helpers_daemon import Daemon, command
from helpers_git import Repo
from helpers_packages import uv, wheel

FLOW = "from reconciler import flow\n\n@flow\ndef load():\n    from libs.a import lib\n    return lib.V\n"
CLONE = {"git_clone": {"repository": ".", "include_submodules": True}}


def deployment(name, *pull, entrypoint="flow.py:load", **fields):
    return {"name": name, "entrypoint": entrypoint, "pull": list(pull), **fields}


def test_submodules_come_at_the_commit_that_is_recorded(tmp_path):
    inner, lib, repo = (Repo(tmp_path / name) for name in ("inner", "lib", "repo"))
    inner.commit({"v.py": "V = 7\n"})
    lib.git("submodule", "--quiet", "add", "../inner", "deep")
    lib.commit({"lib.py": "from libs.a.deep.v import V\n"})
    repo.git("submodule", "--quiet", "add", "../lib", "libs/a")
    repo.commit({"flow.py": FLOW, "specs/a.yaml": specs(deployment("a", CLONE))})
    lib.commit({"lib.py": "V = 'a later commit'\n"})
    with Daemon(repo) as daemon:
        run = ended(repo.path, start(repo.path, "load/a"))
        assert (run["state"], run["result"]) == ("Completed", 7), run

        hostile = (repo.path / ".gitmodules").read_text().replace("../lib", "ext::sh -c evil")
        daemon.applied(repo.commit({".gitmodules": hostile}))
        row = status(repo.path)["load/a"]
        assert row["health"] == "Invalid"
        assert "submodule 'libs/a': 'ext::sh -c evil': only https, ssh or a path may be used" in row["reason"]
        assert "may be used" in command(repo.path, "validate").stdout

        daemon.applied(repo.commit({".gitmodules": hostile.replace("ext::sh -c evil", "../lib")}))
        repo.git("update-index", "--cacheinfo", f"160000,{'1' * 40},libs/a")
        repo.git("commit", "-q", "-m", "a commit that is nowhere")
        daemon.applied(repo.head())
        assert "submodule 'libs/a' at 111111111111" in status(repo.path)["load/a"]["reason"]


STEPS = """
import asyncio
async def fetch(table: str, limit: int = 3):
    await asyncio.sleep(0)
    print("fetching", table)
    return {"rows": limit}
def fails():
    raise LookupError("no such table")
"""
TOLD = "from reconciler import flow\n@flow\ndef told():\n    return open('rows').read()\n"


def test_a_step_of_ones_own_is_checked_at_the_door_and_called_in_the_run(tmp_path):
    repo = Repo(tmp_path / "repo")
    clone, write = {"git_clone": {"repository": "."}}, {"script": "sh -c 'echo {{ got.rows }} > rows'"}
    good = deployment(
        "good",
        clone,
        {"ours.steps.fetch": {"id": "got", "table": "sales", "limit": 5}},
        {"run_shell_script": write},
        entrypoint="flow.py:told",
    )
    bad = deployment("bad", clone, {"ours.steps.fails": {}}, entrypoint="flow.py:told")
    repo.commit({"ours/steps.py": STEPS, "flow.py": TOLD, "specs/a.yaml": specs(good, bad)})
    with Daemon(repo) as daemon:
        run = ended(repo.path, first := start(repo.path, "told/good"))
        assert (run["result"], output(repo.path, first)) == ("5\n", "fetching sales\n")
        run = ended(repo.path, start(repo.path, "told/bad"))
        assert run["reason"].endswith("pull step 1 (ours.steps.fails) failed: LookupError: no such table")

        daemon.applied(repo.commit({"ours/steps.py": STEPS.replace("limit", "most").replace("def fails", "def fail")}))
        problems = [p["message"] for p in ask(repo.path, "plan", code=1)["problems"]]
        assert problems == [
            "unknown input; it takes most, table",
            "ours/steps.py has no 'fails': no such function; did you mean 'fail'?",
        ]


def test_requirements_are_installed_once_and_never_into_the_daemon(tmp_path):
    repo = Repo(tmp_path / "repo")
    wheel(repo.path / "wheels", "tinything", "1.2", "VALUE = 42\n")
    flow = "import sys, tinything\ndef load():\n    return [tinything.VALUE, sys.prefix, 'pydantic' in sys.modules]\n"
    pull = {"git_clone": {"repository": "."}}, {"pip_install_requirements": {}}
    variables = {"job_variables": {"env": {"PATH": f"{uv()}:{os.environ['PATH']}"}}}
    text = "--no-index\n--find-links wheels\ntinything\n"
    spec = specs(deployment("a", *pull, work_pool=variables, flow_name="load"))
    repo.commit({"flow.py": flow, "specs/a.yaml": spec})
    assert "there is no file 'requirements.txt' in the repository" in command(repo.path, "validate").stdout
    repo.commit({"requirements.txt": text})
    with Daemon(repo):
        outputs = []
        for _ in range(2):
            run = ended(repo.path, each := start(repo.path, "load/a"))
            assert run["state"] == "Completed", run
            value, prefix, _ = run["result"]
            assert (value, sys.prefix != prefix) == (42, True)
            outputs.append(output(repo.path, each))
    assert ["installed in" in text for text in outputs] == [True, False]
    assert subprocess.run([sys.executable, "-c", "import tinything"], check=False, capture_output=True).returncode == 1
