from reconciler import flow


@flow
def report(region: str, team: str = "data", rows: int = 1000) -> str:
    """Report on a region."""
    print(f"{rows} rows of {region} for {team}")
    return region
