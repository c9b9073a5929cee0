"""Annotations as JSON Schema, read from the syntax tree. Called by core/_parameters for each parameter of a flow."""

import ast
from collections.abc import Sequence
from contextlib import suppress

from reconciler.core import _types as types
from reconciler.core._classes import Class, Kind, Member, classify, config, early, enum_value, hooked, members, values
from reconciler.core._fields import Settings, constrained, sees_raw, settings, within
from reconciler.core._literals import NotLiteralError, literal
from reconciler.core._modules import Code, External, Found, dotted
from reconciler.core._names import Binding, Imported, Module
from reconciler.core._reading import expression
from reconciler.core._types import Form, Schema

MAX_NODES = 2_000
"""Schema nodes of one signature; aliases of aliases can double at each step."""
MAX_DEPTH = 24
MAX_CLASSES = 200
_EITHER = {"allow_population_by_field_name", "populate_by_name", "validate_by_name"}
"""Settings of a model under which a field with an alias goes by its own name too."""


class Schemas:
    """The schemas of one signature: `of` for each annotation; classes met on the way gather in `definitions`."""

    def __init__(self, code: Code) -> None:
        self.definitions: dict[str, Schema] = {}
        self.notes: list[str] = []
        self.about = ""
        """What the next notes speak of."""
        self._code = code
        self._names: dict[ast.ClassDef, str] = {}
        self._pending: list[tuple[str, Class, str]] = []
        self._aliases: list[Binding] = []
        self._left = MAX_NODES

    def of(self, node: ast.expr | None, module: Module, depth: int = 0) -> Schema:
        """The schema of an annotation; `{}`, which accepts anything, for what is not known."""
        self._left -= 1
        if self._left == 0:
            self._note("the signature is too large to be read to its end: the rest accepts any value")
        if node is None or self._left <= 0 or depth > MAX_DEPTH:
            return {}
        match node:
            case ast.Constant(value=None):
                return {"type": "null"}
            case ast.Constant(value=str(text)):
                return self._quoted(text, module, depth)
            case ast.BinOp(op=ast.BitOr()):
                return self._union(_branches(node), module, depth)
            case ast.Name() | ast.Attribute():
                return self._named(node, module, depth)
            case ast.Subscript(value=generic, slice=inner):
                arguments = inner.elts if isinstance(inner, ast.Tuple) else [inner]
                return self._generic(generic, arguments, module, depth)
        return self._accept(node, module)

    def finish(self) -> None:
        """Fill in the definitions of the classes met so far; one after the other, as classes name classes."""
        while self._pending:
            name, kind, self.about = self._pending.pop()
            self.definitions[name] = {"title": kind.node.name, **self._body(kind)}

    def _accept(self, node: ast.expr, module: Module) -> Schema:
        self._note(f"the type `{module.source(node)}` is not known: any value is accepted")
        return {}

    def _note(self, text: str) -> None:
        note = f"{self.about}: {text}" if self.about else text
        if note not in self.notes:
            self.notes.append(note)

    def _quoted(self, text: str, module: Module, depth: int) -> Schema:
        """An annotation within quotes: its names are the module's."""
        found = expression(text)
        if found is None:
            self._note("the annotation in quotes is no type: any value is accepted")
            return {}
        inside = Module(module.path, text.strip(), module.tree, module.names, module.stars)
        return self.of(found, inside, depth + 1)

    def _named(self, node: ast.expr, module: Module, depth: int) -> Schema:
        parts = dotted(node)
        target = self._code.resolve(module, parts) if parts else None
        if isinstance(target, External):
            known = types.known(target.name)
            return known if known is not None else self._accept(node, module)
        if not isinstance(target, Found):
            return self._accept(node, module)
        if isinstance(target.binding, ast.ClassDef):
            return self._class(target, node, module)
        return self._alias(target, node, module, depth)

    def _alias(self, target: Found, node: ast.expr, module: Module, depth: int) -> Schema:
        """`Ids = list[int]`, `type Ids = …`, `UserId = NewType("UserId", int)`."""
        value = target.binding
        if any(value is seen for seen in self._aliases) or isinstance(value, Imported):
            return {}
        if isinstance(value, ast.Call):
            made = self._origin(value.func, target.module)
            if made == "typing.TypeVar":
                return {}
            if made != "typing.NewType" or len(value.args) != 2:  # noqa: PLR2004 - a name and a type
                return self._accept(node, module)
            value = value.args[1]
        if not isinstance(value, ast.expr):
            return {}
        if not isinstance(value, ast.Name | ast.Attribute | ast.Subscript | ast.BinOp) and not _is_text(value):
            return self._accept(node, module)
        self._aliases.append(target.binding)
        try:
            return self.of(value, target.module, depth + 1)
        finally:
            self._aliases.pop()

    def _origin(self, node: ast.expr, module: Module) -> str:
        parts = dotted(node)
        target = self._code.resolve(module, parts) if parts else None
        return types.canonical(target.name) if isinstance(target, External) else ""

    def _generic(self, node: ast.expr, arguments: Sequence[ast.expr], module: Module, depth: int) -> Schema:
        home, _, word = self._origin(node, module).rpartition(".")
        form = types.GENERIC.get(word) if home in types.HOMES else None
        if form is None or not (arguments or form == Form.TUPLE):
            return self._named(node, module, depth)
        if form == Form.LITERAL:
            return self._literal(arguments, module)
        if form == Form.UNION:
            return self._union(arguments, module, depth)
        if form == Form.TUPLE:
            return self._tuple(arguments, module, depth)
        first = self.of(arguments[0], module, depth + 1)
        if form == Form.OPTIONAL:
            return types.any_of([first, {"type": "null"}])
        if form == Form.ANNOTATED:
            return self._annotated(first, arguments[1:], module)
        if form == Form.INNER:
            return first
        if form == Form.OBJECT:
            value = self.of(arguments[1], module, depth + 1) if len(arguments) > 1 else {}
            return {"type": "object", "additionalProperties": value or True}
        array: Schema = {"type": "array", "items": first}
        return {**array, "uniqueItems": True} if form == Form.SET else array

    def _union(self, arguments: Sequence[ast.expr], module: Module, depth: int) -> Schema:
        return types.any_of([self.of(argument, module, depth + 1) for argument in arguments])

    def _tuple(self, arguments: Sequence[ast.expr], module: Module, depth: int) -> Schema:
        last = arguments[-1] if arguments else None
        if isinstance(last, ast.Constant) and last.value is ...:
            return {"type": "array", "items": self.of(arguments[0], module, depth + 1)}
        items = [self.of(argument, module, depth + 1) for argument in arguments]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}

    def _literal(self, arguments: Sequence[ast.expr], module: Module) -> Schema:
        try:
            return types.enumerated([literal(enum_value(self._code, module, argument)) for argument in arguments])
        except NotLiteralError:
            self._note("a member of Literal is not read: any value is accepted")
            return {}

    def _annotated(self, schema: Schema, metadata: Sequence[ast.expr], module: Module) -> Schema:
        if any(sees_raw(self._code, module, item) for item in metadata):
            schema = {}
        for item in metadata:
            said = settings(self._code, module, item)
            if said:
                schema = constrained(schema, said.keywords)
            elif _is_text(item):
                with suppress(NotLiteralError):
                    schema = {**schema, "description": literal(item)}
        return schema

    def _class(self, target: Found, node: ast.expr, module: Module) -> Schema:
        kind = classify(self._code, target)
        if kind is None:
            return self._accept(node, module)
        if kind.node not in self._names:
            if len(self.definitions) >= MAX_CLASSES:
                return self._accept(node, module)
            name = kind.node.name
            while name in self.definitions:
                name += "_"
            self._names[kind.node] = name
            self.definitions[name] = {}
            self._pending.append((name, kind, self.about))
        return {"$ref": f"#/$defs/{self._names[kind.node]}"}

    def _body(self, kind: Class) -> Schema:
        if kind.kind in {Kind.ENUM, Kind.STR_ENUM}:
            try:
                return types.enumerated(values(self._code, kind))
            except NotLiteralError:
                self._note(f"the members of {kind.node.name} are not literals: any value is accepted")
                return {}
        return self._object(kind)

    def _object(self, kind: Class) -> Schema:
        said = config(kind)
        raw = early(self._code, kind) if kind.kind is Kind.MODEL else set()
        if "*" in raw or hooked(self._code, kind):
            self._note(f"{kind.node.name} decides itself which values it takes: any value is accepted")
            return {}
        if "alias_generator" in said or kind.open:
            return {"type": "object"}
        properties: Schema = {}
        required: list[str] = []
        forbids = said.get("extra") == "forbid"
        for member in members(self._code, kind):
            own = settings(self._code, member.module, member.default)
            inner = within(self._code, member.module, member.annotation) if kind.kind is Kind.MODEL else None
            told = [each for each in (own, inner) if each]
            alias = next((each.alias for each in told if each.alias), None)
            either = bool(alias and said.keys() & _EITHER)
            schema_of = {} if member.name in raw else self._property(member, own)
            properties |= dict.fromkeys([alias or member.name, *([member.name] if either else [])], schema_of)
            renamed = any(each.renamed for each in told)
            forbids = forbids and not renamed
            needed = member.required or (own is not None and not own.optional)
            if needed and not (either or renamed or (inner and inner.optional)):
                required.append(alias or member.name)
        schema: Schema = {"type": "object", "properties": properties}
        if kind.kind is Kind.NAMED_TUPLE:
            items = {"prefixItems": list(properties.values()), "minItems": len(required), "maxItems": len(properties)}
            schema = {**schema, "type": ["array", "object"], **items}
        if forbids:
            schema["additionalProperties"] = False
        return {**schema, "required": required} if required else schema

    def _property(self, member: Member, said: Settings | None) -> Schema:
        schema = self.of(member.annotation, member.module, 1)
        default = said.default if said else member.default
        if said:
            schema = constrained(schema, said.keywords)
        with suppress(NotLiteralError):
            if default is not None:
                schema = {**schema, "default": literal(default)}
        return schema


def _branches(node: ast.expr) -> list[ast.expr]:
    """The alternatives of `a | b | c`, from left to right."""
    found: list[ast.expr] = []
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        found.append(node.right)
        node = node.left
    return [node, *reversed(found)]


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)
