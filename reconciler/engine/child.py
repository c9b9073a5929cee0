"""Makes a freshly forked process as good as a new one, before it becomes a run. Called by the template and entry.py."""

import faulthandler
import importlib
import logging
import os
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from reconciler.engine import environment, hidden, vault
from reconciler.engine.linux import adopt_orphans
from reconciler.engine.logs import speak
from reconciler.engine.order import Order
from reconciler.engine.output import OUTPUT

if TYPE_CHECKING:
    from reconciler.engine.outflow import Outflow

_FIRST_FREE = 3
ENTRY = str(Path(__file__).with_name("entry.py"))


def settle(run_dir: Path, order: Order, outflow: "Outflow | None" = None) -> None:
    """A session, descriptors, environment, clock zone and `__main__` of its own; a cold order does not return.

    The secrets that the order refers to are found here; with them goes the `outflow` that keeps them out of the output.

    Random generators need nothing: `random` reseeds itself after a fork, and the template draws no numbers.
    """
    os.setsid()
    adopt_orphans()
    if outflow is not None:
        _find_secrets(run_dir, order, outflow)
    os.closerange(_FIRST_FREE, os.sysconf("SC_OPEN_MAX"))
    if outflow is None:
        _redirect(run_dir)
    held = hidden.held()
    environment.apply(held.environment(order.env) if held else order.env)
    if order.cold:
        again = [sys.executable, "-P", ENTRY, "run", str(run_dir)]
        if held:
            memory = vault.pack(held.state())
            os.set_inheritable(memory, True)  # noqa: FBT003 - its one argument
            again.append(str(memory))
        os.execve(sys.executable, again, dict(os.environ))  # noqa: S606
    if "TZ" in order.env:
        time.tzset()
    sys.modules["__main__"] = ModuleType("__main__")


def _find_secrets(run_dir: Path, order: Order, outflow: "Outflow") -> None:
    outflow.enter()
    held = importlib.import_module("reconciler.engine.secrets").find(order, run_dir, vault.unpack(vault.FD))
    outflow.tell(held.values.values())
    hidden.hold(held)


def take_secrets(memory: int) -> None:
    """After a cold start: the secrets that this process had before, from a descriptor, which is closed."""
    state = vault.unpack(memory)
    if state:
        hidden.hold(importlib.import_module("reconciler.engine.secrets").Held.load(state))
        os.close(memory)


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
