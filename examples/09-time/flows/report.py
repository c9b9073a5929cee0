"""A report of the day that its run is for, whenever it runs."""

from reconciler import flow, get_run_context


@flow
def report() -> str:
    """Report the day of the slot."""
    day = f"{get_run_context().due:%A %d %B %Y}"
    print("report of", day)
    return day
