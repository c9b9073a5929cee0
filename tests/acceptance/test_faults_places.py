"""Full disks, another process's lock, places that cannot be written or are gone: said once, clearly, and survived."""

import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from helpers_acceptance import ask, ended, in_state
from helpers_daemon import Daemon, command, until
from helpers_faults import LIBC, READ_ONLY, REMOUNT, Site, Survivor, fill, small_disk


def linked(site: Site, place) -> None:
    """The state directory of a site, on another disk."""
    (place / "state").mkdir(mode=0o700)
    (site.path / ".git/reconciler").symlink_to(place / "state")


def refusals(daemon: Daemon) -> list[str]:
    return [line for line in daemon.output.read_text().splitlines() if "cannot be written" in line]


def test_a_full_disk_of_the_state_is_said_and_the_daemon_goes_on_by_itself(tmp_path):
    site = Site(tmp_path)
    with small_disk(tmp_path / "disk", "3m") as disk:
        linked(site, disk)
        with Daemon(site.repo) as daemon:
            until(lambda: site.run("before"))
            run = site.ask("run", deployment="witness/manual", key="on", parameters={"go": f"{tmp_path}/go"})["run"]
            in_state(site.path, run, "Running")
            filler = fill(disk)
            until(lambda: site.run("full") is None and refusals(daemon), "nothing is said of the full disk")
            (tmp_path / "go").touch()  # a run ends while nothing can be written
            (first, *_) = refusals(daemon)
            assert "full" in first
            assert "Traceback" not in daemon.output.read_text()
            until(lambda: len(refusals(daemon)) > 1, "it does not try again")
            assert len(refusals(daemon)) < 10
            filler.unlink()
            until(lambda: site.run("after"))
            site.quiet()
            runs = {row["id"]: row["state"] for row in site.judge()}
            assert runs[site.acknowledged["after"]] == "Completed"
            assert runs[run] in {"Completed", "Crashed"}  # its own journal met the full disk, too
            assert daemon.stop() == 0
        assert "Traceback" not in daemon.output.read_text()
    site.nobody()


def test_a_log_that_may_not_grow_is_a_full_disk_without_one(tmp_path):
    """As for every user: the limit on the size of a file, set on the living daemon and lifted again."""
    site = Site(tmp_path)
    with Daemon(site.repo) as daemon:
        assert daemon.process
        until(lambda: site.run("before"))
        _, hard = resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (32_768, resource.RLIM_INFINITY))
        until(lambda: site.run("full") is None and refusals(daemon), "nothing is said")
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
        until(lambda: site.run("after"))
        site.quiet()
        assert "Completed" in {row["state"] for row in site.judge() if row["id"] == site.acknowledged["after"]}
        assert daemon.stop() == 0
    assert "Traceback" not in daemon.output.read_text()


def test_a_full_disk_of_the_run_directories_puts_runs_off_and_does_not_end_the_daemon(tmp_path):
    site = Site(tmp_path, tick=False)
    site.state.root.mkdir(mode=0o700)
    with small_disk(site.state.root / "runs", "1m") as disk, Daemon(site.repo) as daemon:
        filler = fill(disk)
        run = until(lambda: site.run("full"))
        told = in_state(site.path, run, "AwaitingRetry")
        assert "No space left" in told["reason"], told["reason"]
        filler.unlink()
        for each in (run, until(lambda: site.run("after"))):
            told = ended(site.path, each)
            assert told["state"] == "Completed", told["reason"]
        site.judge()
        assert daemon.stop() == 0
        assert "Traceback" not in daemon.output.read_text()
        site.nobody()


def test_a_state_directory_that_cannot_be_written_is_one_clear_error(tmp_path):
    site = Site(tmp_path, tick=False)
    with small_disk(tmp_path / "disk", "3m") as disk:
        linked(site, disk)
        with Daemon(site.repo) as daemon:
            until(lambda: site.run("before"))
            site.quiet()
            assert daemon.stop() == 0
        site.nobody()
        if LIBC.mount(None, os.fsencode(disk), None, REMOUNT | READ_ONLY, None) != 0:
            subprocess.run(["sudo", "-n", "mount", "-o", "remount,ro", str(disk)], check=True)
        done = command(site.path, "serve")
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert "state directory" in done.stderr or "log.db" in done.stderr, done.stderr
        assert len(done.stderr.splitlines()) <= 3, done.stderr
        if LIBC.mount(None, os.fsencode(disk), None, REMOUNT, None) != 0:
            subprocess.run(["sudo", "-n", "mount", "-o", "remount,rw", str(disk)], check=True)
        with Survivor(site.repo) as daemon:
            until(lambda: site.run("after"))
            site.quiet()
            site.judge()


