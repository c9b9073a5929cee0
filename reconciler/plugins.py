"""The one plug-in rule: the word in the YAML is the name of the file. Called by whoever meets such a word."""

import difflib
import importlib
import inspect
import pkgutil
from types import ModuleType
from typing import Any, TypeVar

from reconciler.model.errors import UnknownWordError

T = TypeVar("T")

_LOADED: dict[tuple[str, str], Any] = {}
"""What was loaded: a folder has one base, and ten thousand specs name few words."""


def words(package: ModuleType) -> list[str]:
    """The words a plug-in folder knows: the names of its modules that do not start with `_`, sorted."""
    return sorted(m.name for m in pkgutil.iter_modules(package.__path__) if not m.name.startswith("_"))


def load(package: ModuleType, base: type[T], word: str) -> type[T]:
    """Import the one file named `word` and return its one subclass of `base`.

    Raises UnknownWordError, which names the known words and the nearest one.
    """
    loaded: type[T] | None = _LOADED.get((package.__name__, word))
    if loaded is not None:
        return loaded
    known = words(package)
    if word not in known:
        nearest = difflib.get_close_matches(word, known, n=1)
        raise UnknownWordError(package.__name__.rpartition(".")[2], word, known, nearest[0] if nearest else None)
    module = importlib.import_module(f"{package.__name__}.{word}")
    (found,) = (
        kind
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, base) and kind.__module__ == module.__name__
    )
    _LOADED[package.__name__, word] = found
    return found
