"""The flow of this repository's own deployment: it checks that pages and examples hold together at this commit."""

# ruff: noqa: INP001, T201 - a flow is no package, and prints

import re
from collections.abc import Iterator
from pathlib import Path

LINK = re.compile(r"\]\(([^)#\s:]+)(?:#[^)]*)?\)")


def self_check(root: str = ".") -> dict[str, int]:
    """Follow every link to a file in the Markdown pages and compile every example; raise for what is wrong."""
    top = Path(root)
    pages, code = sorted(top.rglob("*.md")), sorted((top / "examples").rglob("*.py"))
    problems = [*dead_links(pages), *broken_code(code)]
    for problem in problems:
        print(problem)
    print(f"{len(pages)} pages and {len(code)} files of code: {len(problems)} problems")
    if problems:
        raise RuntimeError(f"{len(problems)} problems, the first: {problems[0]}")
    return {"pages": len(pages), "code": len(code)}


def dead_links(pages: list[Path]) -> Iterator[str]:
    """Links to files that are not there."""
    for page in pages:
        for number, line in enumerate(page.read_text("utf-8").splitlines(), 1):
            for target in LINK.findall(line):
                if not (page.parent / target).exists():
                    yield f"{page}:{number}: there is no {target}"


def broken_code(files: list[Path]) -> Iterator[str]:
    """Files that are not Python."""
    for file in files:
        try:
            compile(file.read_bytes(), str(file), "exec")
        except SyntaxError as error:
            yield f"{file}:{error.lineno}: {error.msg}"
