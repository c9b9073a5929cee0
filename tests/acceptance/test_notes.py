"""Results of runs in git, as people see them: `git log --notes=reconciler`, and a daemon killed on the way."""

import signal

from helpers_acceptance import ended, specs, start
from helpers_daemon import Daemon, until
from helpers_git import Repo

FLOWS = """\
def sum_up(n: int):
    return 1 // n
"""


def test_results_are_shown_by_git_log_and_none_is_lost_or_doubled_by_kill(tmp_path):
    repo = Repo(tmp_path / "repo")
    head = repo.commit({"f.py": FLOWS, "specs/a.yaml": specs({"name": "a", "entrypoint": "f.py:sum_up"})})
    noted = lambda: repo.git("log", "-1", "--format=%N", "--notes=reconciler")  # noqa: E731
    with Daemon(repo, "--notes") as daemon:
        ended(repo.path, start(repo.path, "sum-up/a", "-p", "n=1"))
        until(lambda: "1 run, 1 Completed" in noted())
        repo.git("notes", "--ref=reconciler", "append", "-m", "watched by a person", head)
        ended(repo.path, start(repo.path, "sum-up/a", "-p", "n=0"))
        daemon.stop(signal.SIGKILL)
    with Daemon(repo, "--notes") as daemon:
        until(lambda: "2 runs, 1 Completed, 1 Failed" in noted())
        ended(repo.path, start(repo.path, "sum-up/a", "-p", "n=1"))
        assert daemon.stop(signal.SIGTERM) == 0
    assert "3 runs, 2 Completed, 1 Failed" in noted()
    assert "watched by a person" in noted()
