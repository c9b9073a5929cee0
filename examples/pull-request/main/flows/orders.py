from reconciler import flow


@flow
def orders(shop: str, limit: int = 3) -> int:
    """Order what is missing."""
    print(f"{limit} orders for {shop}")
    return limit
