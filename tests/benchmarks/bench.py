"""The figures of DESIGN section 9, each as a ratio to a floor measured in the same run.

    python tests/benchmarks/bench.py [NAME ...]

Prints a table; asserts nothing: a shared machine is no judge. Run it on an idle one and compare ratios.
"""

import contextlib
import json
import os
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import corpus
import yaml

from reconciler.model.events import RunMoved
from reconciler.stores import RunFilter
from reconciler.stores._reader import Reader
from reconciler.stores.sqlite import SqliteStore

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "RECONCILER_LIMIT": "64"}
PYTHON = sys.executable


class Report:
    """The table."""

    def __init__(self) -> None:
        print(f"{'what':52} {'measured':>12} {'floor':>12} {'ratio':>8}  aim")

    def row(self, what: str, seconds: float, floor: float | None, aim: str) -> None:
        ratio = f"{seconds / floor:7.2f}x" if floor else ""
        print(f"{what:52} {shown(seconds):>12} {shown(floor) if floor else '':>12} {ratio:>8}  {aim}", flush=True)


def shown(seconds: float) -> str:
    return f"{seconds * 1000:.2f} ms" if seconds < 1 else f"{seconds:.2f} s"


def timed(act: Callable[[], object], times: int) -> list[float]:
    spent = []
    for _ in range(times):
        began = time.perf_counter()
        act()
        spent.append(time.perf_counter() - began)
    return spent


def python_pass(times: int = 15) -> float:
    return statistics.median(timed(lambda: subprocess.run([PYTHON, "-c", "pass"], check=True), times))


