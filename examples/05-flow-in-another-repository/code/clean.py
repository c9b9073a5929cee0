"""The flow of another repository, which knows nothing of its deployments."""


def clean(table: str = "orders") -> str:
    """Clean a table."""
    print(f"cleaned {table}")
    return table
