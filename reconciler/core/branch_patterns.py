"""Patterns of branch names, as operators give them. Called by daemon/config, which every verb reads, and by preview."""

import re
from functools import cache


def matches(branch: str, patterns: tuple[str, ...]) -> bool:
    """Whether a branch is asked for: `*` and `?` stay within one level as on GitHub, `**` goes over all levels."""
    return any(_compiled(pattern).fullmatch(branch) for pattern in patterns)


def misread(pattern: str) -> str:
    """Why a pattern is none; empty for a good one."""
    if pattern.startswith(("refs/", "/", "origin/")):
        return "patterns are of branch names, such as feature/*"
    odd = "".join(sorted(set(pattern) & set("[]^~:\\ ")))
    return f"patterns know *, ** and ?, and no branch has {odd!r} in its name" if odd else ""


_WILD = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
_PART = re.compile(r"\*\*/|\*\*|\*|\?|[^*?]+")


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile("".join(_WILD.get(part) or re.escape(part) for part in _PART.findall(pattern)), re.DOTALL)
