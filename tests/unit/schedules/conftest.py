"""How the tests of schedules ask: local times with their offset, as text."""

from datetime import datetime
from itertools import islice

import pytest

from reconciler.schedules import load


@pytest.fixture
def fires():
    """The next local times of a rule after a moment: `2026-03-29T03:30+02:00`."""

    def ask(rule: dict, after: str, n: int) -> list[str]:
        schedule = load(rule)
        found = islice(schedule.slots(datetime.fromisoformat(after)), n)
        return [slot.astimezone(schedule.zone).isoformat(timespec="minutes") for slot in found]

    return ask
