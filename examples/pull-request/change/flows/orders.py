from reconciler import flow


@flow
def orders(shop: str, limit: int = 5, urgent: bool = False) -> int:
    """Order what is missing."""
    print(f"{limit} {'urgent ' * urgent}orders for {shop}")
    return limit
