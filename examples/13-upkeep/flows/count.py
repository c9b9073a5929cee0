"""Something to keep."""


def count(to: int = 3) -> int:
    """Count."""
    print(*range(1, to + 1))
    return to
