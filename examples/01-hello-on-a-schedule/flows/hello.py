"""A flow is a function: nothing to import, nothing to register."""


def hello(name: str = "world") -> str:
    """Say hello to somebody."""
    print(f"Hello, {name}!")
    return name
