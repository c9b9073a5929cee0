"""The only door to git: objects, refs, history, working copies, remotes. Called by steps, daemon and cli."""

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.git import remote as remote


def __getattr__(name: str) -> ModuleType:
    """`remote` brings the network clients: who only reads this machine's objects goes without."""
    if name != "remote":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(f"{__name__}.{name}")
