"""The one file executed by path, by any Python from 3.11. Called by the pools, and by engine/child.py for a cold start.

`entry.py template` answers launch requests on descriptor 3, `once RUN_DIR` keeps a single run; both fork, and the child
comes back from `serve` to become the run. `template SECONDS` ends when nobody asked for so long.
`run RUN_DIR [N]` is the run itself, after a cold start; `continue RUN_DIR N` goes on with it in another interpreter,
with what descriptor N holds. `fetch` lays source out for a run whose interpreter lacks our git door.
"""

import os
import sys
from pathlib import Path

ROOT = str(Path(__file__).absolute().parents[2])
"""The folder that holds our package: first on the path while our code is imported, then last, behind all else."""

if __name__ == "__main__":
    known = ROOT in sys.path
    sys.path.insert(0, ROOT)
    from reconciler.engine import child, run, template, vault

    del sys.path[0]
    if not known:
        sys.path.append(ROOT)
    mode, *rest = sys.argv[1:]
    child.prepare()
    if mode == "run":
        if rest[1:]:
            child.take_secrets(int(rest[1]))
        run.leave(run.main(Path(rest[0])))
    if mode == "continue":
        run.leave(run.go_on(Path(rest[0]), int(rest[1])))
    if mode == "fetch":
        from reconciler.engine import copies, fetch

        run.leave(fetch.answer(copies.from_git))
    os.setsid()
    os.closerange(3 if mode == "once" else 4, vault.FD)
    os.closerange(vault.settle(), os.sysconf("SC_OPEN_MAX"))
    if mode == "once":
        chosen = template.serve(None, [Path(word) for word in rest])
    else:
        chosen = template.serve(3, [], idle=float(rest[0]) if rest else None)
    if chosen:
        run.leave(run.main(*chosen))
