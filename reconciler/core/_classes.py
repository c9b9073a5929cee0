"""Classes of a repository that stand for JSON: enums, dataclasses, typed dicts, named tuples, pydantic models.

Called by core/_annotations. Read from the syntax tree; nothing is imported.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from reconciler.core._literals import NotLiteralError, literal
from reconciler.core._modules import Code, External, Found, dotted
from reconciler.core._names import Binding, Module, bindings
from reconciler.model.plan import Json

MAX_BASES = 8
"""Classes looked at above one class."""


class Kind(StrEnum):
    """What a class is, as far as JSON is concerned."""

    ENUM = "enum"
    STR_ENUM = "str enum"
    DATACLASS = "dataclass"
    TYPED_DICT = "typed dict"
    NAMED_TUPLE = "named tuple"
    MODEL = "model"


_BASES = {
    "enum.Enum": Kind.ENUM,
    "enum.IntEnum": Kind.ENUM,
    "enum.StrEnum": Kind.STR_ENUM,
    "typing.TypedDict": Kind.TYPED_DICT,
    "typing_extensions.TypedDict": Kind.TYPED_DICT,
    "typing.NamedTuple": Kind.NAMED_TUPLE,
    "pydantic.BaseModel": Kind.MODEL,
}
_PLAIN = {
    *("abc.ABC", "builtins.float", "builtins.int", "builtins.object", "builtins.str", "enum.ReprEnum"),
    *("typing.Generic", "typing.Protocol", "typing_extensions.Generic"),
}
"""Bases that say nothing of fields and members."""
_DATACLASSES = {"dataclasses.dataclass", "pydantic.dataclasses.dataclass"}
_AUTO = "enum.auto"
_HOOKS = {
    Kind.ENUM: frozenset({"__new__", "_generate_next_value_", "_missing_"}),
    Kind.MODEL: frozenset({"__init__", "__get_pydantic_core_schema__", "__get_validators__"}),
}
"""Methods by which a class takes other values than its body says."""
_SILENT = (ast.Expr, ast.Pass, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.AnnAssign)
"""Statements of an enum's body that make no member."""
_EARLY = {"before", "wrap", "plain"}
"""Modes of validators that see a value as it was given."""


@dataclass(frozen=True, slots=True)
class Class:
    """A class with its nearest bases first: the line along which fields are inherited."""

    found: Found
    node: ast.ClassDef
    kind: Kind
    bases: tuple[tuple[ast.ClassDef, Module], ...]
    open: bool = False
    """Whether it has a base that is not read: it may take more than what is read here says."""


@dataclass(frozen=True, slots=True)
class Member:
    """One annotated field: its type and default as written."""

    name: str
    annotation: ast.expr
    module: Module
    default: ast.expr | None
    required: bool


def classify(code: Code, found: Found) -> Class | None:
    """What the class is; None for one that JSON has no form for."""
    if not isinstance(found.binding, ast.ClassDef):
        return None
    kind: Kind | None = None
    bases: list[tuple[ast.ClassDef, Module]] = []
    queue = [(found.binding, found.module)]
    unread = False
    while queue and len(bases) < MAX_BASES:
        node, module = queue.pop(0)
        if any(node is seen for seen, _ in bases):
            continue
        bases.append((node, module))
        kind = kind or (Kind.DATACLASS if _decorated(code, module, node) else None)
        for base in node.bases:
            parts = dotted(base.value if isinstance(base, ast.Subscript) else base)
            target = code.resolve(module, parts) if parts else None
            if isinstance(target, External):
                kind = kind or _BASES.get(target.name)
                unread = unread or target.name not in _BASES.keys() | _PLAIN
            elif isinstance(target, Found) and isinstance(target.binding, ast.ClassDef):
                queue.append((target.binding, target.module))
            else:
                unread = True
    return Class(found, found.binding, kind, tuple(bases), unread or bool(queue)) if kind else None


def hooked(code: Code, kind: Class) -> bool:
    """Whether the class has a method of its own that decides which values it takes."""
    hooks = _HOOKS.get(kind.kind if kind.kind is not Kind.STR_ENUM else Kind.ENUM, frozenset[str]())
    return any(hooks & code.inside(node).keys() for node, _ in kind.bases)


def early(code: Code, kind: Class) -> set[str]:
    """The fields of a model whose values a validator sees as they were given; `*` for the model as a whole."""
    found: set[str] = set()
    for node, module in kind.bases:
        for statement in node.body:
            for decorator in getattr(statement, "decorator_list", ()):
                found.update(_sees(code, module, decorator))
    return found


def _sees(code: Code, module: Module, node: ast.expr) -> list[str]:
    """The fields that a decorator validates before their type does."""
    call = node if isinstance(node, ast.Call) else None
    parts = dotted(call.func) if call else None
    target = code.resolve(module, parts) if parts else None
    name = target.name.rpartition(".")[2] if isinstance(target, External) else ""
    if call is None or name not in {"field_validator", "model_validator", "validator", "root_validator"}:
        return []
    said = {k.arg: k.value.value for k in call.keywords if isinstance(k.value, ast.Constant)}
    if said.get("mode") not in _EARLY and said.get("pre") is not True:
        return []
    if name in {"model_validator", "root_validator"}:
        return ["*"]
    return [arg.value if isinstance(arg, ast.Constant) and isinstance(arg.value, str) else "*" for arg in call.args]


