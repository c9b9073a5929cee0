"""Secrets by every way in, told by every way out: nothing that is written, shown or listed holds one."""

import base64
import json
import os
from pathlib import Path
from urllib.parse import quote

import helpers_sops
import pytest
from click.testing import CliRunner
from helpers_acceptance import ended, output, specs, state_root
from helpers_daemon import Daemon, until
from helpers_git import Repo

from reconciler.cli import cli
from reconciler.daemon import client
from reconciler.daemon.state_dir import StateDir
from reconciler.model.errors import ReconcilerError

CANARIES = {
    "FROM_ENV": 'canary/env+"b7e1"',
    "from-folder": "canary folder\nwith a second line of it",
    "FROM_FILE": "canary-file-5d0c-é",
    "FROM_SOPS": "canary-sops-9a41",
}
FLOWS = """\
import base64, json, logging, os, subprocess, sys, time, urllib.parse
from pathlib import Path
from reconciler import flow, get_run_logger, task


@task(retries=1, task_run_name="task-{value}")
def leaky(value, fail):
    print("task", value)
    if fail:
        raise RuntimeError(f"task failed with {value}")
    return value


@flow(flow_run_name="run {a}", log_prints=True)
def leak(a: str, b: str, c: str, d: str, how: str = "", go: str = ""):
    names = [name for name in os.environ if "SECRET" in name or "SOPS" in name]
    print("seen", names, Path("/proc/self/environ").read_text().count("RECONCILER_SECRET"))
    for value in (a, b, c, d, os.environ["MINE"]):
        print(value, repr(value), json.dumps(value), urllib.parse.quote(value), value.encode().hex())
        print(base64.b64encode(f"user:{value}".encode()).decode(), file=sys.stderr)
        get_run_logger().info("logged %s", value)
        logging.error("root %s", value)
        data = value.encode()
        for byte in data:
            os.write(1, bytes([byte]))
        os.write(2, b"\\n")
    subprocess.run('echo "$MINE"; echo "$MINE" >&2; python3 -c "import os; print(os.environ)"', shell=True, check=False)
    print("last word")
    while go and not Path(go).exists():
        time.sleep(0.02)
    if how == "fail":
        raise ValueError({"all": [a, b, c, d]})
    if how == "task":
        leaky(a, True)
    if how == "exit":
        sys.exit(f"leaving with {d}")
    if how == "crash":
        os.write(1, f"crashing with {d}".encode())
        os.abort()
    leaky(b, False)
    return {"deep": [a, {b: c}], "repr": object() if how == "repr" else d}


def step(token):
    raise LookupError(f"a step with {token}")
"""
ENV = {"MINE": "{{ secret.FROM_SOPS }}", "URL": "https://u:{{ secret.FROM_FILE }}@h/"}
PARAMETERS = {
    "a": "{{ secret.FROM_ENV }}", "b": "{{ secret.from-folder }}", "c": "{{ secret.FROM_FILE }}",
    "d": "{{ secret.FROM_SOPS }}",
}  # fmt: skip
ECHO = {
    "run_shell_script": {
        "script": 'echo "out $T"; echo "err $T" >&2; exit "$CODE"',
        "shell": True,
        "env": {"T": "{{ secret.from-folder }} {{ secret.FROM_ENV }}", "CODE": "0"},
    }
}
FAULTY = {"run_shell_script": {**ECHO["run_shell_script"], "env": {**ECHO["run_shell_script"]["env"], "CODE": "3"}}}
OWN = {"leaks.step": {"token": "{{ secret.FROM_FILE }}"}}


def one(name: str, *pull: dict, **more) -> dict:
    steps = {"pull": [{"git_clone": {"repository": "."}}, *pull]} if pull else {}
    env = {**ENV, **more.pop("env", {})}
    return {
        "name": name, "entrypoint": "leaks.py:leak", "parameters": PARAMETERS,
        "work_pool": {"job_variables": {"env": env}}, **steps, **more,
    }  # fmt: skip


