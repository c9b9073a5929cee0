"""What comes next, as status and show say it."""

import pytest
from helpers_facts import NOW, a_deployment, a_scheduled, later

from reconciler.cli._next import next_due, slots_ahead
from reconciler.model.ids import instant

MINUTE = {"interval": 60, "anchor_date": "2026-11-22T09:00:00Z"}


@pytest.mark.parametrize(
    ("accounted", "expected"), [(-60, 60), (0, 60), (600, 660), (9e7, 60)],
    ids=["behind", "up to now", "the clock was set back", "the clock was far ahead"],
)  # fmt: skip
def test_the_next_slot_is_the_one_that_will_run(accounted, expected):
    known = a_deployment(schedules=(a_scheduled(later(accounted), **MINUTE),))
    assert next_due(known, NOW) == instant(later(expected))


def test_slots_ahead_are_in_a_row():
    assert slots_ahead(MINUTE, NOW, 2) == [instant(later(60)), instant(later(120))]