def _decorated(code: Code, module: Module, node: ast.ClassDef) -> bool:
    for decorator in node.decorator_list:
        parts = dotted(decorator.func if isinstance(decorator, ast.Call) else decorator)
        target = code.resolve(module, parts) if parts else None
        if isinstance(target, External) and target.name in _DATACLASSES:
            return True
    return False


def values(code: Code, kind: Class) -> list[Json]:
    """The values of an enum's members, in order. Raises NotLiteralError for one that would have to be run."""
    if hooked(code, kind):
        raise NotLiteralError("the class decides itself which values it takes")
    found: list[Json] = []
    top: int | None = None
    for statement in kind.node.body:
        if isinstance(statement, _SILENT):
            continue
        if not isinstance(statement, ast.Assign):
            raise NotLiteralError("members that only running the code tells")
        for target in statement.targets:
            if not isinstance(target, ast.Name):
                raise NotLiteralError("members that are unpacked")
            if not target.id.startswith("_"):
                value = _value(code, kind, target.id, statement.value, top)
                if isinstance(value, int) and (top is None or value > top):
                    top = value
                found.append(value)
    return found


def _value(code: Code, kind: Class, name: str, node: ast.expr, top: int | None) -> Json:
    """The value of one member; `top` is the highest number before it."""
    if not isinstance(node, ast.Call):
        return literal(node)
    parts = dotted(node.func)
    target = code.resolve(kind.found.module, parts) if parts else None
    if not isinstance(target, External) or target.name != _AUTO:
        raise NotLiteralError("made by a call")
    if kind.kind is Kind.STR_ENUM:
        return name.lower()
    if kind.open or any(isinstance(base, ast.Name) and base.id == "str" for base in kind.node.bases):
        raise NotLiteralError("a number that becomes something else")
    return 1 + (top or 0)


def enum_value(code: Code, module: Module, node: ast.expr) -> ast.expr:
    """The value of `Color.RED`; any other expression as it is."""
    parts = dotted(node) if isinstance(node, ast.Attribute) else None
    owner = code.resolve(module, parts[:-1]) if parts else None
    kind = classify(code, owner) if isinstance(owner, Found) else None
    if parts is None or kind is None or kind.kind not in {Kind.ENUM, Kind.STR_ENUM} or hooked(code, kind):
        return node
    member = code.resolve(module, parts)
    return member.binding if isinstance(member, Found) and isinstance(member.binding, ast.expr) else node


def members(code: Code, kind: Class) -> list[Member]:
    """The annotated fields in the order of definition, inherited ones first; the nearest class wins."""
    found: dict[str, Member] = {}
    for node, module in reversed(kind.bases):
        for member in _fields(code, kind.kind, node, module):
            found[member.name] = member
    return list(found.values())


def _fields(code: Code, kind: Kind, node: ast.ClassDef, module: Module) -> Iterator[Member]:
    total = not any(k.arg == "total" and isinstance(k.value, ast.Constant) and not k.value.value for k in node.keywords)
    for statement in node.body:
        if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
            continue
        name, annotation = statement.target.id, statement.annotation
        origin = _origin(code, module, annotation)
        if name.startswith("_") or name == "model_config" or origin in {"ClassVar", "KW_ONLY"}:
            continue
        required = total if kind is Kind.TYPED_DICT else statement.value is None
        if kind is Kind.TYPED_DICT and origin in {"Required", "NotRequired"}:
            required = origin == "Required"
        yield Member(name, annotation, module, statement.value, required)


def _origin(code: Code, module: Module, annotation: ast.expr) -> str:
    """`ClassVar` for `typing.ClassVar[int]`, empty for what is not from outside."""
    node = annotation.value if isinstance(annotation, ast.Subscript) else annotation
    parts = dotted(node)
    target = code.resolve(module, parts) if parts else None
    return target.name.rpartition(".")[2] if isinstance(target, External) else ""


def config(kind: Class) -> dict[str, Json]:
    """The literal entries of pydantic's `model_config`, `class Model(BaseModel, extra="forbid")` included.

    An entry that is no literal is True: it is there.
    """
    found: dict[str, Json] = {}
    for node, _ in reversed(kind.bases):
        bound = bindings(node.body)
        entries = _entries(bound.get("model_config", [None])[-1]) + _entries(bound.get("Config", [None])[-1])
        entries += [(k.arg, k.value) for k in node.keywords]
        for name, value in entries:
            try:
                found[name or ""] = literal(value)
            except NotLiteralError:
                found[name or ""] = True
    return found


def _entries(bound: Binding | None) -> list[tuple[str | None, ast.expr]]:
    match bound:
        case ast.Call(keywords=keywords):
            return [(k.arg, k.value) for k in keywords]
        case ast.Dict(keys=keys, values=values):
            pairs = zip(keys, values, strict=True)
            return [(str(key.value), value) for key, value in pairs if isinstance(key, ast.Constant)]
        case ast.ClassDef(body=body):
            assigned = [each for each in body if isinstance(each, ast.Assign)]
            return [(t.id, each.value) for each in assigned for t in each.targets if isinstance(t, ast.Name)]
    return []
