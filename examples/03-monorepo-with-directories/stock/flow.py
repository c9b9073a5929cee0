"""The stock team's flow."""


def stock(shelf: str = "A") -> str:
    """Print what lies on a shelf."""
    print(f"shelf {shelf}: 12 boxes")
    return shelf
