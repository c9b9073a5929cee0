"""The names of a module and what each is bound to, by syntax. Called by core/_reading and whoever follows names."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Imported:
    """A name bound by an import: its dotted origin, below `level` packages up (0: absolute)."""

    level: int
    parts: tuple[str, ...]


Binding = ast.AST | Imported
"""A definition, the expression assigned, an import, or the statement that binds the name in another way."""


@dataclass(frozen=True, slots=True, eq=False)
class Module:
    """A parsed file: its top-level names with everything bound to each, in order, and its star imports."""

    path: str
    text: str
    tree: ast.Module
    names: dict[str, list[Binding]] = field(default_factory=dict)
    stars: list[Imported] = field(default_factory=list)

    def binding(self, name: str, inside: Binding | None = None) -> Binding | None:
        """What the name stands for at the end; within the expression `inside`, what it stood for before that."""
        bound = self.names.get(name, [])
        for at, binding in enumerate(bound):
            if binding is inside:
                bound = bound[:at]
                break
        return bound[-1] if bound else None

    def source(self, node: ast.expr) -> str:
        """The text of an expression, on one line and cut."""
        lines = self.text.split("\n")[node.lineno - 1 : node.end_lineno]
        raw = [line.encode() for line in lines]
        raw[-1] = raw[-1][: node.end_col_offset]
        raw[0] = raw[0][node.col_offset :]
        text = " ".join(line.decode(errors="replace").strip() for line in raw)
        return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def bindings(body: Sequence[ast.stmt]) -> dict[str, list[Binding]]:
    """The names bound by these statements, such as a class body's."""
    names: dict[str, list[Binding]] = {}
    bind(body, names, [])
    return names


def bind(body: Sequence[ast.stmt], names: dict[str, list[Binding]], stars: list[Imported]) -> None:
    """Add the names and star imports of these statements."""
    for statement in _flat(body):
        for name, binding in _bound(statement):
            if name == "*" and isinstance(binding, Imported):
                stars.append(binding)
            else:
                names.setdefault(name, []).append(binding)


def _flat(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """Every statement of the module's own scope, those that count least first: `else` and `except` before the body."""
    stack = [*reversed(body)]
    while stack:
        statement = stack.pop()
        yield statement
        stack.extend(reversed(_inner(statement)))


def _inner(statement: ast.stmt) -> list[ast.stmt]:
    match statement:
        case ast.If(test=ast.Compare(left=ast.Name(id="__name__"))):
            return statement.orelse
        case ast.If() | ast.For() | ast.AsyncFor() | ast.While():
            return [*statement.orelse, *statement.body]
        case ast.Try() | ast.TryStar():
            handled = [inner for handler in statement.handlers for inner in handler.body]
            return [*handled, *statement.body, *statement.orelse, *statement.finalbody]
        case ast.With() | ast.AsyncWith():
            return statement.body
        case ast.Match():
            return [inner for case in statement.cases for inner in case.body]
    return []


def _bound(statement: ast.stmt) -> Iterator[tuple[str, Binding]]:
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name, statement
        case ast.Import() | ast.ImportFrom():
            yield from _imports(statement)
        case ast.Assign(targets=targets, value=value):
            yield from (pair for target in targets for pair in _targets(target, value, statement))
        case ast.AnnAssign(target=target, value=ast.expr() as value):
            yield from _targets(target, value, statement)
        case ast.AugAssign(target=target) | ast.For(target=target) | ast.AsyncFor(target=target):
            yield from _targets(target, statement, statement)
        case ast.With(items=items) | ast.AsyncWith(items=items):
            named = (item.optional_vars for item in items if item.optional_vars is not None)
            yield from (pair for target in named for pair in _targets(target, statement, statement))
        case _ if type(statement).__name__ == "TypeAlias":  # `type X = ...`, which not every supported Python has
            target, value = (getattr(statement, part) for part in ("name", "value"))
            yield from _targets(target, value, statement)


def _imports(statement: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, Imported]]:
    for alias in statement.names:
        if isinstance(statement, ast.Import):
            parts = tuple(alias.name.split("."))
            yield (alias.asname, Imported(0, parts)) if alias.asname else (parts[0], Imported(0, parts[:1]))
        else:
            base = tuple(statement.module.split(".")) if statement.module else ()
            parts = base if alias.name == "*" else (*base, alias.name)
            yield alias.asname or alias.name, Imported(statement.level, parts)


def _targets(target: ast.expr, value: ast.AST, statement: ast.stmt) -> Iterator[tuple[str, Binding]]:
    """The names a target binds: the value itself for a plain name, the statement for the parts of a tuple."""
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, ast.Tuple | ast.List):
        for name in ast.walk(target):
            if isinstance(name, ast.Name):
                yield name.id, statement
