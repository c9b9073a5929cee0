"""The files a flow is made of, and what a name in them stands for. Called by core/_flows and core/_annotations."""

import ast
import builtins
from collections.abc import Callable
from dataclasses import dataclass

from reconciler.core._names import Binding, Imported, Module, bindings
from reconciler.core._reading import EntrypointProblem, Newer, parse

MAX_IMPORTS = 3
"""Imports followed for one name."""
MAX_FILES = 32
"""Files parsed for one entrypoint."""
MAX_ASKED = 256
"""Paths asked for one entrypoint, the missing ones included."""
MAX_STARS = 10_000
"""Looks into star imports for one entrypoint: modules may import all of each other, and themselves."""

_BUILTINS = frozenset(dir(builtins))
_OUTSIDE = (
    *("__future__", "abc", "collections", "dataclasses", "datetime", "decimal", "enum", "functools", "ipaddress"),
    *("pathlib", "re", "typing", "typing_extensions", "uuid", "annotated_types", "prefect", "pydantic", "reconciler"),
)
"""Packages whose names are known and that no repository brings along: not looked for."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a name stands for, the module it is bound in, and how many imports away that is."""

    module: Module
    binding: Binding
    imports: int = 0


@dataclass(frozen=True, slots=True)
class External:
    """A name that comes from outside the repository, by its dotted origin."""

    name: str


@dataclass(frozen=True, slots=True)
class Lost:
    """A name that could not be followed: the module that should hold it and does not, or the file that is at fault."""

    why: str
    missing: Module | None = None
    fault: EntrypointProblem | None = None


Target = Found | External | Lost


class Code:
    """One entrypoint's view of the repository: each path is asked for once, in an order that the code alone decides."""

    def __init__(self, read: Callable[[str], bytes | None], bases: tuple[str, ...]) -> None:
        self._read = read
        self._bases = bases
        self._files: dict[str, Module | EntrypointProblem | Newer | None] = {}
        self._parsed = 0
        self._stars_left = MAX_STARS
        self._inside: dict[ast.ClassDef, dict[str, list[Binding]]] = {}

    def file(self, path: str) -> Module | EntrypointProblem | Newer | None:
        """The parsed file, why it cannot be parsed, or None when it is not there (or too many were asked for)."""
        if path not in self._files:
            if len(self._files) >= MAX_ASKED or self._parsed >= MAX_FILES:
                return None
            data = self._read(path)
            self._parsed += data is not None
            self._files[path] = None if data is None else parse(path, data)
        return self._files[path]

    def package(self, base: str, parts: tuple[str, ...]) -> Module | EntrypointProblem | Newer | None:
        """The module of this dotted name below a directory: `a/b.py`, else `a/b/__init__.py`."""
        path = "/".join((base, *parts) if base else parts)
        found = self.file(f"{path}.py") if parts else None
        return found if found is not None else self.file(f"{path}/__init__.py" if path else "__init__.py")

    def resolve(self, at: Module, parts: tuple[str, ...], *, inside: Binding | None = None, imports: int = 0) -> Target:
        """What the dotted name `parts` stands for in module `at`."""
        binding = at.binding(parts[0], inside)
        if binding is None:
            return self._unbound(at, parts, imports)
        if isinstance(binding, Imported):
            return self._imported(at, binding, parts[1:], imports)
        return self._within(Found(at, binding, imports), parts[1:])

    def inside(self, node: ast.ClassDef) -> dict[str, list[Binding]]:
        """The names that the body of a class binds."""
        if node not in self._inside:
            self._inside[node] = bindings(node.body)
        return self._inside[node]

    def _within(self, found: Found, rest: tuple[str, ...]) -> Target:
        """The member of a class (an enum's value, a nested class) that the rest of a dotted name names."""
        for name in rest:
            if not isinstance(found.binding, ast.ClassDef):
                return Lost("an attribute of a value is not followed")
            members = self.inside(found.binding).get(name)
            if not members or isinstance(members[-1], Imported):
                return Lost(f"{found.binding.name} has no {name!r}")
            found = Found(found.module, members[-1], found.imports)
        return found

    def _unbound(self, at: Module, parts: tuple[str, ...], imports: int) -> Target:
        if parts[0] in _BUILTINS:
            return External(f"builtins.{'.'.join(parts)}")
        outside: External | None = None
        for star in at.stars:
            self._stars_left -= 1
            if self._stars_left < 0:
                break
            target = self._imported(at, star, parts, imports)
            if isinstance(target, Found):
                return target
            outside = outside or (target if isinstance(target, External) else None)
        return outside or Lost(f"{at.path} has no {parts[0]!r}", at)

    def _imported(self, at: Module, origin: Imported, rest: tuple[str, ...], imports: int) -> Target:
        parts = origin.parts + rest
        if not origin.level and parts[0] in _OUTSIDE:
            return External(".".join(parts))
        if imports >= MAX_IMPORTS:
            return Lost(f"it is more than {MAX_IMPORTS} imports away")
        bases = self._bases if not origin.level else _above(at.path, origin.level)
        for cut in range(len(parts) - 1, -1 if origin.level else 0, -1):
            for base in bases:
                module = self.package(base, parts[:cut])
                if isinstance(module, Module):
                    return self.resolve(module, parts[cut:], imports=imports + 1)
                if isinstance(module, Newer):
                    return Lost(module.note)
                if module is not None:
                    return Lost(module.message, fault=module)
        if origin.level:
            return Lost(f"{'.'.join(parts)} is not in this repository")
        return External(".".join(parts))


def dotted(node: ast.AST) -> tuple[str, ...] | None:
    """The parts of `a.b.c`, or None for any other expression."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return (node.id, *reversed(parts)) if isinstance(node, ast.Name) else None


def _above(path: str, level: int) -> tuple[str, ...]:
    """The directory of the package `level - 1` above the file's own; none outside the repository."""
    folders = path.split("/")[:-1]
    return ("/".join(folders[: len(folders) - level + 1]),) if level - 1 <= len(folders) else ()
