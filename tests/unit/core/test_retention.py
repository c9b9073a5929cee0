"""What may go, by age and bytes."""

import pytest
from helpers_facts import NOW, later

from reconciler.core.retention import Item, named, surplus

DAY = 86_400.0
ITEMS = [Item(name, later(-days * DAY), size) for name, days, size in (("new", 1, 5), ("old", 9, 3), ("mid", 4, 2))]


@pytest.mark.parametrize(
    ("days", "most", "gone"),
    [
        (10, None, []),
        (9, None, []),
        (8.9, None, ["old"]),
        (0.5, None, ["old", "mid", "new"]),
        (10, 10, []),
        (10, 9, ["old"]),
        (10, 5, ["old", "mid"]),
        (10, 4, ["old", "mid", "new"]),
        (5, 100, ["old"]),
    ],
)
def test_age_then_the_oldest_until_the_bytes_fit(days, most, gone):
    assert [item.name for item in surplus(ITEMS, NOW, days * DAY, most)] == gone


def test_the_digests_that_a_run_names():
    row = {"id": "r", "spec": "a" * 64, "parameters": "", "seq": 7, "tags": ["b" * 64], "detail": {"result": "c" * 64}}
    assert sorted(named(row)) == ["a" * 64, "c" * 64]
