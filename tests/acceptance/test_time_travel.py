"""Past runs again, runs of which nothing is recorded, the commit that broke a deployment: with real git and daemon."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from helpers_acceptance import ask, begin, ended, events, processes, specs, start, state_root, status
from helpers_daemon import Daemon, command, environment, until
from helpers_git import Repo

from reconciler.cli import cli
from reconciler.model.errors import ReconcilerError

FLOWS = """\
import json, os, subprocess, sys, time
from pathlib import Path
from reconciler import flow, pause_flow_run, run_deployment, suspend_flow_run

HERE = next((p for p in Path.cwd().parents if (p / "order.json").exists()), None)
ORDER = json.loads((HERE / "order.json").read_text()) if HERE else {"due": "now"}

@flow
def steady(n: int = 1, debug: bool = False):
    if debug:
        breakpoint()
    print("n is", n)
    return {"n": n, "due": ORDER["due"], "env": os.environ.get("OWN")}

@flow
def fails(n: int = 1):
    raise ValueError(f"no {n} in {Path.cwd()}")

@flow
def flaky(side: str):
    with open(side, "a") as file:
        file.write("x")
    return len(Path(side).read_text())

@flow
def reaches_out():
    pause_flow_run(timeout=600)
    suspend_flow_run(timeout=600)
    try:
        run_deployment("steady/a")
    except Exception as error:
        return str(error)

@flow
def hides(token: str):
    breakpoint()
    os.system("echo again $GIVEN")
    return [len(token), token]

@flow
def waits(mark: str):
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", mark], start_new_session=True)
    Path(mark).touch()
    time.sleep(600)
"""


def deployments(**parameters) -> list[dict]:
    names = "steady fails flaky reaches_out waits hides".split()
    made = [{"name": "a", "entrypoint": f"flows.py:{name}"} for name in names]
    env = {"env": {"GIVEN": "{{ secret.TOKEN }}"}}
    made[-1] |= {"parameters": {"token": "{{ secret.TOKEN }}"}, "work_pool": {"name": "process", "job_variables": env}}
    made[0]["schedules"] = [{"cron": "0 0 * * *", "slug": "daily"}]
    return made


def replay(path: Path, run: str, *words: str, code: int = 0) -> dict:
    return ask(path, "replay", run, *words, code=code)


def refused(path: Path, *words: str) -> tuple[int, str]:
    """The exit code and the message of a verb, run in this process."""
    with pytest.raises(ReconcilerError) as error:
        cli.main(["-C", str(path), *words], standalone_mode=False)
    return error.value.exit_code, str(error.value)


def fields(found: list[dict]) -> dict:
    return {each["field"]: (each["from"], each["to"]) for each in found}


def test_a_past_run_again_as_it_was_at_another_commit_and_when_git_dropped_it(tmp_path):
    repo, side = Repo(tmp_path / "repo"), tmp_path / "side"
    first = repo.commit({"flows.py": FLOWS, "specs/a.yaml": specs(*deployments())})
    path = repo.path
    with Daemon(repo) as daemon:
        command(path, "backfill", "steady/a", "--from", "2024-03-09", "--to", "2024-03-09")
        (slot,) = (run["id"] for run in ask(path, "runs", "steady/a"))
        old, slots = ended(path, slot), ask(path, "slots", "steady/a", "--past", "--from", "2024-03-09T00:00:00Z")
        failed = ended(path, start(path, "fails/a"))
        known = status(path)

        # The same again: nothing differs, it saw the slot's time, and nothing takes it for the slot's run.
        found = replay(path, slot[:9])
        assert (found["same"], found["differences"], found["output"]) == (True, [], [])
        again = ask(path, "show", found["run"])
        assert (again["trigger"], again["origin"], again["due"]) == ("replay", slot, old["due"])
        assert (again["result"], again["state"], again["commit"]) == (old["result"], "Completed", first)
        assert old["result"]["due"] == old["due"] < old["created_at"]
        assert not any(event["data"]["state"] == "Late" for event in events(path, subject=found["run"])[1:])
        assert ask(path, "slots", "steady/a", "--past", "--from", "2024-03-09T00:00:00Z") == slots
        assert ask(path, "show", slot)["replayed_by"] == [found["run"]]

        # What fails again in the same way is the same; with code that is fixed, or other parameters, it is not.
        assert replay(path, failed["id"])["same"]
        assert fields(replay(path, failed["id"], "-p", "n=2", code=1)["circumstances"]) == {"parameters.n": (None, 2)}
        fixed = repo.commit({"flows.py": FLOWS.replace("raise ValueError(", "print(")})
        mended = replay(path, failed["id"], "--at", "HEAD", code=1)
        assert fields(mended["differences"])["state"] == ("Failed", "Completed")
        assert fields(mended["circumstances"])["source commit"] == (first, fixed)
        assert any(line.startswith("+no 1 in") for line in mended["output"])
        assert status(path)["fails/a"]["last_run"] == known["fails/a"]["last_run"]

        # A result that changes by itself.
        flaky = ended(path, start(path, "flaky/a", "-p", f"side={side}"))
        assert fields(replay(path, flaky["id"], code=1)["differences"]) == {"result": (1, 2)}
        told = command(path, "replay", flaky["id"])
        assert (told.returncode, "another outcome" in told.stdout, "result: 1 -> 3" in told.stdout) == (1, True, True)

        # Git drops the deployment: its past stays.
        daemon.applied(repo.commit({"specs/a.yaml": specs(*deployments()[1:])}))
        assert replay(path, slot)["same"]

        for words, said in (
            ([slot, "--at", "nope"], "'nope' is no branch, tag or commit"),
            ([slot, "-p", "zzz=1"], "unknown parameter 'zzz'"),
            (["steady/a"], "is a deployment"),
            (["f00"], "there is no run 'f00'"),
        ):
            assert said in refused(path, "replay", *words)[1]
        started = command(path, "replay", slot, "--no-wait").stdout.strip()
        assert ended(path, started)["origin"] == slot

        daemon.stop()
        (state_root(repo) / "config.toml").write_text('keep_payloads = "1ms"\n')
        begin(daemon)
        assert ask(path, "gc")["payloads"]["count"] > 0
        assert "cannot be replayed: its parameters were purged" in refused(path, "replay", flaky["id"])[1]
        assert "cannot be run again: its parameters were purged" in refused(path, "local", flaky["id"])[1]
    assert ask(path, "verify")["problems"] == []
    assert repo.git("for-each-ref", "refs/notes") == ""  # unasked, nothing is noted


@pytest.fixture
def scratch(tmp_path, monkeypatch) -> dict[str, str]:
    """An environment whose temporary files lie in a folder of their own, as those of this process do meanwhile."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    return {"TMPDIR": str(tmp_path / "tmp")}


