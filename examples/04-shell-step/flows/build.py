"""A flow that reads what a step before it prepared."""

from pathlib import Path


def build() -> str:
    """Read the file that a shell step wrote."""
    words = Path("words.txt").read_text().split()
    print(f"{len(words)} words: {' '.join(words)}")
    return words[-1]
