"""What every run does, done by the template before its first fork, with a flow of ours. Called by the template.

An interpreter fits code to its use during the first calls, and writes to the memory it lies in; every fork would do so
again, on pages it must copy first. Nothing of a rehearsal stays but that.
"""

import contextlib
import hashlib
import json
import os
import sys
import time
from pathlib import Path

from reconciler.engine import call, context, load, marker, order, parameters, pull, report, stage
from reconciler.engine.journal import Journal

_ROUNDS = 10
"""Calls after which Python 3.11 has fitted a function (8), and a few more."""
_FLOW = b"from reconciler import flow\n\n\n@flow\ndef main(word: str = ''):\n    return word\n"


def rehearse() -> None:
    """Pull, load, bind, call and report a few times, in a folder that is removed. Never raises."""
    place = Path(f"{os.environ.get('TMPDIR') or '/tmp'}/reconciler-{os.getpid()}-{time.time_ns()}")  # noqa: S108 - 0700
    path, hooks = sys.path[:], sys.path_hooks[:]
    with contextlib.suppress(Exception):
        place.mkdir(0o700)
        for index in range(_ROUNDS):
            _round(place / str(index))
            sys.path[:], sys.path_hooks[:] = path, hooks
            sys.modules.pop("rehearsed", None)
    sys.path[:], sys.path_hooks[:] = path, hooks
    sys.modules.pop("rehearsed", None)
    for known in [known for known in sys.path_importer_cache if known.startswith(str(place))]:
        del sys.path_importer_cache[known]
    _remove(place)


def _round(run_dir: Path) -> None:
    run_dir.mkdir()
    head = {"commit": "", "tree": "", "folders": [], "files": [["rehearsed.py", 0o600, len(_FLOW)]], "links": []}
    parcel = json.dumps(head).encode() + b"\n" + _FLOW
    name = hashlib.sha256(parcel).hexdigest()
    (run_dir / name).write_bytes(parcel)
    inputs = {"git_dir": "-", "commit": "-", "directories": [], "parcel": name}
    (run_dir / order.ORDER).write_text(
        json.dumps({
            "run": "rehearsal", "attempt": 1, "entrypoint": "rehearsed.py:main", "state_dir_copies": str(run_dir),
            "pull": [{"step": "git_clone", "id": None, "inputs": inputs}], "parameters": {"word": "x"},
        })
    )  # fmt: skip
    todo = order.load(run_dir)
    marker.myself()
    marker.bury(run_dir)
    journal = Journal(run_dir, run=todo.run, attempt=todo.attempt, address=str(run_dir / "nobody"))
    try:
        source = pull.pull(run_dir, todo, journal)
        load.without_bytecode(run_dir / pull.WORK)
        loaded = load.load(todo.entrypoint, source.directory)
        arguments = parameters.bind(loaded.flow, todo.parameters)
        frame = stage.enter(stage.run_of(run_dir, todo, None, source.commit, source.tree), loaded, arguments)
        journal.write("running", commit=source.commit, tree=source.tree, **stage.facts(frame))
        stage.began(frame)
        result = call.call(loaded.flow, arguments, None, frame)
        report.completed(journal, run_dir, result, limit=todo.result_bytes)
    finally:
        context.forget()
        journal.close()


def _remove(folder: Path) -> None:
    with contextlib.suppress(OSError):
        for entry in list(os.scandir(folder)):
            if entry.is_dir(follow_symlinks=False):
                _remove(folder / entry.name)
            else:
                os.unlink(entry.path)  # noqa: PTH108 - a path as text
        folder.rmdir()
