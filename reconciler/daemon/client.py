"""Asks the daemon of a state directory. Called by writing verbs; engine/client does it, for scripts as well."""

from typing import Any

from reconciler.daemon.state_dir import StateDir
from reconciler.engine import client
from reconciler.engine.client import refused as refused
from reconciler.model.plan import Json


def ask(state: StateDir, verb: str, args: dict[str, Any]) -> Json:
    """The daemon's answer. Raises DaemonError when none runs, and the daemon's own refusals."""
    return client.ask(state.root, verb, args)


def answers(state: StateDir) -> bool:
    """Whether a daemon listens; reading verbs ask, to say what waits for one."""
    return client.answers(state.root)
