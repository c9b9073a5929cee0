"""Regular expressions from a repository, matched in bounded time. Called by core/parameters and core/_fields.

Python's engine backtracks, so a pattern's price is counted before it is used: the ways to match a string of n
characters are at most `factor * n ** degree`. A pattern whose price cannot be counted so (nested quantifiers,
backreferences, look-arounds) or is too high is refused; the caller asks the price of each string before it matches.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

MAX_PATTERN = 200
MAX_WAYS = 10_000_000.0
"""Ways to match that one search may try: some tenths of a second."""
_SHORTEST = 64
"""A pattern that can only be afforded on strings shorter than this is refused."""
_FEW = 32
"""A counted repeat wider than this is priced as an unbounded one."""

_TOKEN = re.compile(
    r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?:|\(\?P<\w+>|[()|]|[*+?]\??|\{\d+\}\??|\{\d*,\d*\}\??|.", re.DOTALL
)
_COUNT = re.compile(r"\{(\d*)(,?)(\d*)\}")
_DOUBLED = re.compile(r"\[|--|&&|~~|\|\|")


class UnsafePatternError(ValueError):
    """The pattern is refused; the text says why."""


@dataclass(frozen=True, slots=True)
class Ways:
    """How many ways there are to match n characters: `factor * n ** degree`."""

    factor: float = 1.0
    degree: int = 0

    def then(self, other: "Ways") -> "Ways":
        """One followed by the other."""
        return Ways(min(self.factor * other.factor, MAX_WAYS * 2), self.degree + other.degree)

    def either(self, other: "Ways") -> "Ways":
        """One or the other."""
        return Ways(min(self.factor + other.factor, MAX_WAYS * 2), max(self.degree, other.degree))

    def of(self, length: int) -> float:
        """The ways for a string of this length."""
        return self.factor * float(max(length, 1)) ** self.degree


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern that may be used, and its price."""

    compiled: re.Pattern[str]
    ways: Ways


@dataclass(slots=True)
class _Group:
    """One open group: the alternatives so far, and the items of the current one."""

    done: Ways | None
    items: list[Ways]
    repeated: bool = False
    """Whether the last item has its quantifier already."""

    def add(self, item: Ways) -> None:
        self.items.append(item)
        self.repeated = False

    def close(self) -> Ways:
        ways = Ways()
        for item in self.items:
            ways = ways.then(item)
        return ways if self.done is None else self.done.either(ways)


@lru_cache(maxsize=256)
def pattern(text: str) -> Pattern:
    """Compile a pattern after pricing it. Raises UnsafePatternError."""
    if len(text) > MAX_PATTERN:
        raise UnsafePatternError(f"it is longer than {MAX_PATTERN} characters")
    ways = _price(text)
    if ways.of(_SHORTEST) > MAX_WAYS:
        raise UnsafePatternError("it has too many ways to match")
    try:
        return Pattern(re.compile(text), ways)
    except (re.error, RecursionError, OverflowError) as error:
        raise UnsafePatternError(f"it is no regular expression of Python: {str(error)[:100]}") from None


def _price(text: str) -> Ways:
    groups = [_Group(None, [])]
    anchored = text.startswith(("^", r"\A"))
    for match in _TOKEN.finditer(text):
        part = match[0]
        if part == ")" and len(groups) > 1:
            closed = groups.pop().close()
            groups[-1].add(closed)
        elif part.startswith("("):
            if text[match.end() : match.end() + 1] == "?" and part == "(":
                raise UnsafePatternError("it has a look-around, a flag or a condition")
            groups.append(_Group(None, []))
        elif part == "|":
            anchored = anchored and len(groups) > 1
            groups[-1] = _Group(groups[-1].close(), [])
        else:
            _item(part, groups[-1])
    ways = groups[0].close()
    return ways if anchored else Ways(ways.factor, ways.degree + 1)


def _item(part: str, group: _Group) -> None:
    bounds = _bounds(part)
    if bounds is not None:
        if not group.items or group.repeated:
            raise UnsafePatternError("it repeats a repetition, or nothing")
        group.items[-1] = _repeat(group.items[-1], *bounds)
        group.repeated = True
        return
    if part[0] == "\\" and part[1:].isdigit() and part != r"\0":
        raise UnsafePatternError("it refers back to a group")
    if part[0] == "[" and _DOUBLED.search(part, 1):
        raise UnsafePatternError("it has a set within a set")
    group.add(Ways())


def _bounds(token: str) -> tuple[int, int | None] | None:
    match token[0]:
        case "*":
            return 0, None
        case "+":
            return 1, None
        case "?":
            return 0, 1
    counted = _COUNT.match(token)
    if counted is None:
        return None
    low = int(counted[1] or 0)
    return low, (int(counted[3]) if counted[3] else None) if counted[2] else low


def _repeat(item: Ways, low: int, high: int | None) -> Ways:
    if item == Ways():
        wide = high is None or high - low > _FEW
        return Ways(1, 1) if wide or high is None else Ways(high - low + 1)
    if (low, high) == (0, 1):
        return item.either(Ways())
    if low != high or low > _FEW:
        raise UnsafePatternError("it repeats a part that can match in several ways (nested quantifiers)")
    ways = Ways()
    for _ in range(low):
        ways = ways.then(item)
    return ways
