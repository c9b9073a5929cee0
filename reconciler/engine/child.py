"""Makes a freshly forked process as good as a new one, before it becomes a run. Called by the template and entry.py."""

import faulthandler
import logging
import os
import sys
import time
from pathlib import Path
from types import ModuleType

from reconciler.engine import environment, placeholders
from reconciler.engine.linux import adopt_orphans
from reconciler.engine.logs import speak
from reconciler.engine.order import Order
from reconciler.engine.output import OUTPUT

_FIRST_FREE = 3
ENTRY = str(Path(__file__).with_name("entry.py"))


def settle(run_dir: Path, order: Order) -> None:
    """A session, descriptors, environment, clock zone and `__main__` of its own; a cold order does not return.

    Random generators need nothing: `random` reseeds itself after a fork, and the template draws no numbers.
    """
    os.setsid()
    adopt_orphans()
    os.closerange(_FIRST_FREE, os.sysconf("SC_OPEN_MAX"))
    _redirect(run_dir)
    environment.apply(placeholders.environment(order.env) if order.templated else order.env)
    if order.cold:
        os.execve(sys.executable, [sys.executable, "-P", ENTRY, "run", str(run_dir)], dict(os.environ))  # noqa: S606
    if "TZ" in order.env:
        time.tzset()
    sys.modules["__main__"] = ModuleType("__main__")


def _redirect(run_dir: Path) -> None:
    """Standard output and error go to the end of the output file, from C code too; standard input is empty already."""
    output = os.open(f"{run_dir}/{OUTPUT}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)


def no_input() -> None:
    """Standard input of this process, and of every run it forks, is empty."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    if nothing:
        os.dup2(nothing, 0)
        os.close(nothing)


def prepare() -> None:
    """What every run finds, done once before the first fork: no arguments, live output, a word on a crash in C code.

    `logging` works without a word from the flow, and gives way to whatever the flow configures itself.
    """
    sys.argv = [""]
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a TextIOWrapper: nobody replaced it yet
    faulthandler.enable()
    speak()
    logging.getLogger().setLevel(logging.INFO)
