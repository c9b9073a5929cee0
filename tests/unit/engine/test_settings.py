"""What decorators take: the words, the type checker's list of them, delays."""

import typing

import pytest

from reconciler.engine import settings, typed
from reconciler.engine.settings import delay_before, delays_of, exponential_backoff


@pytest.mark.parametrize(
    ("words", "shape"), [(settings.FLOW, typed.FlowSettings), (settings.TASK, typed.TaskSettings)], ids=["flow", "task"]
)
def test_type_checkers_know_the_same_words(words, shape):
    assert set(words) == set(typing.get_type_hints(shape))


@pytest.mark.parametrize(
    ("delay", "retries", "waits"),
    [
        (0, 2, [0, 0]),
        (5, 3, [5, 5, 5]),
        ([1, 2], 4, [1, 2, 2, 2]),
        (exponential_backoff(10), 3, [10, 20, 40]),
        ([], 1, [0]),
    ],
)
def test_the_last_delay_counts_for_all_that_follow(delay, retries, waits):
    delays = delays_of({"retries": retries, "retry_delay_seconds": delay})
    assert [delay_before(n, delays, 0, lambda: 0.5) for n in range(2, retries + 2)] == waits


@pytest.mark.parametrize(("drawn", "wait"), [(0.0, 5), (0.5, 10), (1.0, 15)])
def test_jitter_spreads_around_the_delay(drawn, wait):
    assert delay_before(2, [10], 0.5, lambda: drawn) == wait
    assert delay_before(2, [10], 5, lambda: 0.0) == 0
