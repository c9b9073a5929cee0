"""The one file executed by path, with any Python from 3.11: `entry.py template`, `once RUN_DIR` or `run RUN_DIR`.

`template` answers launch requests on descriptor 3, `once` keeps a single run; both fork, and the child returns here from
`serve` to become the run. `run` is the run itself after a cold start. Called by the pools and by engine/child.py.
"""

import os
import sys
from pathlib import Path

ROOT = str(Path(__file__).absolute().parents[2])
"""The folder that holds our package: first on the path while our code is imported, then last, behind everything else."""

if __name__ == "__main__":
    known = ROOT in sys.path
    sys.path.insert(0, ROOT)
    from reconciler.engine import run, template

    del sys.path[0]
    if not known:
        sys.path.append(ROOT)
    mode, *rest = sys.argv[1:]
    if mode == "run":
        sys.exit(run.main(Path(rest[0])))
    os.setsid()
    os.closerange(4 if mode == "template" else 3, os.sysconf("SC_OPEN_MAX"))
    chosen = template.serve(3 if mode == "template" else None, [Path(word) for word in rest])
    sys.exit(0 if chosen is None else run.main(*chosen))
