"""A repository driven by the real git binary, with fixed dates and no configuration of the machine's. For all tests."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

EPOCH = 1_700_000_000
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "LC_ALL": "C",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_AUTHOR_NAME": "Ada Lovelace",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada Lovelace",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
}
_CONFIG = ("init.defaultBranch=main", "commit.gpgSign=false", "gc.auto=0", "maintenance.auto=false")
_CONFIG += ("protocol.file.allow=always", "core.fsync=none", "advice.detachedHead=false")


class Repo:
    """`Repo(path)` makes an empty repository on branch `main`; each commit is a minute after the one before."""

    def __init__(self, path: Path, *, bare: bool = False, init: bool = True) -> None:
        self.path = path
        self._commits = 0
        if init:
            path.mkdir(parents=True, exist_ok=True)
            self.git("init", "-q", *(["--bare"] if bare else []))

    def git(self, *arguments: str, input: bytes | None = None) -> str:  # noqa: A002 - the word of subprocess
        """What git prints, without the last newline; a failure shows git's own words."""
        moment = f"{EPOCH + 60 * self._commits} +0000"
        done = subprocess.run(
            ["git", *(word for pair in _CONFIG for word in ("-c", pair)), *arguments],
            cwd=self.path,
            env=ENVIRONMENT | {"GIT_AUTHOR_DATE": moment, "GIT_COMMITTER_DATE": moment},
            input=input,
            capture_output=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, f"git {' '.join(arguments)}: {os.fsdecode(done.stderr)}"
        return os.fsdecode(done.stdout).removesuffix("\n")

    def write(self, files: Mapping[str, str | bytes | None]) -> None:
        """Write files into the work tree; None removes one."""
        for name, content in files.items():
            file = self.path / name
            if content is None:
                file.unlink()
                continue
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.encode() if isinstance(content, str) else content)

    def commit(self, files: Mapping[str, str | bytes | None] | None = None, message: str = "change") -> str:
        """Write files, add everything, commit (an empty one if nothing changed); the new commit's id."""
        self.write(files or {})
        self.git("add", "-A")
        self._commits += 1
        self.git("commit", "-q", "--allow-empty", "--allow-empty-message", "-m", message)
        return self.head()

    def head(self, revision: str = "HEAD") -> str:
        """The id of a revision."""
        return self.git("rev-parse", "--verify", revision)

    def branch(self, name: str, at: str | None = None) -> None:
        """Make a branch and check it out."""
        self.git("checkout", "-q", "-b", name, *([at] if at else []))

    def checkout(self, name: str) -> None:
        """Check out a branch or commit."""
        self.git("checkout", "-q", name)

    def merge(self, *names: str, message: str = "merge") -> str:
        """Merge branches without fast-forward; the new commit's id."""
        self._commits += 1
        self.git("merge", "-q", "--no-ff", "-m", message, *names)
        return self.head()

    def reset(self, revision: str) -> None:
        """Move the branch and the work tree to a revision."""
        self.git("reset", "-q", "--hard", revision)

    def tree(self, entries: bytes) -> str:
        """Store raw tree bytes that git itself would refuse to make; the tree's id."""
        return self.git("hash-object", "-t", "tree", "-w", "--literally", "--stdin", input=entries)

    def commit_tree(self, tree: str, *parents: str, message: str = "crafted") -> str:
        """A commit of any tree, on no branch; its id."""
        self._commits += 1
        words = [word for parent in parents for word in ("-p", parent)]
        return self.git("commit-tree", tree, *words, "-m", message)

    def newest(self, revision: str, *paths: str) -> str | None:
        """What git says is the newest commit on the first-parent line that changed the paths."""
        return (
            self.git("--literal-pathspecs", "log", "-1", "--first-parent", "--format=%H", revision, "--", *paths)
            or None
        )