def everything(root: Path) -> dict[str, str]:
    """Every file below a folder, and what is in it."""
    return {
        str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(root.rglob("*")) if file.is_file()
    }


def test_a_local_run_is_the_run_and_leaves_nothing(tmp_path, scratch):
    repo = Repo(tmp_path / "repo")
    before = repo.commit({"flows.py": FLOWS, "specs/a.yaml": specs(*deployments())})
    path, tmp = repo.path, Path(scratch["TMPDIR"])

    def local(*words: str, said: str | None = None) -> subprocess.CompletedProcess[str]:
        return command(path, "local", *words, input=said, env=scratch)

    # Without a daemon, ever: at the head, at a revision, in the debugger.
    debugged = local("steady/a", "-p", "debug=true", said="p n * 21\nc\n")
    assert (debugged.returncode, "(Pdb) 21\n" in debugged.stdout, "n is 1" in debugged.stdout) == (0, True, True)
    repo.commit({"flows.py": FLOWS.replace("n is", "n was")})
    assert local("steady/a", "--at", before[:8]).stdout == "n is 1\n"
    failed = local("fails/a")
    assert (failed.returncode, "ValueError: no 1 in" in failed.stdout) == (1, True)
    assert 'work/flows.py", line' in failed.stdout
    secret = {"RECONCILER_SECRET_TOKEN": "canary-0123456789"}
    hidden = command(path, "local", "hides/a", input="p token\nc\n", env=scratch | secret)
    assert (hidden.returncode, "again " in hidden.stdout, "(Pdb) " in hidden.stdout) == (0, True, True)
    assert "result: [17, " in hidden.stderr
    assert "canary" not in hidden.stdout + hidden.stderr
    told = local("reaches-out/a")
    assert (told.returncode, "it reaches no daemon" in told.stderr) == (0, True)
    assert not state_root(repo).exists()
    repo.write({"flows.py": FLOWS.replace("n is", "n will be")})
    kept = local("steady/a", "--work-tree", "--keep")
    assert kept.stdout == "n will be 1\n"
    repo.git("branch", "side", before)
    for branch, said in (("main", "n will be 1\n"), ("side", "n is 1\n")):  # main is tracked: it lies here
        pull = f"[{{git_clone: {{repository: ., branch: {branch}}}}}]"
        repo.write({"specs/z.yaml": f"deployments: [{{name: z, entrypoint: 'flows.py:steady', pull: {pull}}}]\n"})
        assert local("steady/z", "--work-tree").stdout == said
    (path / "specs/z.yaml").unlink()
    assert repo.git("status", "--short", "--ignored").split() == ["M", "flows.py"]
    folder = Path(kept.stderr.rsplit("kept: ", 1)[1].strip())
    assert (folder / "order.json").exists()
    assert folder.is_relative_to(tmp)

    # Of a recorded run, beside a daemon that serves: not a byte of its state moves.
    with Daemon(repo):
        run = start(path, "steady/a", "-p", "n=7", "--job-variable", 'env={"OWN": "mine"}')
        old = ended(path, run)
    head, frozen = ask(path, "verify"), everything(state_root(repo))
    again = local(run, "--at", "HEAD~1")
    assert (again.returncode, again.stdout) == (0, "n is 7\n")
    assert json.loads(again.stderr.split("result: ")[1]) == old["result"]
    assert everything(state_root(repo)) == frozen
    assert ask(path, "verify") == head
    assert [each.name for each in tmp.iterdir()] == [folder.relative_to(tmp).parts[0]]
    for word, said in (("nope/a", "there is no deployment 'nope/a'"), ("f00", "there is no run 'f00'")):
        assert refused(path, "local", word)[1].startswith(said)
    assert len(list(tmp.iterdir())) == 1


