"""Two ways to wait for a person: in the process, and without one."""

from reconciler import flow, get_run_context, pause_flow_run, suspend_flow_run


@flow
def publish(price: int) -> int:
    """Ask before the price goes out."""
    print(f"the new price is {price}", flush=True)
    pause_flow_run(timeout=3600, reason=f"is {price} right?")
    print("published")
    return price


@flow
def order(boxes: int) -> int:
    """Order when the market opens. Every line above the suspension runs twice."""
    print(f"attempt {get_run_context().attempt}")
    suspend_flow_run(timeout=86_400, reason="until the market opens")
    return boxes
