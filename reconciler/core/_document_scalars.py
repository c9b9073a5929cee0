"""What a plain YAML scalar means: the 1.2 core schema, and where 1.1 readers differ. Called by core/document."""

import math
import re
from typing import Final

from reconciler.model.plan import Json

MAX_BITS: Final = 14_284
"""An integer of more bits has over 4,300 decimal digits, which Python and JSON refuse to print."""


class Ambiguous(str):
    """Text that a YAML 1.1 reader takes for something else (`no`, `1:30`, `1_000`, a date): text, but worth a word."""

    __slots__ = ()


class ScalarError(ValueError):
    """A scalar that stands for nothing JSON can hold; `str()` is the message."""


WORDS: Final[dict[str, Json]] = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **{
        spelling: Ambiguous(spelling)
        for word in ("yes", "no", "on", "off", "y", "n")
        for spelling in {word, word.title(), word.upper()}
    },
}
"""Plain scalars that are words; an ambiguous one stands for itself."""

NUMERIC: Final = frozenset("0123456789+-.")
"""What a number, or text that 1.1 takes for one, starts with."""

_DECIMAL = re.compile(r"[-+]?[0-9]+\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_BASED = re.compile(r"0(?:o[0-7]+|x[0-9a-fA-F]+)\Z")
_ENDLESS = re.compile(r"(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z")
_OLD = re.compile(
    r"""(?: [-+]?0b[01_]+
          | [-+]?0x[0-9a-fA-F_]+
          | [-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?
          | [-+]?[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?
          | [-+]?\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?
          | [0-9]{4}-[0-9]{2}-[0-9]{2}
          | [0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]*)?
            (?:[ \t]*(?:Z|[-+][0-9]{1,2}(?::?[0-9]{2})?))?
        )\Z""",
    re.VERBOSE,
)


def number(text: str, digits: int) -> Json:
    """The value of a plain scalar that starts like a number: an int, a float, text, or `Ambiguous` text.

    Raises ScalarError for infinities, NaN and integers of more than `digits` digits.
    """
    if _DECIMAL.match(text):
        if len(text) > digits:
            raise ScalarError(f"an integer of over {digits:,} digits")
        return int(text)
    if _FLOAT.match(text):
        value = float(text)
        if math.isinf(value):
            raise ScalarError("a number too large for a float")
        return value
    if _BASED.match(text):
        whole = int(text, 0)
        if whole.bit_length() > MAX_BITS:
            raise ScalarError(f"an integer of over {digits:,} digits")
        return whole
    if _ENDLESS.match(text):
        raise ScalarError("infinity and NaN are no values here: quote it if text is meant")
    return Ambiguous(text) if _OLD.match(text) else text