@pytest.mark.parametrize(
    ("verb", "number", "code"),
    [
        (["local"], signal.SIGINT, 130),
        (["local"], signal.SIGTERM, 1),
        (["bisect", "--good", "HEAD~1", "--bad", "HEAD"], signal.SIGINT, 130),
        (["bisect", "--good", "HEAD~1", "--bad", "HEAD"], signal.SIGTERM, 130),
    ],
    ids=["local and Ctrl-C", "local and SIGTERM", "bisect and Ctrl-C", "bisect and SIGTERM"],
)
def test_what_is_not_recorded_ends_with_its_terminal_and_all_it_started(tmp_path, scratch, verb, number, code):
    repo, mark = Repo(tmp_path / "repo"), tmp_path / "mark"
    repo.commit({"flows.py": FLOWS, "specs/a.yaml": specs(*deployments())})
    repo.commit({"other": "1"})
    words = [sys.executable, "-m", "reconciler", "-C", str(repo.path), *verb, "waits/a", "-p", f"mark={mark}"]
    # What is started in the background is started deaf to Ctrl-C; what is tried here has a terminal.
    words = ["env", "--default-signal=INT", *words]
    with subprocess.Popen(
        words, env=environment() | scratch, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    ) as child:
        until(mark.exists, "the flow did not begin")
        assert len(processes(str(mark))) >= 2
        os.killpg(child.pid, number) if number == signal.SIGINT else child.send_signal(number)
        said = child.communicate(timeout=30)[0].decode()
    assert child.returncode == code, said
    assert list(Path(scratch["TMPDIR"]).iterdir()) == []
    until(lambda: not processes(str(mark)), "what it started lives on")


OLD = """\
def total(n: int = 1):
    # change {number}
    assert n {sign} 1 == 2, "wrong sum"
    return n
"""
SCOPED = [{"git_clone": {"repository": ".", "directories": ["src"]}}]


def history(repo: Repo, count: int, bad: int, *, broken: int, merged: int) -> list[str]:
    """Changes of the flow with changes of other files between; one broken, one by a merge; the commits of the flow."""
    listed = {"name": "a", "entrypoint": "src/flows.py:total", "pull": SCOPED}
    repo.commit({"specs/a.yaml": specs(listed), "src/flows.py": OLD.format(number=0, sign="+")})
    commits = [repo.head()]
    for number in range(1, count):
        text = OLD.format(number=number, sign="-" if number >= bad else "+")
        if number == broken:
            text = text.replace("def", "fed")
        repo.commit({"notes": str(number)}, message="notes")
        if number == merged:
            repo.branch("side")
            repo.commit({"src/flows.py": "draft = ("}, message="a draft that never was on main")
            repo.commit({"src/flows.py": text}, message="the real thing")
            repo.checkout("main")
            repo.commit({"notes": "meanwhile"})
            commits.append(repo.merge("side", message=f"change {number}"))
        else:
            commits.append(repo.commit({"src/flows.py": text}, message=f"change {number}"))
    repo.commit({"notes": "end"})
    return commits


