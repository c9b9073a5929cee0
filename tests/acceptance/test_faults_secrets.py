"""kill -9 of a run with secrets, of its filter, its template and its daemon: nothing unredacted, nothing left, an end.

All points: `FAULTS=all pytest tests/acceptance/test_faults_secrets.py`.
"""

import os
import signal
from pathlib import Path

import pytest
from crashing import SECRETS
from helpers_acceptance import ended, output, specs
from helpers_daemon import Daemon, until
from helpers_faults import Doomed, Site, Survivor

CANARY = "canary-4b1d-of-fire"
ENV = {"RECONCILER_SECRET_TOKEN": CANARY}
TALKS = """\
import os, sys, time
from pathlib import Path
from f import witness

def talks(word: str, side: str, mark: str = "", go: str = ""):
    witness(side)
    os.write(1, f"first {word}\\n".encode())
    os.write(1, word[:5].encode())
    if mark:
        Path(mark).touch()
    while go and not Path(go).exists():
        time.sleep(0.01)
    os.write(1, f"{word[5:]}\\n".encode())
    print("last", word, word.encode().hex())
    return word
"""
EVERY = [
    (point, side, n)
    for point in SECRETS
    for side in ("before", "after")
    for n in ((1, 2) if point == "redact" else (1,))
]
CHOSEN = [("redact", "before", 1)]


def talking(tmp_path: Path) -> Site:
    """A site whose flow says its secret."""
    site = Site(tmp_path, tick=False)
    given = {"word": "{{ secret.TOKEN }}", "side": str(site.side)}
    site.repo.commit({
        "w.py": TALKS, "specs/w.yaml": specs({"name": "it", "entrypoint": "w.py:talks", "parameters": given}),
    })  # fmt: skip
    return site


def unspoken(site: Site, *daemons: Daemon) -> None:
    """No file that anything wrote holds the secret, in any part of it that says more than a few letters."""
    files = [path for path in site.state.root.rglob("*") if path.is_file()] + [daemon.output for daemon in daemons]
    for needle in (CANARY.encode(), CANARY[4:].encode(), CANARY.encode().hex().encode()):
        assert [str(path) for path in files if needle in path.read_bytes()] == []


@pytest.mark.parametrize(("point", "side", "number"), EVERY if os.environ.get("FAULTS") == "all" else CHOSEN)
def test_killed_at(tmp_path, point, side, number):
    site, flag = talking(tmp_path), tmp_path / "flag"
    with Doomed(site, {"point": point, "side": side, "number": number, "flag": str(flag)}, env=ENV) as doomed:
        run = until(lambda: site.asked("talks/it"))
        until(flag.exists, "the point is not reached")
        other = until(lambda: site.asked("talks/it", "other"))
        told = {each: ended(site.path, each) for each in (run, other)}
        doomed.stop(signal.SIGKILL)
    assert told[run]["state"] in {"Completed", "Crashed", "Failed"}, told[run]
    if point in {"filter", "redact"} and side == "before":
        assert "what was said after this is lost" in output(site.path, run)
    assert told[other]["state"] in {"Completed", "Crashed"}, told[other]
    with Survivor(site.repo, env=ENV) as daemon:
        last = until(lambda: site.asked("talks/it", "last"))
        assert ended(site.path, last)["state"] == "Completed"
        assert output(site.path, last) == "first ***\n***\nlast *** ***\n"
        site.judge()
        assert daemon.stop() == 0
    unspoken(site, daemon)
    assert "Traceback" not in daemon.output.read_text()
    site.nobody()
