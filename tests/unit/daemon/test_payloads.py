"""What lies beside the chain, and how little of it stays in memory."""

from datetime import UTC, datetime

import pytest

from reconciler.core.report import Report
from reconciler.daemon.ledger import Ledger
from reconciler.daemon.payloads import KEPT, LARGEST, Payloads
from reconciler.stores.memory import MemoryStore

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("size", [10, 2 * LARGEST], ids=["small", "large"])
def test_a_value_is_there_at_once_and_once_it_is_stored(size):
    store = MemoryStore()
    payloads = Payloads(Ledger(store))
    value = {"x": "y" * size}
    name = payloads.keep("parameters", value)
    assert payloads.has(name)
    assert payloads.value(name) == value
    new = payloads.new()
    assert payloads.has(name)
    assert payloads.value(name) == value
    store.append([], at=NOW, revision=None, expect=0, payloads=new)
    payloads.stored()
    assert payloads.has(name)
    assert payloads.value(name) == value


def test_neither_results_nor_what_is_large_stays_in_memory():
    payloads = Payloads(Ledger(MemoryStore()))
    for number in range(KEPT * 2):
        payloads.keep("parameters", {"n": number})
    for number in range(10):
        payloads.keep("parameters", {"n": number, "x": "y" * LARGEST})
        final = {"fact": "completed", "result": ["result", number], "error": ["error", number]}
        payloads.recorded(Report("r", 1, (), final, {"code": 0, "signal": None}))
    assert len(payloads.new()) == KEPT * 2 + 30
    payloads.stored()
    assert len(payloads.held) == KEPT
    assert all(set(payloads.value(name)) == {"n"} for name in list(payloads.held))
