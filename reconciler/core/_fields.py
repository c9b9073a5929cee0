"""What `Field(…)`, `field(…)` and the metadata of `Annotated` say of a value. Called by core/_annotations."""

import ast
from dataclasses import dataclass, field

from reconciler.core._literals import NotLiteralError, literal
from reconciler.core._modules import Code, External, dotted
from reconciler.core._names import Module
from reconciler.core._patterns import UnsafePatternError, pattern
from reconciler.model.plan import Json

_MAKERS = {"pydantic.Field", "pydantic.fields.Field", "dataclasses.field"}
_METADATA = {"Gt": "gt", "Ge": "ge", "Lt": "lt", "Le": "le", "MultipleOf": "multiple_of", "MinLen": "min_length"}
_METADATA |= {"MaxLen": "max_length"}
_NUMERIC = {
    "gt": "exclusiveMinimum",
    "ge": "minimum",
    "lt": "exclusiveMaximum",
    "le": "maximum",
    "multiple_of": "multipleOf",
}
_TEXTS = ("title", "description")
_LENGTHS = {"string": "Length", "array": "Items", "object": "Properties"}
_NAMES = {"alias", "validation_alias"}
_RAW = {"BeforeValidator", "GetPydanticSchema", "PlainValidator", "SkipValidation", "WrapValidator"}
_ABSENT = {"default_factory", "init"}


@dataclass(slots=True)
class Settings:
    """Read from one call: keywords as JSON values, the default as written, and whether there is one."""

    keywords: dict[str, Json] = field(default_factory=dict)
    default: ast.expr | None = None
    optional: bool = False
    """A default is there, be it one that only running the code tells."""
    renamed: bool = False
    """It goes by a name that only running the code tells."""

    @property
    def alias(self) -> str | None:
        """The name that values go by, when it is not the field's own."""
        alias = self.keywords.get("validation_alias", self.keywords.get("alias"))
        return alias if isinstance(alias, str) else None


def settings(code: Code, module: Module, node: ast.expr | None) -> Settings | None:
    """What the call says; None when the expression is no call of these."""
    if not isinstance(node, ast.Call):
        return None
    parts = dotted(node.func)
    target = code.resolve(module, parts) if parts else None
    if not isinstance(target, External):
        return None
    family, _, name = target.name.rpartition(".")
    if family == "annotated_types" and name in _METADATA and len(node.args) == 1:
        return Settings(_read([ast.keyword(_METADATA[name], node.args[0])]))
    if target.name not in _MAKERS:
        return None
    default = next((k.value for k in node.keywords if k.arg == "default"), node.args[0] if node.args else None)
    if isinstance(default, ast.Constant) and default.value is ...:
        default = None
    optional = default is not None or any(k.arg in _ABSENT for k in node.keywords)
    keywords = _read(node.keywords)
    named = [keyword.arg for keyword in node.keywords if keyword.arg in _NAMES]
    renamed = any(not isinstance(keywords.get(name or ""), str) for name in named)
    return Settings(keywords, default, optional, renamed)


def within(code: Code, module: Module, annotation: ast.expr) -> Settings | None:
    """What a `Field(…)` inside `Annotated[…, Field(…)]` says of a field of a model; the last one where there are more.

    It may give the default and the name, as one on the right side of the field does.
    """
    if not isinstance(annotation, ast.Subscript) or not isinstance(annotation.slice, ast.Tuple):
        return None
    parts = dotted(annotation.value)
    target = code.resolve(module, parts) if parts else None
    if not isinstance(target, External) or target.name.rpartition(".")[2] != "Annotated":
        return None
    said = [found for item in annotation.slice.elts[1:] if (found := settings(code, module, item))]
    wanted = [found for found in said if found.optional or found.alias or found.renamed]
    return wanted[-1] if wanted else None


def sees_raw(code: Code, module: Module, node: ast.expr) -> bool:
    """Whether metadata of `Annotated` is a function of the author's that is given the value before its type is."""
    parts = dotted(node.func if isinstance(node, ast.Call) else node)
    target = code.resolve(module, parts) if parts else None
    if not isinstance(target, External) or not target.name.startswith("pydantic."):
        return False
    return target.name.rpartition(".")[2] in _RAW


def _read(keywords: list[ast.keyword]) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for keyword in keywords:
        try:
            if keyword.arg and keyword.arg != "default":
                found[keyword.arg] = literal(keyword.value)
        except NotLiteralError:
            continue  # a bound that only running the code tells is checked by the code itself
    return found


def constrained(schema: dict[str, Json], keywords: dict[str, Json]) -> dict[str, Json]:
    """The schema with the bounds, lengths, pattern and texts that the keywords name."""
    result = dict(schema)
    for name, value in keywords.items():
        if name in _NUMERIC and isinstance(value, int | float) and not isinstance(value, bool):
            if name != "multiple_of" or value > 0:
                result[_NUMERIC[name]] = value
        elif name in {"min_length", "max_length"} and isinstance(value, int) and value >= 0:
            for kind in _kinds(schema) & _LENGTHS.keys():
                result[f"{name[:3]}{_LENGTHS[kind]}"] = value
        elif name in _TEXTS and isinstance(value, str):
            result[name] = value
        elif name == "pattern" and isinstance(value, str) and _is_safe(value):
            result["pattern"] = value
    return result


def _kinds(schema: dict[str, Json]) -> set[str]:
    branches = schema.get("anyOf", [schema])
    return {branch["type"] for branch in branches if isinstance(branch.get("type"), str)}


def _is_safe(text: str) -> bool:
    try:
        pattern(text)
    except UnsafePatternError:
        return False
    return True
