"""A flow that holds its slot for as long as you like."""

from reconciler import flow, pause_flow_run


@flow
def move(boxes: int = 1) -> int:
    """Move boxes, once somebody says `reconciler resume RUN`."""
    pause_flow_run(reason="to see who waits meanwhile")
    return boxes
