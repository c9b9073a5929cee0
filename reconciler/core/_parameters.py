"""The parameter schema of a function, as Prefect's `parameter_openapi_schema` looks. Called by core/signature."""

import ast
import json
from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.core._annotations import Schemas
from reconciler.core._checks import MAX_SCHEMA_BYTES, RefusedSchemaError, check
from reconciler.core._classes import enum_value
from reconciler.core._docstrings import parameter_docs
from reconciler.core._fields import constrained, settings
from reconciler.core._literals import NotLiteralError, literal
from reconciler.core._modules import Code
from reconciler.core._names import Module
from reconciler.core._types import Schema

MAX_PARAMETERS = 256


@dataclass(frozen=True, slots=True)
class _Parameter:
    name: str
    annotation: ast.expr | None
    default: ast.expr | None


def parameter_schema(
    code: Code, module: Module, function: ast.FunctionDef | ast.AsyncFunctionDef, docstring: str
) -> tuple[Schema | None, list[str]]:
    """The JSON Schema (2020-12) of a function's parameters, and notes; None when there are more than MAX_PARAMETERS."""
    arguments = function.args
    parameters = list(_parameters(arguments))
    if len(parameters) > MAX_PARAMETERS:
        return None, [f"signature unknown: it has more than {MAX_PARAMETERS} parameters; any parameters are accepted"]
    schemas = Schemas(code)
    docs = parameter_docs(docstring, {parameter.name for parameter in parameters})
    properties: dict[str, Schema] = {}
    required: list[str] = []
    for position, parameter in enumerate(parameters):
        name = parameter.name
        schemas.about = f"parameter {name!r}"
        schema, optional = _property(code, schemas, module, parameter)
        described = {"description": docs[name]} if name in docs else {}
        properties[name] = {"title": name, "position": position, **described, **schema}
        if not optional:
            required.append(name)
    schemas.finish()
    if arguments.vararg:
        schemas.notes.append(f"`*{arguments.vararg.arg}` takes no parameters of a run")
    whole: Schema = {"title": "Parameters", "type": "object", "properties": properties, "required": required}
    whole["additionalProperties"] = arguments.kwarg is not None
    if schemas.definitions:
        whole["$defs"] = schemas.definitions
    return _bounded(whole, schemas.notes)


def _bounded(schema: Schema, notes: list[str]) -> tuple[Schema | None, list[str]]:
    """The schema, unless the daemon would refuse to validate by it."""
    try:
        check(schema)
        if len(json.dumps(schema)) <= MAX_SCHEMA_BYTES:
            return schema, notes
    except RefusedSchemaError:
        pass
    return None, ["signature unknown: its schema is too large; any parameters are accepted"]


def _parameters(arguments: ast.arguments) -> Iterator[_Parameter]:
    positional = [*arguments.posonlyargs, *arguments.args]
    bare = len(positional) - len(arguments.defaults)
    for at, argument in enumerate(positional):
        yield _Parameter(argument.arg, argument.annotation, arguments.defaults[at - bare] if at >= bare else None)
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        yield _Parameter(argument.arg, argument.annotation, default)


def _property(code: Code, schemas: Schemas, module: Module, parameter: _Parameter) -> tuple[Schema, bool]:
    """The schema of one parameter, and whether it may be left out."""
    schema = schemas.of(parameter.annotation, module)
    default = parameter.default
    said = settings(code, module, default)
    if said is not None:
        schema = constrained(schema, said.keywords)
        if said.default is None:
            return schema, said.optional
        default = said.default
    if default is None:
        return schema, False
    try:
        value = literal(enum_value(code, module, default))
    except NotLiteralError:
        return {**schema, "x-default": module.source(default)}, True
    if value is None and schema:  # `n: int = None` has always meant that None may be given
        schema = _or_none(schema)
    return {**schema, "default": value}, True


def _or_none(schema: Schema) -> Schema:
    branches = schema.get("anyOf", [schema])
    null: Schema = {"type": "null"}
    if null in branches:
        return schema
    return {**schema, "anyOf": [*branches, null]} if "anyOf" in schema else {"anyOf": [schema, null]}
