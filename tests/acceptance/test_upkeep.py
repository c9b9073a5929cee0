"""Work pools as people see them, retention, and a log that is copied and restored while runs go on."""

import json
import signal
import stat
import uuid
from collections import Counter

import pytest
from helpers_acceptance import ask, ended, events, in_state, output, specs, state_root
from helpers_daemon import Daemon, command, until
from helpers_git import Repo

from reconciler.daemon import client
from reconciler.daemon.state_dir import StateDir

FLOWS = """\
import os, time
from pathlib import Path

def hold(go: str = "", n: int = 0):
    print(os.environ.get("GREETING"), os.environ.get("OWN"), flush=True)
    while go and not Path(go).exists():
        time.sleep(0.02)
    return n

def witness(side: str):
    place = Path(os.getcwd())
    while place.name != "work":
        place = place.parent
    with open(side, "ab", buffering=0) as file:
        file.write(f"{place.parents[1].name} {place.parent.name}\\n".encode())
"""


def start(repo: Repo, deployment: str, **parameters) -> str:
    """Ask for a run over the socket: quicker than a process; its id."""
    args = {"deployment": deployment, "key": uuid.uuid4().hex, "parameters": parameters}
    return str(client.ask(StateDir(state_root(repo)), "run", args)["run"])


def pool(**fields) -> dict:
    queues = [{"name": "hi", "priority": 1}, {"name": "lo", "priority": 2}]
    return {"big": {"concurrency_limit": 1, "queues": queues, **fields}}


def deployments(**fields) -> list[dict]:
    found = [
        {"name": n, "entrypoint": "f.py:hold", "work_pool": {"name": "big", "work_queue_name": n}, **fields}
        for n in ("hi", "lo")
    ]
    found[0]["work_pool"]["job_variables"] = {"env": {"OWN": "mine"}}
    return found


def written(repo: Repo, *listed: dict, **more) -> str:
    return repo.commit({"f.py": FLOWS, "specs/a.yaml": specs(*listed), "specs/pools.yaml": json.dumps(more)})


def test_a_pool_lets_in_by_priority_and_follows_git(tmp_path):
    repo, go = Repo(tmp_path / "repo"), tmp_path / "go"
    env = {"env": {"GREETING": "hello", "OWN": "the pool's"}}
    replace = {"name": "one", "entrypoint": "f.py:hold", "parameters": {"go": str(go)}, "concurrency_limit": 1}
    replace["collision_strategy"] = "CANCEL_RUNNING"
    listed = [*deployments(parameters={"go": str(go)}), replace]
    written(repo, *listed, work_pools=pool(job_variables=env))
    with Daemon(repo) as daemon:
        first, low, high = (start(repo, f"hold/{n}") for n in ("lo", "lo", "hi"))
        in_state(repo.path, first, "Running")
        (big, _) = ask(repo.path, "pools")
        assert (big["pool"], big["active"], [w["run"] for w in big["waits"]]) == ("big", 1, [high, low])
        assert {w["reason"] for w in big["waits"]} == {"work pool big is full (1 of 1)"}
        old, new = start(repo, "hold/one"), start(repo, "hold/one")
        assert ended(repo.path, old)["reason"] == f"CANCEL_RUNNING: run {new} replaces it"
        in_state(repo.path, new, "Running")
        # Of a template's defaults only the launch knows what they come to.
        odd = {"odd": {"base_job_template": {"variables": {"properties": {"env": {"default": {"OWN": 1}}}}}}}
        unfit = {"name": "odd", "entrypoint": "f.py:hold", "work_pool": {"name": "odd"}}
        pools = pool(concurrency_limit=2, job_variables=env) | odd
        daemon.applied(written(repo, *listed, unfit, work_pools=pools))
        failed = ended(repo.path, start(repo, "hold/odd"))
        assert (failed["state"], failed["reason"]) == (
            "Failed", "its job variables do not fit work pool odd: env.OWN: expected text: write it in quotes"
        )  # fmt: skip
        in_state(repo.path, high, "Running")
        until(lambda: output(repo.path, high) == "hello mine\n")
        daemon.applied(written(repo, listed[2], unfit, work_pools=odd))
        # Both deployments are pruned: who waited is cancelled, who ran goes on though its pool is gone.
        assert ended(repo.path, low)["reason"] == "the deployment was pruned"
        go.touch()
        assert {ended(repo.path, run)["state"] for run in (first, high, new)} == {"Completed"}
    types = [e["type"] for e in events(repo.path) if e["type"].startswith("Pool")]
    assert sorted(types) == ["PoolCreated", "PoolCreated", "PoolPruned", "PoolUpdated"]


