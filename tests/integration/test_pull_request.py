"""What CI runs on a pull request: the action's script, GitLab's job, the pre-commit hook; the API is a real server."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers_git import ENVIRONMENT, Repo
from served import ROOT

ACTION = ROOT / ".github/actions/plan"
SPEC = "deployments:\n  - {{name: {0}, entrypoint: 'f.py:f'}}\n"
MARKER = "<!-- reconciler plan: specs -->"


class Comments(ThreadingHTTPServer):
    """The comments of one pull request as GitHub and GitLab serve them, kept in memory."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.kept: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.login: str | None = None
        """Whose token it is; None: one of a workflow, which may not ask."""
        self.refuses = 0
        """The status that writing is answered with."""

    def add(self, body: str, who: str, **more: Any) -> None:
        """A comment that stands there."""
        self.kept.append(
            {"id": len(self.kept) + 1, "body": body, "user": {"login": who}, "author": {"id": who}, **more}
        )


class _Answer(BaseHTTPRequestHandler):
    server: Comments

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        if path.endswith("/user"):
            who = self.server.login
            self._answer(200, {"login": who, "id": who}) if who else self._answer(403, {})
            return
        page = int(query.rpartition("page=")[2] or 1)
        self._answer(200, self.server.kept[(page - 1) * 100 : page * 100])

    def do_POST(self) -> None:
        self._write(lambda body: self.server.add(body, self.server.login or "github-actions[bot]"))

    def do_PATCH(self) -> None:
        number = int(self.path.rpartition("/")[2])
        self._write(lambda body: self.server.kept[number - 1].update(body=body))

    def do_PUT(self) -> None:
        self.do_PATCH()

    def _write(self, act: Any) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["body"]
        self.server.asked.append(f"{self.command} {self.path}")
        if self.server.refuses:
            self._answer(self.server.refuses, {"message": "no"})
            return
        act(body)
        self._answer(201, {})

    def _answer(self, code: int, value: Any) -> None:
        data = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_words: object) -> None:
        """Nothing is said."""


@pytest.fixture
def api() -> Iterator[Comments]:
    server = Comments()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def bin(tmp_path: Path) -> Path:  # noqa: A001 - the folder's name
    """`reconciler` as a command, and a pip that has nothing to install."""
    folder = tmp_path / "bin"
    folder.mkdir()
    python = f'#!/bin/sh\n[ "$3" = pip ] && exit 0\nexec {sys.executable} "$@"\n'
    for name, text in {
        "reconciler": f'#!/bin/sh\nexec {sys.executable} -P -m reconciler "$@"\n',
        "python3": python,
    }.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """A pull request: one deployment more than main, which has moved meanwhile."""
    made = Repo(tmp_path / "repo")
    made.commit({"f.py": "def f(): pass\n", "specs/a.yaml": SPEC.format("a")}, "First")
    made.branch("change")
    made.commit({"specs/b.yaml": SPEC.format("b")}, "Second")
    made.checkout("main")
    made.commit({"specs/c.yaml": SPEC.format("c")}, "Meanwhile")
    return made


def environment(repo: Repo, folder: Path, **more: str) -> dict[str, str]:
    return {
        **ENVIRONMENT, "PATH": f"{folder}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT),
        "RUNNER_TEMP": str(folder.parent), "GITHUB_OUTPUT": str(folder.parent / "output"),
        "GITHUB_STEP_SUMMARY": str(folder.parent / "summary"), "GITHUB_REPOSITORY": "o/r",
        "PLAN_BASE": repo.head("main"), "PLAN_HEAD": repo.head("change"), "PLAN_DIRECTORY": str(repo.path),
        "PLAN_SPECS": "", "PLAN_ENV": "", "PLAN_COMMENT": "true", "PLAN_NUMBER": "7", "PLAN_TOKEN": "t0ken", **more,
    }  # fmt: skip