def test_the_commit_that_broke_a_flow_is_named(tmp_path, scratch):
    repo = Repo(tmp_path / "repo")
    commits = history(repo, 30, 17, broken=15, merged=17)
    path, before = repo.path, everything(repo.path)

    found = ask(path, "bisect", "total/a", "--good", commits[0][:8], "--bad", "main")
    first = found["first_bad"]
    assert (first["commit"], first["subject"], first["author"]) == (commits[17], "change 17", "Ada Lovelace")
    assert first["files"] == ["src/flows.py"]
    assert (found["last_good"], found["suspects"]) == (commits[16][:8], [commits[17]])
    assert found["quarantine"].startswith(f"reconciler quarantine total/a --version {commits[16][:8]} --reason ")
    tried = [step["commit"] for step in found["steps"]]
    assert set(tried) <= set(commits)
    assert len(set(tried)) == len(tried) <= 8
    assert {step["outcome"] for step in found["steps"] if step["commit"] == commits[15]} <= {"skip"}

    # A check instead of the flow says the same, and one that skips says where it may be.
    checked = ask(
        path, "bisect", "total/a", "--good", commits[0], "--bad", commits[29], "--run", "grep -q '+ 1' src/flows.py"
    )
    assert checked["first_bad"] == first
    unsure = "test $RECONCILER_LOCAL = 1; grep -q 'change 1[67]' src/flows.py && exit 125; grep -q '+ 1' src/flows.py"
    done = command(path, "bisect", "total/a", "--good", commits[0], "--bad", "HEAD", "--run", unsure, env=scratch)
    assert (done.returncode, "is one of these 3" in done.stdout) == (1, True), done
    assert all(commits[n][:8] in done.stdout for n in (16, 17, 18))

    told = command(path, "bisect", "total/a", "--good", commits[13], "--bad", commits[18], env=scratch)
    assert (told.returncode, f"{commits[17]} is the first bad commit of total/a" in told.stdout) == (0, True)
    assert f"{commits[15][:8]}  skip" in told.stdout
    assert everything(path) == before
    assert list(Path(scratch["TMPDIR"]).iterdir()) == []


def test_what_bisect_refuses_says_why(tmp_path, scratch):
    repo = Repo(tmp_path / "repo")
    commits = history(repo, 4, 2, broken=9, merged=9)
    hang = ["--run", "sleep 600", "--timeout", "100ms"]
    for words, code, said in (
        (["--good", commits[3], "--bad", commits[0]], 1, "is not newer than --good"),
        (["--good", commits[0], "--bad", commits[1]], 1, "is good: Completed"),
        (["--good", commits[2], "--bad", commits[3]], 1, "is bad: Failed: AssertionError: wrong sum"),
        (["--good", commits[0], "--bad", commits[3], *hang], 1, "is bad: not over after 0.1 s"),
        (["--good", commits[0], "--bad", commits[3], "--run", "exit 200"], 1, "ended with exit code 200"),
        (["--good", commits[0], "--bad", commits[3], "-p", "zzz=1"], 1, "cannot be told: unknown parameter 'zzz'"),
        (["--good", commits[0], "--bad", commits[3], "--timeout", "soon"], 2, "no length of time"),
        (["--good", commits[0], "--bad", commits[3], "--run", "true", "-p", "n=1"], 2, "--run takes no parameters"),
        (["--good", commits[0], "--bad", commits[3], "--params-of", "f00"], 1, "no log here yet"),
        (["--good", "zzz", "--bad", commits[3]], 1, "--good: 'zzz' is no branch, tag or commit"),
    ):
        refusal = refused(repo.path, "bisect", "total/a", *words)
        assert refusal[0] == code
        assert said in refusal[1]
    assert list(Path(scratch["TMPDIR"]).iterdir()) == []
