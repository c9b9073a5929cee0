"""The shell: reads, asks the core, appends, carries out."""

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.daemon import notes as notes
    from reconciler.daemon import observe as observe
    from reconciler.daemon import words as words


def __getattr__(name: str) -> ModuleType:
    """`observe` and `words` bring pydantic, YAML and JSON Schema: a start that finds nothing changed goes without.

    `notes` brings what writes git objects, which few ask for.
    """
    if name not in {"notes", "observe", "words"}:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(f"{__name__}.{name}")