@contextlib.contextmanager
def daemon(repo: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A served repository; yields the process and its state directory."""
    common = repo if (repo / "objects").is_dir() else repo / ".git"
    child = subprocess.Popen(
        [PYTHON, "-m", "reconciler", "-C", str(repo), "serve"],
        env=ENVIRONMENT,
        stderr=None if os.environ.get("LOUD") else subprocess.DEVNULL,
    )
    try:
        yield child, common / "reconciler"
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(timeout=30)


def ask(state: Path, verb: str, **args: object) -> dict[str, object]:
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(str(state / "socket"))
        line.sendall(json.dumps({"verb": verb, "args": args}).encode() + b"\n")
        answer = json.loads(line.makefile().readline())
    if "error" in answer:
        raise RuntimeError(answer)
    return dict(answer["ok"])


def applied(state: Path, revision: str, deadline: float = 120) -> None:
    """Wait until the daemon has applied a revision."""
    until = time.monotonic() + deadline
    while time.monotonic() < until:
        with contextlib.suppress(OSError, ValueError):
            if ask(state, "ping")["revision"] == revision:
                return
        time.sleep(0.02)
    raise TimeoutError(revision)


# --- the figures ---------------------------------------------------------------------------------------------------


def first(report: Report, folder: Path) -> None:
    """First reconcile of 10,000 specs, as CPU seconds of the daemon against the YAML events of the same files."""
    for flat in (False, True):
        repo = corpus.build(folder / f"first-{flat}", flat=flat)
        texts = [corpus.spec(n) for n in range(10_000)]

        def events(texts: list[str] = texts) -> None:
            for text in texts:
                for _ in yaml.parse(text, Loader=yaml.CSafeLoader):
                    pass

        (floor,) = timed(events, 1)
        began = time.perf_counter()
        with daemon(repo) as (_, state):
            applied(state, head(repo))
            report.row(
                f"first reconcile, 10,000 specs{', flat' if flat else ''}",
                time.perf_counter() - began,
                floor,
                "<= 2.5x",
            )


def one(report: Report, folder: Path) -> None:
    """Ref moved to applied and durable, 1 changed of 10,000 specs; the floor is the same by hand."""
    for flat in (False, True):
        repo = corpus.build(folder / f"one-{flat}", flat=flat)
        with daemon(repo) as (_, state):
            applied(state, head(repo))
            with contextlib.closing(Reader.open(state / "log.db")) as log:
                spent = [moved(repo, log, n, flat=flat) for n in range(45)][5:]  # the first ones meet the start
        floor = statistics.median(by_hand(repo, n, folder, flat=flat) for n in range(10))
        what = f"ref moved -> applied, 1 of 10,000{', flat' if flat else ''}"
        report.row(f"{what}, p50", statistics.median(spent), floor, "<= 4x, 20 ms")
        report.row(f"{what}, p95", sorted(spent)[-2], floor, "")


def moved(repo: Path, log: Reader, n: int, *, flat: bool) -> float:
    """Move the ref, and wait until a reader sees the revision applied: seconds."""
    commit = corpus.change(repo, 1000 + n, 1000 + n, flat=flat)
    ref = repo / "refs/heads/main"
    fresh = ref.with_suffix(".lock")
    fresh.write_text(commit + "\n")
    began = time.perf_counter()
    fresh.rename(ref)
    while (log.meta("repository") or {}).get("revision") != commit:
        time.sleep(0.0005)
    return time.perf_counter() - began


def by_hand(repo: Path, n: int, folder: Path, *, flat: bool) -> float:
    """What nobody can save: diff two trees, read a blob, parse it, append a durable row."""
    before = head(repo)
    after = corpus.change(repo, 5000 + n, 5000 + n, flat=flat)
    base = sqlite3.connect(folder / f"floor-{flat}-{n}.db", isolation_level=None)
    base.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE t (a);")
    began = time.perf_counter()
    changed = subprocess.run(
        ["git", "diff-tree", "-r", "--name-only", before, after], cwd=repo, check=True, capture_output=True, text=True
    ).stdout.split()
    text = subprocess.run(
        ["git", "cat-file", "blob", f"{after}:{changed[0]}"], cwd=repo, check=True, capture_output=True
    )
    yaml.load(text.stdout, Loader=yaml.CSafeLoader)
    base.execute("INSERT INTO t VALUES (?)", (after,))
    spent = time.perf_counter() - began
    base.close()
    return spent


def head(repo: Path) -> str:
    return subprocess.run(
        ["git", "rev-parse", "main"], cwd=repo, check=True, capture_output=True, text=True
    ).stdout.strip()


def restart(report: Report, folder: Path) -> None:
    """Start of a daemon whose 10,000 specs did not change, until it answers; and its memory when idle."""
    repo = corpus.build(folder / "restart")
    with daemon(repo) as (_, state):
        applied(state, head(repo))
    began = time.perf_counter()
    with daemon(repo) as (child, state):
        while True:
            with contextlib.suppress(OSError, ValueError):
                ask(state, "ping")
                break
            time.sleep(0.005)
        spent = time.perf_counter() - began
        report.row("restart, 10,000 specs unchanged", spent, python_pass(), "<= 0.5 s")
        time.sleep(5)
        memory, busy = rss(child.pid), cpu(child.pid)
        time.sleep(10)
        print(f"{'idle memory, 10,000 deployments':52} {memory:9.0f} MB {'':>12} {'':>8}  <= 90 MB")
        print(f"{'idle CPU, 10,000 deployments':52} {(cpu(child.pid) - busy) * 10:9.2f} %  {'':>12} {'':>8}  < 0.5 %")


def rss(pid: int) -> float:
    """Proportional memory in MB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def cpu(pid: int) -> float:
    """CPU seconds so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def small_repository(folder: Path) -> Path:
    folder.mkdir()
    (folder / "specs").mkdir()
    (folder / "flows.py").write_text(
        "import time\nfrom reconciler import flow\n\n\n@flow\ndef hello():\n    print(time.time())\n"
    )
    (folder / "specs/hello.yaml").write_text("deployments:\n  - name: d\n    entrypoint: flows.py:hello\n")
    for command in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-qm", "x"]):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@example.com", *command], cwd=folder, check=True)
    return folder


def start(report: Report, folder: Path) -> None:
    """Run created (its event durable) to the first line of the flow's body, pull step included."""
    repo = small_repository(folder / "start")
    with daemon(repo) as (_, state):
        applied(state, head(repo))
        with contextlib.closing(Reader.open(state / "log.db")) as log:
            spent = [first_line(state, log, n) for n in range(30)]
    floor = python_pass()
    report.row("run created -> first line of the body, p50", statistics.median(spent[5:]), floor, "<= 1x")
    report.row("run created -> first line, the very first (cold)", spent[0], floor, "")


def first_line(state: Path, log: Reader, n: int) -> float:
    run = str(ask(state, "run", deployment="hello/d", key=f"k{n}")["run"])
    while not (row := log.run(run))["final"]:
        time.sleep(0.001)
    created = datetime.fromisoformat(row["created_at"]).timestamp()
    said = float((state / "runs" / run / "1/output").read_text().split()[0])
    time.sleep(0.05)  # a person's pause: the next copy is prepared meanwhile
    return said - created


def throughput(report: Report, folder: Path) -> None:
    """No-op runs per second with two at once, every fact durable; the floor is `python -c pass`, two at once."""
    repo = small_repository(folder / "throughput")
    (repo / ".git/reconciler").mkdir(mode=0o700)
    (repo / ".git/reconciler/config.toml").write_text("limit = 2\n")
    environment = {k: v for k, v in ENVIRONMENT.items() if k != "RECONCILER_LIMIT"}
    ENVIRONMENT.clear()
    ENVIRONMENT.update(environment)
    count = int(os.environ.get("COUNT", "300"))
    with daemon(repo) as (_, state):
        applied(state, head(repo))
        with contextlib.closing(Reader.open(state / "log.db")) as log:
            began = time.perf_counter()
            for n in range(count):
                ask(state, "run", deployment="hello/d", key=f"k{n}")
            while log.live_runs():
                time.sleep(0.005)
            spent = (time.perf_counter() - began) / count
    began = time.perf_counter()
    for _ in range(50):
        two = [subprocess.Popen([PYTHON, "-c", "pass"]) for _ in range(2)]
        for child in two:
            child.wait()
    floor = (time.perf_counter() - began) / 100
    print(
        f"{'no-op runs, 2 at once':52} {1 / spent:8.0f} /s  {1 / floor:8.0f} /s {floor / spent:7.2f}x  >= 1.5x",
        flush=True,
    )


def due(report: Report, folder: Path) -> None:
    """Due to a reader that sees the run created, 1,000 deployments due once a minute; the floor is a bare timer."""
    repo = small_repository(folder / "due")
    lines = "".join(
        f'  - {{name: d{n}, entrypoint: "flows.py:hello", schedules: [{{cron: "* * * * * {n % 60}"}}]}}\n'
        for n in range(1000)
    )
    (repo / "specs/hello.yaml").write_text(f"deployments:\n{lines}")
    for command in (["add", "-A"], ["commit", "-qm", "due"]):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@example.com", *command], cwd=repo, check=True)
    with daemon(repo) as (_, state):
        applied(state, head(repo))
        time.sleep(5)  # slots ahead are computed meanwhile
        with contextlib.closing(Reader.open(state / "log.db")) as log:
            late = sorted(seen_late(log, 60))
    floor = sorted(timer_late(time.time() + 0.05) for _ in range(200))
    for what, share in (("p50", 0.5), ("p99", 0.99), ("worst", 1.0)):
        place = [each[min(len(each) - 1, int(len(each) * share))] for each in (late, floor)]
        report.row(
            f"due -> created, {len(late)} slots in a minute, {what}", *place, "<= 50 ms" if what == "p99" else ""
        )


def seen_late(log: Reader, seconds: float) -> list[float]:
    """How late each run created in this time was seen, after its due: seconds."""
    seen, late, begin = log.head()[0], [], time.time()
    while time.time() < begin + seconds + 5:
        for event in log.events(seen, types=["RunCreated"]):
            due = datetime.fromisoformat(event.data["due"]).timestamp()
            late += [time.time() - due] if begin <= due < begin + seconds else []
            seen = event.seq
        time.sleep(0.001)
    return late


def timer_late(at: float) -> float:
    """How late a bare timer is: seconds."""
    time.sleep(max(0.0, at - time.time()))
    return time.time() - at


def million(report: Report, folder: Path) -> None:
    """Listing, asking for a run and restart with 1,000 finished runs in the log and with many (RUNS, 100,000)."""
    repo = small_repository(folder / "million")
    with daemon(repo) as (_, state):
        applied(state, head(repo))
        run = str(ask(state, "run", deployment="hello/d", key="pattern")["run"])
        with contextlib.closing(Reader.open(state / "log.db")) as log:
            while not log.run(run)["final"]:
                time.sleep(0.01)
    few: dict[str, float] = {}
    for size in (1000, int(os.environ.get("RUNS", "100000"))):
        corpus.finished_runs(state / "log.db", run, size)
        for what, spent in with_finished(repo).items():
            report.row(f"{what}, {size:,} finished runs", spent, few.setdefault(what, spent), "no slower")


def with_finished(repo: Path) -> dict[str, float]:
    """The figures of a repository whose log holds finished runs."""
    began = time.perf_counter()
    found = {}
    with daemon(repo) as (_, state):
        while True:
            with contextlib.suppress(OSError, ValueError):
                ask(state, "ping")
                break
            time.sleep(0.005)
        found["restart"] = time.perf_counter() - began
        with contextlib.closing(Reader.open(state / "log.db")) as log:
            newest = log.head()[0]
            since = datetime.now(UTC) - timedelta(days=1)
            pages = {
                "first page of runs": lambda: log.runs(limit=100),
                "page in the middle": lambda: log.runs(before_seq=newest // 2, limit=100),
                "page of a deployment": lambda: log.runs(RunFilter(deployment="hello/d"), limit=100),
                "page of failed runs": lambda: log.runs(RunFilter(states=("Failed",)), limit=100),
                "page of failed runs with two tags": lambda: log.runs(
                    RunFilter(states=("Failed",), tags=("all", "rare")), limit=100
                ),
                "page since yesterday": lambda: log.runs(RunFilter(since=since), limit=100),
                "live runs": log.live_runs,
                "counts": log.counts,
            }
            for what, page in pages.items():
                spent = sorted(timed(page, 100))
                found |= {f"{what}, p50": spent[50], f"{what}, p99": spent[98]}
            asked = [asked_for(state, log, f"{newest}-{n}") for n in range(30)]
        found["run asked for -> durable"] = statistics.median(each[0] for each in asked)
        found["run asked for -> over"] = statistics.median(each[1] for each in asked)
    return found


def asked_for(state: Path, log: Reader, key: str) -> tuple[float, float]:
    """Seconds until a run is created, and until it is over: due, admit, launch and report with what the log holds."""
    began = time.perf_counter()
    run = str(ask(state, "run", deployment="hello/d", key=key)["run"])
    durable = time.perf_counter() - began
    while not log.run(run)["final"]:
        time.sleep(0.001)
    return durable, time.perf_counter() - began


def append(report: Report, folder: Path) -> None:
    """One durable append against one bare commit of SQLite, in the same directory."""
    store = SqliteStore.open(folder / "append.db")
    fact = RunMoved(run="a" * 16, state="Running", attempt=1, detail={"commit": "b" * 40})
    now, seq = datetime.now(UTC), 0

    def ours() -> None:
        nonlocal seq
        store.append([fact], at=now, revision=None, expect=seq)
        seq += 1

    bare = sqlite3.connect(folder / "bare.db", isolation_level=None)
    bare.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE t (a);")
    floor = statistics.median(timed(lambda: bare.execute("INSERT INTO t VALUES (?)", ("x" * 200,)), 500))
    report.row("single append, durable", statistics.median(timed(ours, 500)), floor, "<= 1.25x")
    store.close()
    bare.close()


def help_(report: Report, _folder: Path) -> None:
    """`reconciler --help` against `python -c pass`."""
    command = [PYTHON, "-m", "reconciler", "--help"]
    spent = timed(lambda: subprocess.run(command, env=ENVIRONMENT, check=True, capture_output=True), 15)
    report.row("reconciler --help", statistics.median(spent), python_pass(), "<= 5x")


FIGURES = {f.__name__.rstrip("_"): f for f in (help_, append, start, throughput, due, one, restart, first, million)}


def main() -> None:
    """Measure what is named, else all."""
    report = Report()
    for name in sys.argv[1:] or FIGURES:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            FIGURES[name](report, Path(folder))


if __name__ == "__main__":
    main()
