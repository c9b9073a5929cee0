"""The product, killed by itself at a named point: `crashing.py PLAN WORDS...`. Nothing of this is in the product.

PLAN is JSON: `{"point", "side": "before" or "after", "number", "flag"}`: at that call of that function the process
kills itself with SIGKILL, once (whoever makes the file `flag`). `{"poison", "deaths": FILE}` instead: reading a spec,
code file or result that holds the text kills it, each time, noted in FILE. WORDS are those of the command. A point of a
run's or the template's process is carried over into the templates that the daemon starts.
"""

import functools
import importlib
import json
import os
import runpy
import signal
import sys
from pathlib import Path

ROOT = str(Path(__file__).resolve().parents[1])

DAEMON = {
    "append": "stores.sqlite SqliteStore.append",
    "cache": "stores.sqlite SqliteStore.cache_put",
    "flush": "daemon.ledger Ledger.flush",
    "adopt": "daemon.acts Acts.adopt",
    "act": "daemon.acts Acts.carry_out",
    "save": "daemon.loop Loop.save",
    "launch": "pools.process ProcessPool.launch",
    "template": "pools.process start",
    "supervise": "daemon.supervise Supervisor._launch",
    "look": "daemon.supervise Supervisor._look",
    "forget": "daemon.supervise Supervisor._forget",
    "resume": "daemon.supervise Supervisor._resume",
    "order": "daemon.orders Orders.write",
    "pin": "daemon.orders Orders.pin",
    "copy": "daemon.copies prepare",
    "parcel": "git.parcel wrap",
    "rename": "os replace",
    "reading": "daemon.observe Observer.desired",
    "settled": "daemon.reconcile Looker.applied",
    "branches": "daemon.branches Branches.look",
    "beside": "daemon.branches Branches.read",
    "preview": "daemon.previews Previews.decide",
    "previewed": "daemon.previews Previews.stored",
}
NOTES = {
    "count": "daemon.notes Notes._keep",
    "note": "git.notes write",
    "objects": "git.notes _store",
    "swap": "git.refs Refs.swap",
}
REVERT = {
    "tree": "git.revert restored",
    "object": "git.revert _put",
    "commit": "git.revert commit",
    "branch": "git.revert branch",
}
ENGINE = {
    "fork": "engine.template _Template.launch",
    "reap": "engine.template _Template._reap",
    "exit": "engine.marker write_exit",
    "claim": "engine.marker claim",
    "unwrap": "engine.copies unwrap",
    "take": "engine.copies take",
    "journal": "engine.journal Journal.write",
    "returned": "engine.report completed",
    "suspended": "engine.report suspended",
}
SECRETS = {
    "filter": "engine.outflow _filter",
    "outflow": "engine.outflow start",
    "enter": "engine.outflow Outflow.enter",
    "find": "engine.secrets find",
    "tell": "engine.outflow Outflow.tell",
    "redact": "engine.outflow _write",
    "drain": "engine.outflow Outflow.finish",
}
"""Of the run with secrets, the process that keeps them out of its output, and the template of both."""
INSIDE = ENGINE | SECRETS


def arm(place: str, plan: dict) -> None:
    """Wrap a function so that its n-th call in this process kills it."""
    module_name, _, name = place.partition(" ")
    module = importlib.import_module(module_name if module_name == "os" else f"reconciler.{module_name}")
    *outer, last = name.split(".")
    owner = functools.reduce(getattr, outer, module)
    function = getattr(owner, last)
    calls = 0

    def die() -> None:
        try:
            os.close(os.open(plan["flag"], os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)

    @functools.wraps(function)
    def wrapped(*args, **kwargs):
        nonlocal calls
        calls += 1
        mine = calls == plan["number"]
        if mine and plan["side"] == "before":
            die()
        value = function(*args, **kwargs)
        if mine:
            die()
        return value

    setattr(owner, last, wrapped)


def poisoned(plan: dict) -> None:
    """Make the parsers of specs and of code deadly for a text, as a crash in C code would be."""
    reading = importlib.import_module("reconciler.core._reading")
    rows = importlib.import_module("reconciler.daemon.spec_row")
    heard = importlib.import_module("reconciler.daemon.heard")
    for module, name in ((reading, "_decode"), (rows, "parse"), (heard, "complete")):
        arm_text(module, name, plan)


def arm_text(module, name: str, plan: dict) -> None:
    function = getattr(module, name)

    @functools.wraps(function)
    def wrapped(*args, **kwargs):
        value = function(*args, **kwargs)
        if plan["poison"] in repr((args, value)):
            with Path(plan["deaths"]).open("a") as file:
                file.write("x")
            os.kill(os.getpid(), signal.SIGKILL)
        return value

    setattr(module, name, wrapped)


def engine(plan: dict, words: list[str]) -> None:
    """Become the template, with the point armed in it and in the runs that it forks."""
    entry = f"{ROOT}/reconciler/engine/entry.py"
    importlib.import_module("reconciler.engine.run")
    arm(INSIDE[plan["point"]], plan)
    sys.argv = [entry, *words]
    runpy.run_path(entry, run_name="__main__")


def carried_over(plan: dict) -> None:
    """Have the daemon start this file for its templates."""
    local = importlib.import_module("reconciler.pools._local")
    process = importlib.import_module("reconciler.pools.process")

    def start(*arguments, python, descriptor, **_entry):
        here = str(Path(__file__).resolve())
        return local.start(json.dumps(plan), *arguments, python=python, descriptor=descriptor, entry=here)

    process.start = start


if __name__ == "__main__":
    sys.path.insert(0, ROOT)
    plan, words = json.loads(sys.argv[1]), sys.argv[2:]
    if words[0] == "template":
        engine(plan, words)
    else:
        from reconciler.cli import main

        if "poison" in plan:
            poisoned(plan)
        elif plan["point"] in INSIDE:
            carried_over(plan)
        else:
            arm((DAEMON | NOTES | REVERT)[plan["point"]], plan)
        sys.argv = ["reconciler", *words]
        main()
