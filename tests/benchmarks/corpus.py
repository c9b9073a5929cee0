"""The corpus of the benchmarks: 10,000 spec files of about 40 lines, 100 flow files, 500 commits."""

import hashlib
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from reconciler.model.events import RunCreated, RunMoved
from reconciler.model.ids import instant, run_name
from reconciler.stores import Rows
from reconciler.stores.sqlite import SqliteStore

SPEC = """\
# deployment {n} of the corpus
name: corpus
deployments:
  - name: deployment-{n:05d}
    entrypoint: flows/flow_{flow:03d}.py:flow_{flow:03d}
    description: |
      The deployment number {n}, which does what its flow does,
      and says so in two lines.
    version_type: vcs:git
    tags:
      - corpus
      - team-{team}
    labels:
      team: team-{team}
      tier: {tier}
    parameters:
      number: {n}
      name: name-{n}
      ratio: 0.{n}
      flags:
        - fast
        - careful
      options:
        retry: true
        depth: {tier}
        note: "edition {edition}"
    schedules:
      - cron: "{minute} {hour} {day} 2 *"
        timezone: Europe/Paris
        slug: daily
      - interval: P1D
        anchor_date: "2024-01-01T00:00:00Z"
        active: false
        slug: sometimes
    concurrency_limit:
      limit: {tier}
      collision_strategy: ENQUEUE
    work_pool:
      name: process
      job_variables:
        env:
          STAGE: production
"""

FLOW = '''\
"""Flow file {n} of the corpus."""

from reconciler import flow


@flow(retries=1, retry_delay_seconds=5)
def flow_{n:03d}(number: int, name: str, ratio: float = 0.5, flags: list[str] | None = None, options: dict = {{}}):
    """Do what flow {n} does."""
    return {{"number": number, "name": name}}
'''


def spec(n: int, edition: int = 0) -> str:
    """The text of spec number `n`."""
    return SPEC.format(
        n=n, flow=n % 100, team=n % 17, tier=1 + n % 5, minute=n % 60, hour=n % 24, day=1 + n % 28, edition=edition
    )


def path_of(n: int, *, flat: bool) -> str:
    """Where spec number `n` lies: in one of 100 directories, or all in one."""
    return f"specs/spec_{n:05d}.yaml" if flat else f"specs/team_{n % 100:03d}/spec_{n:05d}.yaml"


def _stream(specs: int, commits: int, *, flat: bool) -> Iterator[bytes]:
    def blob(path: str, text: str) -> bytes:
        data = text.encode()
        return f"M 100644 inline {path}\ndata {len(data)}\n".encode() + data + b"\n"

    for number in range(commits):
        message = f"commit {number}"
        when = 1_700_000_000 + number * 60
        yield f"commit refs/heads/main\ncommitter A <a@example.com> {when} +0000\n".encode()
        yield f"data {len(message)}\n{message}\n".encode()
        if number == 0:
            yield from (blob(path_of(n, flat=flat), spec(n)) for n in range(specs))
            yield from (blob(f"flows/flow_{n:03d}.py", FLOW.format(n=n)) for n in range(100))
        else:
            n = number * 37 % specs
            yield blob(path_of(n, flat=flat), spec(n, number))
    yield b"done\n"


def build(folder: Path, *, specs: int = 10_000, commits: int = 500, flat: bool = False) -> Path:
    """A bare repository at `folder` with the corpus on `main`."""
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", folder], check=True)
    stream = b"feature done\n" + b"".join(_stream(specs, commits, flat=flat))
    subprocess.run(["git", "fast-import", "--quiet"], cwd=folder, input=stream, check=True)
    return folder


def change(folder: Path, n: int, edition: int, *, flat: bool = False) -> str:
    """One commit that changes spec number `n`; answers its id. The ref moves at the very end."""
    parent = _git(folder, "rev-parse", "main")
    text = spec(n, edition).encode()
    stream = "feature done\ncommit refs/heads/bench\ncommitter A <a@example.com> 1800000000 +0000\ndata 1\nx\n"
    stream += f"from {parent}\n"
    stream += f"M 100644 inline {path_of(n, flat=flat)}\ndata {len(text)}\n"
    data = stream.encode() + text + b"\ndone\n"
    subprocess.run(["git", "fast-import", "--quiet", "--force"], cwd=folder, input=data, check=True)
    return _git(folder, "rev-parse", "bench")


def finished_runs(log: Path, pattern: str, size: int) -> None:
    """Fill a log up to `size` finished runs, each one as the run `pattern` was."""
    with SqliteStore.open(log) as store:
        row = store.run(pattern)
        created = next(e for e in store.events(subject=pattern, types=("RunCreated",)))
        completed = next(e for e in store.events(subject=pattern, types=("RunCompleted",)))
        seq, there = store.head()[0], sum(store.counts().values())
        while there < size:
            facts, rows = [], {}
            for n in range(there, min(there + 2000, size)):
                ident = hashlib.sha256(str(n).encode()).hexdigest()[:16]
                state = "Failed" if n % 50 == 0 else "Completed"
                tags = ["all", *(["rare"] if n % 1000 == 0 else [])]
                at = instant(datetime.fromisoformat(row["created_at"]) - timedelta(seconds=size - n))
                facts += [
                    RunCreated(run=ident, **{**created.data, "name": run_name(ident), "cause": ident, "tags": tags}),
                    RunMoved(run=ident, **{**completed.data, "state": state}),
                ]
                seq += 2
                rows[ident] = {
                    **row, "id": ident, "seq": seq - 1, "name": run_name(ident), "cause": ident, "state": state,
                    "tags": tags, "created_at": at, "due": at,
                }  # fmt: skip
            store.append(facts, at=created.at, revision=created.revision, expect=seq - len(facts), rows=Rows(runs=rows))
            store.checkpoint()
            there += len(rows)


def _git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()