@pytest.fixture
def bench(tmp_path):
    """A repository whose deployments leak, and what gives its daemon the secrets."""
    repo = Repo(tmp_path / "repo")
    folder, file, key = tmp_path / "mounted", tmp_path / "values.env", tmp_path / "keys.txt"
    data = folder / "..2026" / "from-folder"
    data.parent.mkdir(parents=True)
    data.write_text(CANARIES["from-folder"] + "\n", "utf-8")
    (folder / "..data").symlink_to("..2026")
    (folder / "from-folder").symlink_to("..data/from-folder")
    file.write_text(f'# a comment\nFROM_FILE="{CANARIES["FROM_FILE"]}"\n', "utf-8")
    helpers_sops.new_key(key)
    helpers_sops.install(tmp_path / "bin")
    env = {
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "RECONCILER_SECRET_FROM_ENV": CANARIES["FROM_ENV"],
        "RECONCILER_SECRET_UNUSED": "canary-unused-77aa",
        "RECONCILER_SECRETS": f"{folder} {file}",
        "SOPS_AGE_KEY_FILE": str(key),
        "PYTHONIOENCODING": "utf-8",
    }
    repo.commit({
        "leaks.py": FLOWS,
        "specs/secrets/all.yaml": helpers_sops.encrypted({"FROM_SOPS": CANARIES["FROM_SOPS"]}, key),
        "specs/a.yaml": specs(
            one("warm", ECHO), one("cold", env={"PYTHONHASHSEED": "1"}), one("faulty", FAULTY), one("own", OWN)
        ),
    })  # fmt: skip
    return repo, env


def said(repo: Repo, *words: str) -> str:
    """What a reading verb prints, in this process."""
    done = CliRunner().invoke(cli, ["-C", str(repo.path), *words])
    assert done.exit_code == 0, (words, done.output)
    return done.output


def start(repo: Repo, deployment: str, **parameters: str) -> str:
    """Ask for a run over the socket; its id."""
    args = {"deployment": deployment, "key": os.urandom(8).hex(), "parameters": parameters}
    return str(client.ask(StateDir(state_root(repo)), "run", args)["run"])


def printed(repo: Repo, run: str) -> str:
    """The output of a run as it lies in its file."""
    files = list((state_root(repo) / "runs" / run).rglob("output"))
    return files[0].read_text("utf-8") if files else ""


def spellings() -> list[bytes]:
    """The canaries, and how they look encoded; what of a base64 text does not depend on what is before and after it."""
    found: list[bytes] = [b"canary-unused-77aa"]
    for value in CANARIES.values():
        for text in (value, *value.splitlines()):
            raw = text.encode()
            found += [raw, quote(text).encode(), raw.hex().encode()]
            found += [json.dumps(text)[1:-1].encode(), repr(text)[1:-1].encode()]
            found += [base64.b64encode(b"x" * n + raw)[4:-4] for n in range(3)]
    return found


def holding(data: bytes) -> list[bytes]:
    return [spelling for spelling in spellings() if spelling in data]


def listed() -> bytes:
    """The command lines of every process there is."""
    found = b""
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += entry.read_bytes()
        except OSError:
            continue
    return found


PLAIN = """\
import os

def main(n: int = 0, word: str = "", other: str = ""):
    print(n, word, other, os.environ.get("MINE"))
    return [n, len(word), other]

def asks(word: str):
    from reconciler import run_deployment

    return run_deployment("main/given", {"other": f"<{word}>"}).id
"""


def test_what_gives_a_secret_is_told_by_name_and_what_lacks_one_says_where_it_looked(bench):
    repo, env = bench
    lacking = {"name": "lacking", "entrypoint": "plain.py:main", "parameters": {"word": "{{ secret.NOWHERE }}"}}
    fallback = {"word": "{{ secret.NOWHERE | default('none') }}"}
    given = {"name": "given", "entrypoint": "plain.py:main", "parameters": fallback}
    asks = {"name": "asks", "entrypoint": "plain.py:asks", "parameters": {"word": "{{ secret.FROM_ENV }}"}}
    repo.commit({"plain.py": PLAIN, "specs/b.yaml": specs(lacking, given, asks)})
    with Daemon(repo, env=env | {"RECONCILER_SECRET_NUMBER": "4711"}) as daemon:
        daemon.applied(repo.head())
        folder, file = env["RECONCILER_SECRETS"].split()
        shown = said(repo, "show", "leak/warm")
        places = (
            f"from-folder ({folder}), FROM_ENV (environment), FROM_FILE ({file}), FROM_SOPS (specs/secrets/all.yaml)"
        )
        assert places in shown
        assert "NOWHERE (missing: runs fail)" in said(repo, "show", "main/lacking")
        assert "NOWHERE (missing: the fallback is used)" in said(repo, "show", "main/given")
        reason = ended(repo.path, start(repo, "main/lacking"))["reason"]
        assert reason.startswith(
            "StepFailed: secret NOWHERE (specs/b.yaml:1) is nowhere: not in the daemon's environment "
            "(RECONCILER_SECRET_NOWHERE)"
        )
        assert "\n" not in reason
        # A person who may ask for a run may name a secret in it, which is text.
        done = ended(repo.path, start(repo, "main/given", other="{{ x }} {{ secret.NUMBER }}"))
        assert (done["state"], done["result"]) == ("Completed", [0, 4, "{{ x }} ***"]), done
        assert done["parameters"]["other"] == "{{ x }} {{ secret.NUMBER }}"
        # What a run asks another run to do refers to the secrets that it was given itself.
        other = ended(repo.path, ended(repo.path, start(repo, "asks/asks"))["result"])
        assert (other["parameters"]["other"], other["result"]) == ("<{{ secret.FROM_ENV }}>", [0, 4, "<***>"]), other
        bad = ended(repo.path, start(repo, "main/given", n="{{ secret.FROM_SOPS }}"))
        assert bad["reason"].endswith("parameter 'n': '***' is not an integer"), bad
    with pytest.raises(ReconcilerError, match="no daemon"):
        start(repo, "main/given")
    assert "no daemon answers, and only it knows them" in said(repo, "show", "leak/warm")