def act(env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """One run of the action's script."""
    done = subprocess.run(
        ["bash", str(ACTION / "plan.sh")], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert "t0ken" not in done.stdout + done.stderr
    return done


def called(repo: Repo, env: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    """One command in the work tree."""
    return subprocess.run(words, cwd=repo.path, env=env, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def env(repo: Repo, bin: Path, api: Comments) -> dict[str, str]:  # noqa: A002
    return environment(repo, bin, GITHUB_API_URL=f"http://127.0.0.1:{api.server_port}")


def text_of(file: Path) -> str:
    return file.read_text() if file.exists() else ""


@pytest.mark.parametrize("login", [None, "a-person"])
def test_one_comment_is_made_and_then_updated_whoever_else_wrote_one(
    api: Comments, repo: Repo, env: dict[str, str], login: str | None
) -> None:
    api.login = login
    for number in range(120):  # ours lies on the second page
        api.add(f"{MARKER}\nnot ours {number}", "someone")
    done = act(env)
    assert (done.returncode, done.stderr) == (0, "")
    assert "::notice file=specs/b.yaml,line=2,title=reconciler%3A create f/b::" in done.stdout
    assert "f/c" not in done.stdout
    assert all(line.startswith("::") for line in done.stdout.splitlines())
    assert "exit-code=3\n" in Path(env["GITHUB_OUTPUT"]).read_text()
    assert api.kept[-1]["body"].startswith(f"{MARKER}\n### reconciler plan: 1 to create, 1 to move\n")
    repo.checkout("change")
    env["PLAN_HEAD"] = repo.commit({"specs/b.yaml": SPEC.format("bb")}, "Third")
    assert act(env).returncode == 0
    assert api.asked == ["POST /repos/o/r/issues/7/comments", "PATCH /repos/o/r/issues/comments/121"]
    assert len(api.kept) == 121
    assert "`f/bb`" in api.kept[-1]["body"]
    assert text_of(Path(env["GITHUB_STEP_SUMMARY"])) == ""


@pytest.mark.parametrize(
    ("refuses", "more", "says"),
    [
        (403, {}, "the token may not write comments"),
        (500, {}, "the API answered 500"),
        (0, {"GITHUB_API_URL": "http://127.0.0.1:1"}, "no comment: URLError"),
        (0, {"PLAN_COMMENT": "false"}, ""),
        (0, {"PLAN_NUMBER": ""}, ""),
    ],
    ids=["a fork", "the API fails", "no API", "no comment wanted", "no pull request"],
)
def test_where_no_comment_can_be_written_it_is_in_the_jobs_summary(
    api: Comments, env: dict[str, str], refuses: int, more: dict[str, str], says: str
) -> None:
    api.refuses = refuses
    done = act(env | more)
    assert done.returncode == 0
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert text_of(Path(env["GITHUB_STEP_SUMMARY"])).startswith(MARKER)
    assert api.kept == []


def test_a_problem_fails_the_job_and_is_told_all_the_same(api: Comments, repo: Repo, env: dict[str, str]) -> None:
    repo.checkout("change")
    env["PLAN_HEAD"] = repo.commit({"specs/b.yaml": "deployments: [{name: b, entrypoint: 'g.py:f'}]\n"}, "Broken")
    done = act(env)
    assert done.returncode == 1
    assert "::error file=specs/b.yaml,line=1,col=" in done.stdout
    assert "**problem** `specs/b.yaml:1:" in api.kept[0]["body"]


def test_a_shallow_checkout_is_deepened_and_a_pushed_branch_has_nothing_before_it(
    repo: Repo, env: dict[str, str], tmp_path: Path
) -> None:
    clone = Repo(tmp_path / "clone", init=False)
    repo.git("clone", "-q", "--depth", "1", "--no-single-branch", f"file://{repo.path}", str(clone.path))
    done = act(env | {"PLAN_DIRECTORY": str(clone.path)})
    assert (done.returncode, "unknown" in done.stdout) == (0, False)
    assert "1 to create, 1 to move" in done.stdout
    done = act(env | {"PLAN_BASE": "0" * 40, "PLAN_HEAD": "change"})
    assert "2 to create" in done.stdout


def test_the_action_hands_values_over_as_environment_only() -> None:
    action = yaml.safe_load((ACTION / "action.yml").read_text())
    assert action["runs"]["using"] == "composite"
    assert all({"shell", "run", "name"} <= step.keys() for step in action["runs"]["steps"])
    assert not [step for step in action["runs"]["steps"] if "${{" in step["run"]]
    assert set(action["inputs"]) == {"base", "head", "working-directory", "specs", "env", "comment", "token"}
    given = set(action["runs"]["steps"][1]["env"])
    asked = {word for word in (ACTION / "plan.sh").read_text().split('"') if word.startswith("$PLAN_")}
    assert {word[1:] for word in asked} <= given
    workflow = yaml.safe_load((ROOT / "examples/pull-request/github-workflow.yml").read_text())
    *_, step = workflow["jobs"]["plan"]["steps"]
    assert (ROOT / step["uses"].partition("@")[0].split("/", 2)[2] / "action.yml") == ACTION / "action.yml"


def test_no_python_of_ci_looks_for_modules_in_the_pull_request() -> None:
    files = [ACTION / "action.yml", ACTION / "plan.sh", ROOT / "examples/pull-request/gitlab-ci.yml"]
    started = [word for f in files for word in re.findall(r'python3?"? (\S+)', f.read_text())]
    assert started == ["-I"] * 5


@pytest.fixture
def job(repo: Repo, bin: Path, api: Comments) -> tuple[str, dict[str, str]]:  # noqa: A002
    """GitLab's job: its script as one, and what GitLab sets."""
    template = yaml.safe_load((ROOT / "examples/pull-request/gitlab-ci.yml").read_text())["reconciler plan"]
    env = environment(repo, bin) | template["variables"]
    env |= {
        "CI_API_V4_URL": f"http://127.0.0.1:{api.server_port}/api/v4", "CI_PROJECT_ID": "3",
        "CI_MERGE_REQUEST_IID": "7", "CI_COMMIT_SHA": repo.head("change"), "RECONCILER_TOKEN": "t0ken",
        "CI_MERGE_REQUEST_DIFF_BASE_SHA": repo.head("main"),
    }  # fmt: skip
    repo.checkout("change")
    return "\n".join(template["script"]), env


def test_gitlabs_job_makes_one_note_and_updates_it(api: Comments, repo: Repo, job: tuple[str, dict[str, str]]) -> None:
    script, env = job
    api.login = "bot"
    (repo.path / "json.py").write_text("raise SystemExit('of the merge request')")
    api.add(f"{MARKER}\nnot ours", "someone")
    for _ in range(2):
        done = called(repo, env, "bash", "-eo", "pipefail", "-c", script)
        assert (done.returncode, done.stderr) == (0, "")
    notes = "/api/v4/projects/3/merge_requests/7/notes"
    assert api.asked == [f"POST {notes}", f"PUT {notes}/2"]
    assert "`f/b`" in api.kept[1]["body"]


@pytest.mark.parametrize(("token", "refuses", "says"), [("", 0, ""), ("t0ken", 500, "the plan is in plan.md")])
def test_gitlabs_job_without_a_token_or_an_api_leaves_the_plan_as_an_artifact(
    api: Comments, repo: Repo, job: tuple[str, dict[str, str]], token: str, refuses: int, says: str
) -> None:
    script, env = job
    api.login, api.refuses = "bot", refuses
    done = called(repo, env | {"RECONCILER_TOKEN": token}, "bash", "-eo", "pipefail", "-c", script)
    assert (done.returncode, api.kept) == (0, [])
    assert says in done.stdout
    assert (repo.path / "plan.md").read_text().startswith(MARKER)


def test_the_pre_commit_hook_is_validate(repo: Repo, bin: Path) -> None:  # noqa: A002
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert {"id", "name", "entry", "language", "files"} <= hook.keys()
    assert (hook["pass_filenames"], hook["language"]) == (False, "python")
    for text, code in ((SPEC.format("b"), 0), ("deployments: [{nam: b}]\n", 1)):
        repo.write({"specs/b.yaml": text})
        done = called(repo, environment(repo, bin), *hook["entry"].split())
        assert (done.returncode, "specs/b.yaml:1:" in done.stdout) == (code, bool(code))
