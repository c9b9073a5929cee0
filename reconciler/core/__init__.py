"""The decisions, pure: state and now in, facts out. No I/O, no clock, no dice."""

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.core import parameters as parameters


def __getattr__(name: str) -> ModuleType:
    """`parameters` brings JSON Schema: who checks no parameters goes without."""
    if name != "parameters":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(f"{__name__}.{name}")
