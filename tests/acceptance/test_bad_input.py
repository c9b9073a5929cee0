"""Bad input, whatever it is, is told and harms nothing else: real repositories, a real daemon, real runs."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from helpers_acceptance import ask, ended, output, processes, restart, spec, start, state_root, status
from helpers_daemon import Daemon, command, environment, until
from helpers_git import Repo

GOOD = "def f(n: int = 1):\n    print('good', n)\n    return n\n"


def yaml(name: str, entrypoint: str = "f.py:f", more: str = "") -> str:
    return f"deployments:\n  - name: {name}\n    entrypoint: {entrypoint}\n{more}"


# --- what `serve` is pointed at --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "options", "says"),
    [
        ([], [], "not a git repository"),
        (["init", "commit", "detach"], [], "HEAD is detached"),
        (["init", "commit"], ["--branch", "nope"], "there is no branch 'nope'"),
        (["init"], [], "branch 'main' is not there, or has no commit yet"),
    ],
    ids=["no repository", "detached head", "no such branch", "no commit"],
)
def test_what_cannot_be_served_is_one_clear_message(tmp_path, make, options, says):
    repo = Repo(tmp_path / "repo", init="init" in make)
    repo.path.mkdir(exist_ok=True)
    if "commit" in make:
        repo.commit({"f.py": GOOD})
    if "detach" in make:
        repo.git("checkout", "-q", "--detach")
    done = command(repo.path, "serve", "--once", *options)
    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_an_empty_repository_without_specs_is_served_and_grows(tmp_path):
    repo = Repo(tmp_path / "repo")
    with Daemon(repo) as daemon:
        assert status(repo.path) == {}
        daemon.applied(repo.commit({"README": "no specs yet"}))
        daemon.applied(repo.commit({"f.py": GOOD, "specs/a.yaml": yaml("a")}))
        assert ended(repo.path, start(repo.path, "f/a"))["state"] == "Completed"


# --- spec files ------------------------------------------------------------------------------------------------------

BOMB = "definitions:\n  a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"  {chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 10)}]\n" for i in range(9)
)
FAULTY: dict[str, tuple[str | bytes, int, str, str]] = {
    # by the file's name; of each its content, the line, the key, and what is said of it
    "big": ("#" * 10_000_000, 1, "", "10000000 bytes"),
    "nested": ("definitions: " + "[" * 40_000, 1, "", "nested"),
    "bomb": (BOMB, 6, "", "aliases expanded"),
    "twice": (yaml("a") + "    name: b\n", 4, "deployments[0].name", "here twice"),
    "tabs": ("deployments:\n\t- name: tab\n", 2, "", "a tab"),
    "latin": (b"deployments:\n  - name: caf\xe9\n", 2, "", "not UTF-8"),
    "utf16": (yaml("u").encode("utf-16"), 1, "", "UTF-16"),
    "missing": (yaml("m", "gone.py:f"), 3, "deployments[0].entrypoint", "there is no regular file 'gone.py'"),
    "outside": (yaml("o", "../x.py:f"), 3, "deployments[0].entrypoint", "`..`"),
    "inner": (yaml("o", "a/../../x.py:f"), 3, "deployments[0].entrypoint", "`..`"),
    "absolute": (yaml("o", "/etc/x.py:f"), 3, "deployments[0].entrypoint", "absolute path"),
    "value": (yaml("v", "code.py:VALUE"), 3, "deployments[0].entrypoint", "not a function"),
    "class": (yaml("c", "code.py:C"), 3, "deployments[0].entrypoint", "not a function"),
    "nothing": (yaml("c", "code.py:nope"), 3, "deployments[0].entrypoint", "nope"),
    "notebook": (yaml("n", "n.ipynb:f"), 3, "deployments[0].entrypoint", "notebook"),
    "syntax": (yaml("s", "broken.py:f"), 3, "deployments[0].entrypoint", "broken.py:1:7: syntax error"),
    "zone": (
        yaml("z", more="    schedules:\n      - {cron: '0 0 * * *', timezone: Mars/Olympus}\n"),
        5, "deployments[0].schedules[0].timezone", "Mars/Olympus",
    ),
    "cron": (
        yaml("z", more="    schedules:\n      - {cron: '61 * * * *'}\n"),
        5, "deployments[0].schedules[0].cron", "'61'",
    ),
    "never": (
        yaml("z", more="    schedules:\n      - {cron: '0 0 31 2 *'}\n"),
        5, "deployments[0].schedules[0].cron", "never happens",
    ),
    "pool": (
        yaml("p", more="    work_pool: {name: nowhere}\n    pull: []\n"),
        4, "deployments[0].work_pool.name", "no file declares work pool 'nowhere'",
    ),
    "pooltype": ("work_pools:\n  w:\n    type: proces\n", 3, "work_pools.w.type", "did you mean 'process'"),
    "step": (
        yaml("s", more="    pull:\n      - git_clon: {repository: .}\n"),
        5, "deployments[0].pull[0].git_clon", "did you mean 'git_clone'",
    ),
    "type": (yaml("t", more="    parameters: {n: many}\n"), 4, "deployments[0].parameters.n", "expected integer"),
    "line\nWARNING forged": (yaml("x", more="    nope: 1\n"), 4, "deployments[0].nope", "unknown key"),
    "userinfo": (
        yaml("x", more="    pull:\n      - git_clone: {repository: 'https://me:t0psecret@example.com/x.git'}\n"),
        5, "deployments[0].pull[0].git_clone.repository", "user name",
    ),
}  # fmt: skip
NAMES = {"no": "no", "yes": "yes", "clock": "1:30", "date": "2024-01-01"}


@pytest.fixture(scope="module")
def batch(tmp_path_factory):
    """Every fault in one commit on top of a good one, met by a daemon that serves."""
    repo = Repo(tmp_path_factory.mktemp("batch") / "repo")
    repo.commit({"f.py": GOOD, "specs/good.yaml": yaml("good"), "specs/mine.yaml": yaml("mine")})
    with Daemon(repo) as daemon:
        repo.write({f"specs/{name}.yaml": content for name, (content, *_) in FAULTY.items()})
        repo.write({f"specs/name-{name}.yaml": yaml(text) for name, text in NAMES.items()})
        repo.write({"code.py": "VALUE = 3\nclass C: ...\n", "broken.py": "def f(:\n", "n.ipynb": "{}"})
        repo.write({"specs/bom.yaml": b"\xef\xbb\xbf" + yaml("bom").encode(), "elsewhere/e.yaml": yaml("linked")})
        repo.write({"specs/mine.yaml": "deployments: ["})
        (repo.path / "specs/link.yaml").symlink_to("../elsewhere/e.yaml")
        (repo.path / "specs/folder").symlink_to("../elsewhere")
        (repo.path / "specs/hang.yaml").symlink_to("hang.yaml")
        repo.git("add", "-A")
        for name in ("specs/module", "specs/module.yaml"):
            repo.git("update-index", "--add", "--cacheinfo", f"160000,{'a' * 40},{name}")
        repo.git("commit", "-q", "-m", "every fault")
        daemon.applied(repo.head())
        yield daemon


@pytest.fixture(scope="module")
def told(batch) -> dict[str, list[dict[str, Any]]]:
    """The problems that `plan` tells, by file."""
    found: dict[str, list[dict[str, Any]]] = {}
    for problem in ask(batch.repo.path, "plan", code=1)["problems"]:
        found.setdefault(problem["file"], []).append(problem)
    return found


@pytest.mark.parametrize("name", FAULTY)
def test_a_faulty_file_is_told_once_where_it_is_wrong(told, name):
    _, line, key, says = FAULTY[name]
    (problem,) = told[f"specs/{name}.yaml"]
    assert (problem["line"], problem["key"]) == (line, key), problem
    assert says in problem["message"]


@pytest.mark.parametrize(
    ("file", "says"),
    [
        ("specs/link.yaml", "symbolic link"),
        ("specs/hang.yaml", "symbolic link"),
        ("specs/folder", "symbolic link"),
        ("specs/module", "submodule"),
        ("specs/module.yaml", "submodule"),
    ],
)
def test_what_is_no_file_under_specs_is_told_and_not_followed(told, file, says):
    (problem,) = told[file]
    assert (problem["line"], problem["column"]) == (1, 1)
    assert says in problem["message"]


def test_nothing_else_is_a_problem_and_all_that_is_right_is_deployed(batch, told):
    known = {f"specs/{name}.yaml" for name in FAULTY}
    known |= {"specs/link.yaml", "specs/hang.yaml", "specs/folder", "specs/module", "specs/module.yaml"}
    assert told.keys() == known | {"specs/mine.yaml"}
    rows = status(batch.repo.path)
    assert rows.keys() == {"f/good", "f/mine", "f/bom"} | {f"f/{name}" for name in NAMES.values()}
    assert rows["f/mine"]["health"] == "Invalid"  # its last good version stays


def test_what_is_right_runs_beside_what_is_wrong(batch):
    for name in ("f/good", "f/mine", "f/1:30"):
        run = ended(batch.repo.path, start(batch.repo.path, name, "-p", "n=7"))
        assert (run["state"], run["result"]) == ("Completed", 7)


def test_the_daemon_says_it_without_a_traceback_forged_lines_or_a_secret(batch):
    said = batch.output.read_text()
    assert "Traceback" not in said
    assert not [line for line in said.splitlines() if line.startswith("WARNING forged")]
    shown = said + command(batch.repo.path, "plan").stdout + command(batch.repo.path, "events", "--json").stdout
    assert "t0psecret" not in shown
    files = [p for p in state_root(batch.repo).rglob("*") if p.is_file() and "work" not in p.parts]
    files = [p for p in files if "copies" not in p.parts]  # the source itself, as committed
    assert [p for p in files if b"t0psecret" in p.read_bytes()] == []


def test_validate_and_a_daemon_killed_with_it_all_say_the_same(batch, told):
    """Last of the batch: the daemon is killed with the commit under way, and the next one says the same."""
    files = {problem["file"] for problem in ask(batch.repo.path, "validate", code=1)["problems"]}
    assert {f for f in told if "module" not in f} <= files  # a submodule's place is an empty folder in a work tree
    before = status(batch.repo.path)
    head = batch.repo.commit({"f.py": GOOD + "\n"})
    restart(batch, signal.SIGKILL)
    until(lambda: ask(batch.repo.path, "plan", code=1)["base"] == head)
    assert status(batch.repo.path).keys() == before.keys()
    assert ask(batch.repo.path, "verify")["problems"] == []


# --- flows -----------------------------------------------------------------------------------------------------------

FLOWS = """\
import ctypes, os, signal, subprocess, sys, time
from pathlib import Path

