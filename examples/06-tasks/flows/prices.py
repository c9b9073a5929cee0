"""Pages of a shop: fetched at once, each tried again on its own, then added up."""

from reconciler import exponential_backoff, flow, get_run_context, get_run_logger, task

PAGES = [[3, 5], [8], [13, 21]]


@task(retries=3, retry_delay_seconds=exponential_backoff(backoff_factor=0.1))
def fetch(page: int) -> list[int]:
    """One page; the shop is busy when it is first asked for page 1."""
    if page == 1 and get_run_context().task_run.run_count == 1:
        raise ConnectionError("the shop is busy")
    return PAGES[page]


@task(task_run_name="sum-of-{name}")
def add(name: str, numbers: list[int]) -> int:
    """Add numbers up."""
    return sum(numbers)


def tell(flow, flow_run, state) -> None:
    """A hook: called when a run of the flow has completed."""
    print(f"{flow_run.name} is {state.name}")


@flow(flow_run_name="prices-of-{pages}-pages", on_completion=[tell])
def prices(pages: int = 3) -> int:
    """Add up the prices of some pages."""
    here = get_run_context()
    get_run_logger().info("attempt %d at version %s", here.attempt, here.version)
    rows = fetch.map(range(pages))  # in threads
    sums = [add.submit(f"page-{n}", row) for n, row in enumerate(rows)]  # each waits for its own page
    return add("all", sums)


if __name__ == "__main__":
    print(prices())
