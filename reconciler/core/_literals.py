"""Python literals as JSON values, within bounds. Called by whoever meets an expression in a flow's code."""

import ast
import json
import math

from reconciler.model.plan import Json

MAX_BYTES = 16_384
"""Of one literal as JSON: defaults are stored with every deployment."""
MAX_DEPTH = 20
MAX_BITS = 13_000
"""Of an integer: fewer than 4,000 digits, which every JSON reader of Python takes."""


class NotLiteralError(ValueError):
    """The expression is no literal, or one that JSON cannot hold."""


def literal(node: ast.expr) -> Json:
    """The JSON value of an expression; tuples and sets become lists.

    Raises NotLiteralError for anything that would have to be run, for bytes, complex and non-finite numbers, mappings
    with keys other than text, and for literals over the bounds above.
    """
    value = _value(node, MAX_DEPTH)
    if isinstance(value, str | list | dict) and len(json.dumps(value)) > MAX_BYTES:
        raise NotLiteralError("too long")
    return value


def _value(node: ast.expr | None, depth: int) -> Json:
    if depth == 0:
        raise NotLiteralError("too deep")
    match node:
        case ast.Constant(value=value):
            return _constant(value)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)) if not _is_bool(number):
            return -_constant(number)
        case ast.UnaryOp(op=ast.UAdd(), operand=ast.Constant(value=int() | float() as number)) if not _is_bool(number):
            return _constant(number)
        case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
            return [_value(item, depth - 1) for item in items]
        case ast.Dict(keys=keys, values=values):
            return {_key(k): _value(v, depth - 1) for k, v in zip(keys, values, strict=True)}
    raise NotLiteralError("not a literal")


def _constant(value: object) -> Json:
    match value:
        case None | bool():
            return value
        case str():
            return _text(value)
        case int() if value.bit_length() <= MAX_BITS:
            return value
        case float() if math.isfinite(value):
            return value
    raise NotLiteralError("not a JSON value")


def _text(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a surrogate pair: no file and no database takes it
        raise NotLiteralError("not text") from None
    return value


def _key(node: ast.expr | None) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return _text(node.value)
    raise NotLiteralError("not a text key")


def _is_bool(value: object) -> bool:
    return isinstance(value, bool)
