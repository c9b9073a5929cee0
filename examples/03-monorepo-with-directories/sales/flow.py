"""The sales team's flow, which imports a module beside it."""

import prices


def sales(items: int = 3) -> int:
    """Print what was sold."""
    total = items * prices.EACH
    print(f"{items} items sold for {total}")
    return total
