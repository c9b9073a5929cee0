"""A flow with a package of its own, and with what a step of its own fetched."""

from pathlib import Path

import shout  # from wheels/, by requirements.txt

from reconciler import flow


@flow
def told() -> str:
    """Shout what the step before it wrote."""
    words = shout.shout(Path("greeting.txt").read_text().strip())
    print(words)
    return words