def test_a_preview_has_the_secrets_that_are_listed_for_previews(bench):
    repo, env = bench
    one = {"name": "one", "entrypoint": "plain.py:main", "parameters": {"word": "{{ secret.FROM_ENV }}"}}
    two = {"name": "two", "entrypoint": "plain.py:main", "parameters": {"word": "{{ secret.FROM_SOPS }}"}}
    repo.commit({"plain.py": PLAIN, "specs/a.yaml": specs(one, two)})
    repo.git("branch", "feature/y")
    with Daemon(repo, "--preview", "feature/*", env=env | {"RECONCILER_PREVIEW_SECRETS": "FROM_SOPS"}):
        until(lambda: "main/two--feature-y" in said(repo, "status"), "it is not previewed")
        why = "secret FROM_ENV is not for previews: the setting preview_secrets does not list it"
        assert ended(repo.path, start(repo, "main/one--feature-y"))["reason"] == f"StepFailed: {why}"
        assert "FROM_ENV (not for previews: runs fail)" in said(repo, "show", "main/one--feature-y")
        for name in ("main/one", "main/two--feature-y"):
            assert ended(repo.path, start(repo, name))["state"] == "Completed"


def test_no_output_there_is_holds_a_secret(bench, tmp_path):
    repo, env = bench
    go = tmp_path / "go"
    with Daemon(repo, env=env) as daemon:
        waits = start(repo, "leak/warm", go=str(go))
        until(lambda: "last word" in printed(repo, waits), "it says nothing while it runs")
        assert holding(listed()) == []
        order = next((state_root(repo) / "runs" / waits).rglob("order.json")).read_bytes()
        assert b"{{ secret.FROM_ENV }}" in order
        assert holding(order) == []
        go.touch()
        runs = {"waits": waits}
        ways = {"fail": "warm", "task": "warm", "exit": "warm", "crash": "cold", "repr": "cold", "": "cold"}
        runs |= {how or "cold": start(repo, f"leak/{name}", how=how) for how, name in ways.items()}
        runs |= {name: start(repo, f"leak/{name}") for name in ("faulty", "own")}
        told = {how: ended(repo.path, run) for how, run in runs.items()}
        good = {"waits", "cold", "repr"}
        assert {how: row["state"] for how, row in told.items()} == {
            how: "Completed" if how in good else "Crashed" if how == "crash" else "Failed" for how in runs
        }
        shown = [output(repo.path, waits)]
        assert "last word" in shown[0]
        for how, run in runs.items():
            logs = printed(repo, run)
            began = how not in {"faulty", "own"}
            assert ("last word" in logs, "seen [] 0" in logs, "***" in logs) == (began, began, True), logs
            shown += [logs, *(said(repo, verb, run) for verb in ("show", "explain")), said(repo, "show", run, "--json")]
        for verb in ("events", "runs", "status", "show leak/warm", "show leak/cold"):
            shown.append(said(repo, *verb.split(), "--json"))
        assert told["waits"]["result"] == {"deep": ["***", {"***": "***"}], "repr": "***"}
        assert told["waits"]["name"] == "run ***"
        assert "crashing with ***" in printed(repo, runs["crash"])
        backup = tmp_path / "backup.db"
        said(repo, "backup", str(backup))
    files = [path for path in [*state_root(repo).rglob("*"), daemon.output, backup] if path.is_file()]
    assert {"log.db", "output", "journal.jsonl", "backup.db"} <= {path.name for path in files}
    assert {str(path): found for path in files if (found := holding(path.read_bytes()))} == {}
    assert holding("\n".join(shown).encode()) == []
