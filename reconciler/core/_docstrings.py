"""What a docstring says of each parameter: Google, NumPy and Sphinx styles. Called by core/_annotations."""

from collections.abc import Collection, Iterator

MAX_LINES = 2_000
MAX_LINE = 1_000
MAX_TEXT = 1_000

_GOOGLE = {"args:", "arguments:", "parameters:", "params:", "keyword args:", "keyword arguments:", "other parameters:"}
_NUMPY = {"parameters", "other parameters"}
_SPHINX = {"param", "parameter", "arg", "argument", "key", "keyword"}


def parameter_docs(docstring: str, names: Collection[str]) -> dict[str, str]:
    """The one-line description of each of `names` that the docstring (already dedented) describes."""
    if not names or not docstring:
        return {}
    lines = [line[:MAX_LINE].rstrip() for line in docstring.splitlines()[:MAX_LINES]]
    found: dict[str, list[str]] = {}
    for reader in (_sphinx, _numpy, _google):
        for name, text in reader(lines):
            if name in names:
                found.setdefault(name, text)
    return {name: " ".join(" ".join(text).split())[:MAX_TEXT] for name, text in found.items() if any(text)}


def _sphinx(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    for at, line in enumerate(lines):
        head, colon, text = line.strip().removeprefix(":").partition(":")
        words = head.split()
        if line.lstrip().startswith(":") and colon and len(words) > 1 and words[0] in _SPHINX:
            more = [text for text in _deeper(lines, at + 1, _indent(line)) if not text.startswith(":")]
            yield words[-1].lstrip("*"), [text, *more]


def _google(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    for at, line in enumerate(lines):
        if line.strip().lower() not in _GOOGLE:
            continue
        for entry, body in _entries(lines, at + 1, _indent(line) + 1):
            head, colon, text = _split_google(entry)
            if colon:
                yield head.partition("(")[0].strip().lstrip("*"), [text, *body]


def _split_google(entry: str) -> tuple[str, str, str]:
    """`name (type): text` cut at the colon behind the type, which may hold one itself."""
    head, paren, rest = entry.partition("(")
    if paren and ":" not in head:
        kind, close, text = rest.partition("):")
        if close:
            return f"{head}({kind})", ":", text
    return entry.partition(":")


def _numpy(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    for at, line in enumerate(lines[:-1]):
        rule = lines[at + 1].strip()
        if line.strip().lower() in _NUMPY and rule and not rule.strip("-="):
            for entry, body in _entries(lines, at + 2, _indent(line)):
                for name in entry.partition(":")[0].split(","):
                    yield name.strip().lstrip("*"), body


def _entries(lines: list[str], start: int, least: int) -> Iterator[tuple[str, list[str]]]:
    """Entries of one section: a line at the section's own depth (at least `least`), and the deeper ones below it."""
    at, depth = start, -1
    while at < len(lines):
        line = lines[at]
        if not line:
            at += 1
            continue
        indent = _indent(line)
        depth = indent if depth < 0 else depth
        if indent < max(least, depth) or (at + 1 < len(lines) and _is_rule(lines[at + 1])):
            return
        yield line.strip(), _deeper(lines, at + 1, depth)
        at += 1
        while at < len(lines) and lines[at] and _indent(lines[at]) > depth:
            at += 1


def _deeper(lines: list[str], start: int, depth: int) -> list[str]:
    body: list[str] = []
    for line in lines[start:]:
        if not line or _indent(line) <= depth:
            break
        body.append(line.strip())
    return body


def _is_rule(line: str) -> bool:
    text = line.strip()
    return len(text) > 2 and not text.strip("-")  # noqa: PLR2004 - three dashes make a rule


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