def test_retention_lets_go_of_what_is_old_and_of_nothing_that_lives(tmp_path):
    repo, go = Repo(tmp_path / "repo"), tmp_path / "go"
    written(repo, {"name": "a", "entrypoint": "f.py:hold", "work_pool": {"job_variables": {"env": {"OWN": "secret"}}}})
    root = state_root(repo)
    with Daemon(repo) as daemon:
        over, live = start(repo, "hold/a", n=7), start(repo, "hold/a", go=str(go))
        ended(repo.path, over)
        in_state(repo.path, live, "Running")
        left = {path.name for path in (root / "runs" / over / "1").iterdir()}
        until(lambda: not {"work", "order.json"} & {p.name for p in (root / "runs" / over / "1").iterdir()}, str(left))
        assert (root / "runs" / live / "1" / "order.json").exists()
        assert sum(kind["count"] for kind in ask(repo.path, "gc").values()) == 0
        assert daemon.stop(signal.SIGKILL) == -9
        (root / "config.toml").write_text('keep_output = "1ms"\nkeep_payloads = "1ms"\n')
        daemon.start()
        before = events(repo.path)
        dry = ask(repo.path, "gc", "--dry-run")
        assert (dry["outputs"]["count"], events(repo.path)) == (1, before)
        went = ask(repo.path, "gc")
        assert (went["outputs"]["count"], went["payloads"]["count"] > 0) == (1, True)
        assert not (root / "runs" / over).exists()
        assert ask(repo.path, "gc")["payloads"]["count"] == 0
        assert ask(repo.path, "show", over)["state"] == "Completed"
        go.touch()
        assert ended(repo.path, live)["state"] == "Completed"
        again = start(repo, "hold/a", n=7)
        assert ended(repo.path, again)["state"] == "Completed"
    assert ask(repo.path, "verify")["problems"] == []
    assert ask(repo.path, "gc")["outputs"]["count"] == 2
    assert ask(repo.path, "verify")["problems"] == []
    told = [e["data"] for e in events(repo.path, "PayloadsPurged")]
    assert all(t["count"] > 0 and t["reason"] for t in told)


def test_a_backup_of_a_running_daemon_is_restored(tmp_path):
    repo, go, side = Repo(tmp_path / "repo"), tmp_path / "go", tmp_path / "side"
    tick = {"name": "tick", "entrypoint": "f.py:witness", "parameters": {"side": str(side)}}
    tick["schedules"] = [{"cron": "* * * * * */1", "slug": "each"}]
    written(repo, tick, {"name": "a", "entrypoint": "f.py:hold", "parameters": {"go": str(go)}})
    root, copy = state_root(repo), tmp_path / "copy.db"
    with Daemon(repo) as daemon:
        live, bare = start(repo, "hold/a"), start(repo, "hold/a")
        for run in (live, bare):
            in_state(repo.path, run, "Running")
        until(side.exists)
        made = ask(repo.path, "backup", str(copy))
        assert stat.S_IMODE(copy.stat().st_mode) == 0o600
        refused = command(repo.path, "backup", str(copy))
        assert (refused.returncode, refused.stderr.startswith(f"error: {copy} exists")) == (1, True)
        assert not list(tmp_path.glob("copy.db.*"))
        head = {e["seq"]: e["hash"] for e in events(repo.path)}
        assert head[made["events"]] == made["head"]
        lines = side.read_bytes().count(b"\n")
        until(lambda: side.read_bytes().count(b"\n") > lines + 1)
        lost = start(repo, "hold/a")
        in_state(repo.path, lost, "Running")
        assert daemon.stop(signal.SIGKILL) == -9
        for name in ("log.db", "log.db-wal", "log.db-shm"):
            (root / name).unlink(missing_ok=True)
        copy.replace(root / "log.db")
        (root / "runs" / bare).rename(tmp_path / "elsewhere")  # as on another machine
        daemon.start()
        assert lost not in {run["id"] for run in ask(repo.path, "runs")}
        assert ended(repo.path, bare)["state"] == "Crashed"
        assert not (root / "runs" / bare).exists()
        go.touch()
        assert ended(repo.path, live)["state"] == "Completed"
        until(lambda: side.read_bytes().count(b"\n") > lines + 4)
        client.ask(StateDir(root), "suspend", {"deployment": "witness/tick", "reason": "enough"})
    twice = [line for line, n in Counter(side.read_text().splitlines()).items() if n > 1]
    assert twice == []
    slots = [e for e in ask(repo.path, "runs", "witness/tick", "--limit", "1000") if e["attempt"]]
    assert len({run["due"] for run in slots}) == len(slots)
    assert ask(repo.path, "verify")["problems"] == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_names_the_program(tmp_path, shell):
    told = command(tmp_path, "completion", shell)
    assert (told.returncode, told.stderr) == (0, "")
    assert "_RECONCILER_COMPLETE" in told.stdout


def test_a_word_is_completed(tmp_path):
    asked = {"_RECONCILER_COMPLETE": "bash_complete", "COMP_WORDS": "reconciler pl", "COMP_CWORD": "1"}
    assert command(tmp_path, env=asked).stdout == "plain,plan\n"
