"""A run goes on in another interpreter: the same process, by exec, between two pull steps. Called by pull and run.

Pid, session, locks and descriptors of the run stay; what the steps brought so far travels in a file that has no name.
"""

import json
import os
from pathlib import Path
from typing import Any, NoReturn

from reconciler.engine import hidden
from reconciler.engine.environments import Environment
from reconciler.model.errors import StepError

_MOST = 16 << 20


def go_on(environment: Environment, run_dir: Path, state: dict[str, Any]) -> NoReturn:
    """Become the environment's interpreter, with what `take` gives there. Raises StepError when that cannot be."""
    held = hidden.held()
    own = {"pid": os.getpid(), "secrets": held.state() if held else None}
    try:
        text = json.dumps({**state, **own}).encode()
    except (TypeError, ValueError) as error:
        raise StepError(f"what the steps put out cannot be handed over: {error}") from None
    if len(text) > _MOST:
        raise StepError(f"the steps put out {len(text)} bytes, of which {_MOST} can be handed over")
    try:
        memory = os.memfd_create("handover", 0)
        os.set_inheritable(memory, True)  # noqa: FBT003 - its one argument
        with open(memory, "wb", closefd=False) as file:
            file.write(text)
        command = [environment.python, "-P", environment.entry, "continue", str(run_dir), str(memory)]
        os.execv(environment.python, command)  # noqa: S606 - no shell
    except OSError as error:
        raise StepError(f"the environment's Python cannot be started: {error}") from None


def take(memory: int) -> dict[str, Any]:
    """What this process handed over to itself. Raises OSError or ValueError for anything else."""
    with open(memory, "rb") as file:
        file.seek(0)
        state = json.loads(file.read(_MOST))
    if not isinstance(state, dict) or state.get("pid") != os.getpid():
        raise ValueError("this was handed over to another process")
    return state