def raises():
    print("before")
    raise ValueError("not today")

def leaves():
    sys.exit(3)

def leaves_at_once():
    os._exit(4)

def segfaults():
    print("last words", flush=True)
    ctypes.string_at(0)

def forks():
    if os.fork() == 0:
        time.sleep(300)
    return "parent"

def daemonises(mark: str):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.chdir("/")
            time.sleep(300)
        os._exit(0)
    os.wait()
    return "parent"

def prints(mib: int = 1024):
    print("head", flush=True)
    chunk = b"x" * (1 << 20)
    for _ in range(mib):
        os.write(1, chunk)
    print("\\ntail", flush=True)

def ignores(mark: str):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    Path(mark).touch()
    time.sleep(300)

def deep():
    return deep()

def unserialisable():
    return object()

def lies():
    here = Path.cwd()
    while here.name != "work":
        here = here.parent
    with (here.parent / "journal.jsonl").open("a") as journal:
        journal.write('{"fact": "completed", "result": "a lie"}\\n' + "x" * 100_000 + "\\n{")
    os._exit(9)
"""
BODIES = [line.split("(")[0][4:] for line in FLOWS.splitlines() if line.startswith("def ")]


@pytest.fixture(scope="module")
def wild(tmp_path_factory):
    """A daemon, and one run of every misbehaving flow, all at once."""
    root = tmp_path_factory.mktemp("wild")
    repo = Repo(root / "repo")
    repo.commit(
        {
            "w.py": FLOWS,
            "f.py": GOOD,
            "specs/good.yaml": yaml("good"),
            **{f"specs/{b}.yaml": spec("wild", f"w.py:{b}") for b in BODIES},
        }
    )
    with Daemon(repo, "--limit", "20") as daemon:
        (repo.path / ".git/reconciler/config.toml").write_text("cancel_grace = 0.5\noutput_mib = 2\n")
        restart(daemon)
        runs = {}
        for body in BODIES:
            mark = ["-p", f"mark={root / body}"] if body in {"ignores", "daemonises"} else []
            runs[body] = start(repo.path, f"{body.replace('_', '-')}/wild", *mark)
        yield daemon, runs, root
        command(repo.path, "cancel", runs["ignores"])
        ended(repo.path, runs["ignores"])  # a daemon that stops within the grace leaves it to the next one


@pytest.mark.parametrize(
    ("body", "state", "says"),
    [
        ("raises", "Failed", "ValueError: not today"),
        ("leaves", "Failed", "SystemExit: 3"),
        ("leaves_at_once", "Crashed", "4"),
        ("segfaults", "Crashed", "signal 11"),
        ("deep", "Failed", "RecursionError"),
        ("lies", "Crashed", "9"),
    ],
)
def test_a_flow_that_ends_badly_is_told_as_what_it_was(wild, body, state, says):
    daemon, runs, _ = wild
    run = ended(daemon.repo.path, runs[body])
    assert run["state"] == state
    assert says in run["reason"]
    assert run["result"] is None


def test_what_was_printed_before_the_end_is_kept(wild):
    daemon, runs, _ = wild
    for body, words in (("raises", "before\n"), ("segfaults", "last words\n")):
        ended(daemon.repo.path, runs[body])
        assert output(daemon.repo.path, runs[body]).startswith(words)


def test_a_result_that_is_no_json_is_kept_as_words(wild):
    daemon, runs, _ = wild
    run = ended(daemon.repo.path, runs["unserialisable"])
    assert run["state"] == "Completed"
    assert "object" in run["result"]["repr"]


@pytest.mark.parametrize("body", ["forks", "daemonises"])
def test_what_a_flow_leaves_behind_ends_with_it(wild, body):
    daemon, runs, _ = wild
    run = ended(daemon.repo.path, runs[body])
    assert (run["state"], run["result"]) == ("Completed", "parent")
    until(lambda: not processes(runs[body]), f"{body}: {processes(runs[body])}")


def test_a_gigabyte_of_output_keeps_its_head_and_tail(wild):
    daemon, runs, _ = wild
    run = ended(daemon.repo.path, runs["prints"])
    assert run["state"] == "Completed", run["reason"]
    kept = daemon.repo.path / ".git/reconciler/runs" / run["id"] / "1/output"
    until(lambda: kept.stat().st_blocks * 512 < 4 << 20, f"{kept.stat().st_blocks * 512} bytes on disk")
    with kept.open("rb") as stream:
        assert stream.read(5) == b"head\n"
        stream.seek(-5, os.SEEK_END)
        assert stream.read() == b"tail\n"


def test_a_run_that_ignores_sigterm_is_killed_after_the_grace(wild):
    daemon, runs, root = wild
    until((root / "ignores").exists)
    assert command(daemon.repo.path, "cancel", runs["ignores"], "--reason", "enough").returncode == 0
    run = ended(daemon.repo.path, runs["ignores"])
    assert (run["state"], run["reason"]) == ("Cancelled", "enough")
    until(lambda: not processes(runs["ignores"]))


def test_the_daemon_outlives_them_all(wild):
    daemon, runs, _ = wild
    for run in (r for body, r in runs.items() if body != "ignores"):
        ended(daemon.repo.path, run)
    assert ended(daemon.repo.path, start(daemon.repo.path, "f/good"))["state"] == "Completed"
    assert "Traceback" not in daemon.output.read_text()
    assert ask(daemon.repo.path, "verify")["problems"] == []


def _poison(file: Path) -> Path:
    """Other content of the same size, with the times set back."""
    before = file.stat()
    file.write_text(file.read_text().replace("return n", "return 7"))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_size == before.st_size
    return file


def test_a_working_copy_changed_behind_our_back_is_never_run(tmp_path):
    repo = Repo(tmp_path / "repo")
    many = {f"data/{n}.txt": "" for n in range(70)}  # a small source is no copy: see below
    repo.commit({"f.py": GOOD, "specs/a.yaml": yaml("a"), **many})
    with Daemon(repo):
        assert ended(repo.path, start(repo.path, "f/a"))["state"] == "Completed"
        copies = repo.path / ".git/reconciler/copies"
        until(lambda: list(copies.glob("*.json")), "no copies were prepared")
        poisoned = [_poison(file) for file in copies.glob("*/f.py")]
        assert poisoned
        while any(file.exists() for file in poisoned):  # each run takes a copy, or throws one away
            run = ended(repo.path, start(repo.path, "f/a"))
            assert (run["state"], run["result"]) == ("Completed", 1), run["reason"]


def test_a_parcel_changed_behind_our_back_is_never_opened(tmp_path):
    repo = Repo(tmp_path / "repo")
    repo.commit({"f.py": GOOD, "specs/a.yaml": yaml("a")})
    with Daemon(repo):
        assert ended(repo.path, start(repo.path, "f/a"))["result"] == 1
        (parcel,) = (repo.path / ".git/reconciler/copies").glob("[!.]*")
        _poison(parcel)
        run = ended(repo.path, start(repo.path, "f/a"))
        assert (run["state"], run["result"]) == ("Completed", 1), run["reason"]
        parcel.unlink()
        assert ended(repo.path, start(repo.path, "f/a"))["result"] == 1
        assert "return n" in parcel.read_text()


def test_parameters_that_do_not_fit_are_refused_by_name(tmp_path):
    repo = Repo(tmp_path / "repo")
    code = "def f(n: int, m: list[str] = [], *, flag: bool = False):\n    return [n, m, flag]\n"
    repo.commit({"f.py": code, "specs/a.yaml": yaml("a", more="    parameters: {m: [a]}\n")})
    with Daemon(repo):
        for words, says in (
            (["-p", "n=x"], "'n'"),
            (["-p", "n=1", "-p", "m=[1]"], "m"),
            (["-p", "n=1", "-p", "flag=2"], "'flag'"),
            ([], "n"),
            (["-p", "n=1", "-p", "other=1"], "other"),
        ):
            done = command(repo.path, "run", "f/a", *words)
            assert done.returncode == 2, (words, done.stdout)
            assert says in done.stderr
            assert "Traceback" not in done.stderr
        assert ended(repo.path, start(repo.path, "f/a", "-p", "n=2"))["result"] == [2, ["a"], False]


def test_a_daemon_started_by_hand_in_a_repository_without_git_on_the_path(tmp_path):
    """Nothing of the machine's is needed but Python: no git, no home, no locale."""
    repo = Repo(tmp_path / "repo")
    repo.commit({"f.py": GOOD, "specs/a.yaml": yaml("a")})
    done = subprocess.run(
        [sys.executable, "-m", "reconciler", "-C", str(repo.path), "serve", "--once"],
        env={"PYTHONPATH": environment()["PYTHONPATH"], "PATH": str(tmp_path)},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert status(Path(repo.path)).keys() == {"f/a"}
    in_none = ask(repo.path, "runs")
    assert in_none == []