def test_a_log_locked_by_another_process_when_runs_end_and_when_a_daemon_starts(tmp_path):
    site = Site(tmp_path, tick=False)
    with Daemon(site.repo) as daemon:
        run = until(lambda: site.run("on", go=f"{tmp_path}/go"))
        in_state(site.path, run, "Running")
        lock = sqlite3.connect(site.state.log, isolation_level=None, timeout=5)
        lock.execute("BEGIN IMMEDIATE")
        (tmp_path / "go").touch()
        until(lambda: refusals(daemon), "nothing is said of the lock")
        assert "locked" in refusals(daemon)[0]
        assert site.run("locked") is None
        daemon.stop(signal.SIGKILL)
        done = command(site.path, "serve")
        assert (done.returncode, "Traceback" in done.stderr) == (1, False)
        assert "locked" in done.stderr, done.stderr
        lock.execute("ROLLBACK")
        lock.close()
        daemon.start()
        until(lambda: site.run("locked"))
        assert ended(site.path, run)["state"] == "Completed"
        site.quiet()
        site.judge()
        assert daemon.stop() == 0
    site.nobody()


def test_run_directories_deleted_underneath_queued_running_and_ended_runs(tmp_path):
    site = Site(tmp_path, tick=False, concurrency_limit=1)
    with Daemon(site.repo) as daemon:
        over = until(lambda: site.run("over"))
        ended(site.path, over)
        running = until(lambda: site.run("running", go=f"{tmp_path}/go"))
        in_state(site.path, running, "Running")
        queued = until(lambda: site.run("queued"))
        in_state(site.path, queued, "AwaitingConcurrencySlot")
        for name in ("runs", "copies"):
            shutil.rmtree(site.state.root / name)
        done = command(site.path, "logs", over)
        assert "is not kept any more" in done.stderr, done
        (tmp_path / "go").touch()
        assert ended(site.path, running)["state"] in {"Crashed", "Failed"}
        told = ended(site.path, queued)
        assert told["state"] == "Completed", told
        assert ended(site.path, until(lambda: site.run("after")))["state"] == "Completed"
        site.judge()
        assert daemon.stop() == 0
    assert "Traceback" not in daemon.output.read_text()
    site.nobody()


def resident(pid: int) -> float:
    """MiB that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


@pytest.mark.slow
def test_a_thousand_runs_queued_at_once(tmp_path):
    site = Site(tmp_path, tick=False, concurrency_limit=3, parameters={"side": f"{tmp_path}/side", "seconds": 0})
    with Daemon(site.repo, "--limit", "4") as daemon:
        assert daemon.process
        until(lambda: site.run("first"))
        before, began = resident(daemon.process.pid), time.monotonic()
        with ThreadPoolExecutor(8) as people:
            assert all(people.map(lambda number: site.run(f"many-{number}"), range(1000)))
        asked, listed = time.monotonic() - began, time.monotonic()
        assert len(ask(site.path, "runs", "--limit", "2000")) == 1001
        listed = time.monotonic() - listed
        site.idle()
        took, grown = time.monotonic() - began, resident(daemon.process.pid) - before
        print(f"asked in {asked:.1f} s, listed in {listed:.2f} s, over after {took:.1f} s, {grown:.0f} MiB more")
        runs = site.judge(places=4)
        assert [row["state"] for row in runs] == ["Completed"] * 1001
        assert listed < 2
        assert grown < 60
        assert daemon.stop() == 0
    site.nobody()


def test_a_daemon_that_starts_on_a_full_disk_says_so(tmp_path):
    site = Site(tmp_path, tick=False)
    with small_disk(tmp_path / "disk", "1m") as disk:
        linked(site, disk)
        filler = fill(disk)
        done = command(site.path, "serve")
        assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
        assert "full" in done.stderr or "No space" in done.stderr, done.stderr
        filler.unlink()
        with Daemon(site.repo):
            until(lambda: site.run("after"))
            site.quiet()
            site.judge()
