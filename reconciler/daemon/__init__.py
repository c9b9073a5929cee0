"""The shell: reads, asks the core, appends, carries out."""

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.daemon import observe as observe


def __getattr__(name: str) -> ModuleType:
    """`observe` brings pydantic, YAML and JSON Schema: a start that finds nothing changed goes without."""
    if name != "observe":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(f"{__name__}.{name}")
