"""Fetching over a path, http (git's own server program) and ssh; servers that hang, refuse and redirect."""

import http.server
import os
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack, contextmanager

import pytest
from helpers_git import ENVIRONMENT, Repo

from reconciler.git import packs, remote
from reconciler.git.repository import Repository
from reconciler.model.errors import NotFoundError, SourceUnavailableError


@pytest.fixture
def upstream(tmp_path):
    repo = Repo(tmp_path / "up")
    repo.commit({"a": "1"})
    repo.commit({"a": "2"})
    return repo


class Backend(http.server.BaseHTTPRequestHandler):
    """`git http-backend` behind Python's server."""

    root = ""

    def do_GET(self):
        if self.path.startswith("/moved/"):
            self.send_response(301)
            self.send_header(
                "Location", f"http://localhost:{self.server.server_port}{self.path.removeprefix('/moved')}"
            )
            self.end_headers()
            return
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        done = subprocess.run(
            ["git", "http-backend"],
            env=ENVIRONMENT
            | {"GIT_PROJECT_ROOT": self.root, "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path, "QUERY_STRING": query}
            | {"REQUEST_METHOD": self.command, "CONTENT_TYPE": self.headers.get("Content-Type", "")}
            | {"GIT_PROTOCOL": self.headers.get("Git-Protocol", ""), "REMOTE_ADDR": "127.0.0.1"}
            | {"HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", "")},
            input=body,
            capture_output=True,
            check=True,
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self.send_response(int(fields.pop("Status", "200").split()[0]))
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET  # noqa: N815 - the name http.server calls

    def log_message(self, *words):
        pass


@contextmanager
def serving(root):
    handler = type("Here", (Backend,), {"root": str(root)})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_fetch_follows_a_branch_of_a_path_remote_through_new_commits_and_a_force_push(tmp_path, upstream, form):
    clone = Repo(tmp_path / "clone")
    local = clone.commit({"own": "work"})
    clone.git("remote", "add", "origin", form.format(upstream.path))
    for change in ("new", "force"):
        with Repository.open(clone.path) as repo:
            assert remote.fetch(repo, "origin", "main", timeout=30) == upstream.head()
            assert repo.branch("main", "origin") == upstream.head()
        upstream.reset("HEAD~1") if change == "force" else upstream.commit({"a": change})
    clone.git("fsck", "--strict")
    assert (clone.head(), clone.git("status", "--porcelain"), clone.git("ls-files")) == (local, "", "own")


def test_fetch_over_http_takes_only_what_is_missing(tmp_path, upstream):
    clone = Repo(tmp_path / "clone")
    with serving(tmp_path) as base:
        clone.git("remote", "add", "origin", f"{base}/up")
        for _ in range(3):
            upstream.commit({"b": os.urandom(3000).hex()})
            with Repository.open(clone.path) as repo:
                assert remote.fetch(repo, "origin", "main", timeout=30) == upstream.head()
                assert remote.fetch(repo, "origin", "main", timeout=30) == upstream.head()
    sizes = sorted(p.stat().st_size for p in (clone.path / ".git/objects/pack").glob("*.pack"))
    assert len(sizes) == 3
    assert sizes[-1] < 6000
    clone.git("fsck", "--strict")


def test_a_remote_or_branch_that_does_not_exist_is_not_found(tmp_path, upstream):
    clone = Repo(tmp_path / "clone")
    clone.git("remote", "add", "origin", str(upstream.path))
    with Repository.open(clone.path) as repo:
        for name, branch, words in [
            ("other", "main", "no remote 'other'"),
            ("origin", "nope", "no branch 'nope'"),
            ("origin", "../x", "not the name of a branch"),
        ]:
            with pytest.raises(NotFoundError, match=words):
                remote.fetch(repo, name, branch, timeout=30)


def test_a_mirror_answers_by_branch_head_and_commit_and_needs_no_network_for_what_it_has(tmp_path, upstream):
    first = upstream.head("HEAD~1")
    upstream.branch("side")
    side = upstream.commit({"s": "1"})
    upstream.checkout("main")
    folder = tmp_path / "mirrors"
    with serving(tmp_path) as base:
        place, commit = remote.mirror(f"{base}/up", folder, timeout=30)
        assert commit == upstream.head()
        assert remote.mirror(f"{base}/up.git/".replace(".git/", "/"), folder, branch="side", timeout=30) == (
            place,
            side,
        )
        assert remote.mirror(f"{base}/up", folder, commit=first, timeout=30) == (place, first)
        with pytest.raises(SourceUnavailableError, match="not found, or not a git repository"):
            remote.mirror(f"{base}/nothing", folder, timeout=30)
        with pytest.raises(SourceUnavailableError):
            remote.mirror(f"{base}/up", folder, commit="1" * 40, timeout=30)
        with pytest.raises(SourceUnavailableError, match="redirect to another host"):
            remote.mirror(f"{base}/moved/up", folder, timeout=30)
    assert remote.mirror(f"{base}/up", folder, commit=side, timeout=5) == (place, side)
    with pytest.raises(SourceUnavailableError, match=r"127\.0\.0\.1"):
        remote.mirror(f"{base}/up", folder, branch="side", timeout=5)


def test_a_path_is_opened_in_place(tmp_path, upstream):
    for url in (str(upstream.path), f"file://{upstream.path}"):
        place, commit = remote.mirror(url, tmp_path / "mirrors", branch="main", timeout=5)
        assert (place, commit) == (upstream.path, upstream.head())
    assert not (tmp_path / "mirrors").exists()


def test_a_server_that_hangs_costs_the_timeout_and_leaks_no_secret(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://user:canary@127.0.0.1:{silent.getsockname()[1]}/r"
        with pytest.raises(SourceUnavailableError, match="no answer") as caught:
            remote.mirror(url, tmp_path / "m", timeout=0.3)
    assert "canary" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert not any(b"canary" in p.read_bytes() for p in (tmp_path / "m").rglob("*") if p.is_file())


@pytest.fixture
def ssh(tmp_path, monkeypatch):
    """An `ssh` that runs the command here, and writes down how it was called."""
    program = tmp_path / "bin/ssh"
    program.parent.mkdir()
    program.write_text(
        f"#!{sys.executable}\nimport os, sys\nopen({str(tmp_path / 'words')!r}, 'w').write('\\n'.join(sys.argv[1:]))\n"
        "if 'hang@host' in sys.argv: import time; time.sleep(60)\n"
        "if 'lost@host' in sys.argv: sys.exit('Host key \\x1b[31mverification failed.')\n"
        "os.execvp('sh', ['sh', '-c', sys.argv[-1]])\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return tmp_path / "words"


def test_ssh_is_called_without_prompts_and_with_strict_host_keys(tmp_path, upstream, ssh):
    for url in (f"ssh://git@host:2222{upstream.path}", f"git@host:{upstream.path}"):
        _place, commit = remote.mirror(url, tmp_path / "m", timeout=30)
        assert commit == upstream.head()
        words = ssh.read_text().splitlines()
        assert {"BatchMode=yes", "StrictHostKeyChecking=yes"} < set(words)
        assert words[-3:-1] == ["--", "git@host"]


@pytest.mark.parametrize(("user", "words"), [("hang", "no answer within 0.5 s"), ("lost", "verification failed")])
def test_an_ssh_that_hangs_or_fails_is_one_line(tmp_path, ssh, user, words):
    with pytest.raises(SourceUnavailableError, match=words) as caught:
        remote.mirror(f"{user}@host:r.git", tmp_path / "m", timeout=0.5)
    assert "\x1b" not in str(caught.value)


def test_many_small_packs_become_one_and_lose_nothing(tmp_path):
    bare = Repo(tmp_path / "b", bare=True)
    tip = ""
    for n in range(6):
        tree = bare.git(
            "mktree", input=f"100644 blob {bare.git('hash-object', '-w', '--stdin', input=b'%d' % n)}\tf\n".encode()
        )
        tip = bare.commit_tree(tree, *([tip] if tip else []), message=str(n))
        bare.git("update-ref", "refs/heads/main", tip)
        bare.git("repack", "-q", "-d")
    with Repository.open(bare.path) as open_meanwhile:
        open_meanwhile.commit(tip)
        packs.merge_small(bare.path / "objects", many=5)
        assert [p.suffix for p in (bare.path / "objects/pack").glob("*.pack")] == [".pack"]
        bare.git("fsck", "--strict")
        assert open_meanwhile.commit(bare.head("main~5")).subject == "0"


@pytest.mark.parametrize("over", ["path", "http"])
def test_the_branches_that_are_wanted_come_and_go_with_the_remote_and_nothing_else(tmp_path, upstream, over):
    upstream.git("update-ref", "refs/pull/1/head", upstream.head())
    upstream.git("update-ref", "refs/merge-requests/1/head", upstream.head())
    clone = Repo(tmp_path / "clone")
    clone.git("update-ref", "refs/remotes/origin/mine", clone.commit({"own": "work"}))
    wanted = lambda branch: branch.startswith("feature")  # noqa: E731 - a thing to hand over
    with ExitStack() as stack:
        base = stack.enter_context(serving(tmp_path))
        clone.git("remote", "add", "origin", str(upstream.path) if over == "path" else f"{base}/up")
        repo = stack.enter_context(Repository.open(clone.path))

        def fetched() -> dict[str, str]:
            remote.fetch_branches(repo, "origin", wanted, timeout=30)
            assert clone.git("for-each-ref", "refs/pull", "refs/merge-requests", "refs/remotes/origin/main") == ""
            return {branch: commit for branch, commit in repo.branches("origin").items() if branch != "mine"}

        assert fetched() == {}
        upstream.branch("feature/x")
        x = upstream.commit({"x": "1"})
        upstream.branch("feature/y", "main")
        assert fetched() == {"feature/x": x, "feature/y": upstream.head("main")}
        x = upstream.commit({"x": "2"})
        upstream.git("branch", "-f", "feature/x", x)
        upstream.checkout("main")
        upstream.git("branch", "-D", "feature/y")
        assert fetched() == {"feature/x": x}
        # A branch takes the place of a folder of branches.
        upstream.git("branch", "-D", "feature/x")
        upstream.git("branch", "feature", x)
        assert fetched() == {"feature": x}
        upstream.git("branch", "-D", "feature")
        assert fetched() == {}
        assert repo.branch("mine", "origin") == clone.head()
    clone.git("fsck", "--strict")


def test_a_remote_that_cannot_be_reached_prunes_no_branch(tmp_path, upstream):
    clone = Repo(tmp_path / "clone")
    head = clone.commit({"own": "work"})
    clone.git("update-ref", "refs/remotes/origin/feature/x", head)
    clone.git("remote", "add", "origin", str(tmp_path / "nowhere"))
    with Repository.open(clone.path) as repo:
        with pytest.raises(SourceUnavailableError):
            remote.fetch_branches(repo, "origin", lambda _branch: True, timeout=30)
        assert repo.branches("origin") == {"feature/x": head}
