"""One parameter of each JSON type, and the Python type that its annotation makes of it."""

from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Literal


class Format(Enum):
    TABLE = "table"
    CHART = "chart"


@dataclass
class Window:
    start: date
    days: int = 7


def report(  # noqa: PLR0913, PLR0917 - one of each type
    title: str,
    limit: int,
    threshold: float,
    draft: bool,
    regions: list[str],
    weights: dict[str, float],
    window: Window,
    owner: str | None = None,
    form: Format = Format.TABLE,
    level: Literal["short", "long"] = "short",
) -> dict[str, object]:
    """Say what arrived, and as what."""
    print(f"{title!r} limit={limit} threshold={threshold} draft={draft} owner={owner}")
    print(f"{regions} {weights} {form} {level}")
    print(f"from {window.start:%d %B %Y}, {window.days} days")
    return {"title": title, "rows": limit, "draft": draft, "owner": owner, "regions": regions}
