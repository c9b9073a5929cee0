"""Finds and imports a flow by its entrypoint. Called by the run; user code is first executed here."""

import hashlib
import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    ModuleSpec,
    SourceFileLoader,
    SourcelessFileLoader,
)
from pathlib import Path
from typing import Any

_VERSION_DIGITS = 32


class EntrypointError(Exception):
    """The entrypoint names nothing that can be run; the message says what to change."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What an entrypoint names: the callable, and its version (its own, else the first 32 hex of its file's sha256)."""

    flow: Any
    name: str
    version: str | None


def load(entrypoint: str, base: Path) -> Loaded:
    """Import `path/file.py:function`, `pkg.mod.function` or `pkg.mod:function`, seen from the folder `base`.

    Raises EntrypointError, and whatever importing the user's code raises.
    """
    where, colon, function = entrypoint.rpartition(":")
    if colon and where.endswith(".py"):
        module = _import_file(base, where)
    else:
        where, _, function = (where, "", function) if colon else entrypoint.rpartition(".")
        module = _import_module(base, where)
    if not hasattr(module, function):
        raise EntrypointError(f"{entrypoint}: {where} has no {function!r}")
    found = getattr(module, function)
    if not callable(found) or inspect.isclass(found):
        raise EntrypointError(f"{entrypoint}: {function!r} is a {_kind(found)}, not a function")
    return Loaded(found, getattr(found, "name", None) or function.replace("_", "-"), _version(found, module))


def _kind(found: Any) -> str:
    return "class" if inspect.isclass(found) else type(found).__name__


def _version(found: Any, module: Any) -> str | None:
    own = getattr(found, "version", None)
    if isinstance(own, str) and own:
        return own
    if read := getattr(module.__spec__.loader, "digest", None):
        return str(read)[:_VERSION_DIGITS]
    try:
        return hashlib.sha256(Path(module.__file__ or "").read_bytes()).hexdigest()[:_VERSION_DIGITS]
    except OSError:
        return None


def _import_module(base: Path, name: str) -> Any:
    if not name:
        raise EntrypointError("an entrypoint is path/to/file.py:function or package.module.function")
    sys.path.insert(0, str(base))
    if not _spec(name):
        raise EntrypointError(f"there is no module {name!r} in the working copy or the environment")
    return importlib.import_module(name)


def _import_file(base: Path, where: str) -> Any:
    """Import a file under the name by which its neighbours would import it.

    The folder above its outermost package, and `base`, go on the path. A file that shares its name with a module that
    Python already has is taken by its place below `base` (`flows/json.py` is `flows.json`).
    """
    file = base / where
    if not os.path.isfile(file):  # noqa: PTH113 - pathlib would cost a fresh fork more than the call, here and below
        raise EntrypointError(f"there is no file {where!r} in {base}")
    root = file.parent
    while os.path.isfile(f"{root}/__init__.py"):  # noqa: PTH113 - same
        root = root.parent
    sys.path[:0] = dict.fromkeys([str(root), str(base)])
    for name in _names(file, root, base):
        spec = _spec(name)
        if spec and spec.origin and (spec.origin == str(file) or file.samefile(spec.origin)):
            return _import(name, spec)
    raise EntrypointError(f"{where}: Python has another module of this name (or it cannot be one); rename the file")


def _import(name: str, spec: ModuleSpec) -> Any:
    """The module that was found, without finding it again; one inside a package needs what `import` does besides."""
    if name in sys.modules or "." in name or spec.loader is None:
        return importlib.import_module(name)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return sys.modules[name]


class _Source(SourceFileLoader):
    """Loads what lies in a working copy: compiled once, by one process, so no bytecode is looked for or left behind."""

    digest = ""
    """sha256 of the source that was loaded, in hex."""

    def get_code(self, fullname: str) -> Any:
        """The code of a module, from its source."""
        path = self.get_filename(fullname)
        source = self.get_data(path)
        self.digest = hashlib.sha256(source).hexdigest()
        return self.source_to_code(source, path)


def without_bytecode(root: Path) -> None:
    """From now on, modules below `root` are compiled from their source."""
    below = f"{root}/"
    kinds: list[Any] = [
        (ExtensionFileLoader, EXTENSION_SUFFIXES), (_Source, SOURCE_SUFFIXES), (SourcelessFileLoader, BYTECODE_SUFFIXES)
    ]  # fmt: skip

    def finder(path: str) -> FileFinder:
        if not f"{path}/".startswith(below) or not os.path.isdir(path):  # noqa: PTH112 - same
            raise ImportError(path)
        return FileFinder(path, *kinds)

    sys.path_hooks.insert(0, finder)


def _names(file: Path, root: Path, base: Path) -> Iterator[str]:
    for folder in dict.fromkeys([root, base]):
        if file.is_relative_to(folder):
            parts = file.relative_to(folder).with_suffix("").parts
            if not any("." in part for part in parts):
                yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _spec(name: str) -> Any:
    try:
        return importlib.util.find_spec(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            return None
        raise
    except ValueError:  # a module without a spec, such as __main__
        return None
