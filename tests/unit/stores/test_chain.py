"""The chain itself: what a link covers, and what a walk says where it does not hold."""

import pytest
from unit.stores.samples import NOW, deployed

from reconciler.model.errors import Next, StaleHeadError
from reconciler.model.events import SourceLost
from reconciler.stores import _chain

LOST = SourceLost(reason="gone")


@pytest.fixture
def entries():
    return _chain.seal([LOST, deployed("a/b"), LOST, LOST], at=NOW, revision=None, head=(0, _chain.GENESIS))


def _problems(entries):
    found = _chain.Findings()
    events = list(found.walk(entries))
    return found.problems, events


def test_a_sealed_chain_holds(entries):
    problems, events = _problems(entries)
    assert problems == []
    assert [event.seq for event in events] == [1, 2, 3, 4]


def test_sealing_in_parts_gives_the_same_chain(entries):
    first = _chain.seal([LOST, deployed("a/b")], at=NOW, revision=None, head=(0, _chain.GENESIS))
    rest = _chain.seal([LOST, LOST], at=NOW, revision=None, head=(first[-1].seq, first[-1].hash))
    assert first + rest == entries


@pytest.mark.parametrize(
    "change", [{"version": 2}, {"subject": "x"}, {"revision": "r"}, {"type": "X"}, {"data": b"{}"}]
)
def test_one_changed_field_is_one_problem(entries, change):
    entries[1] = entries[1]._replace(**change)
    problems, events = _problems(entries)
    assert len(problems) == 1
    assert problems[0].startswith("event 2 ")
    assert len(events) == 4


@pytest.mark.parametrize("change", [{"at": "noon"}, {"at": None}, {"data": None}, {"data": "{}"}, {"data": b"\xff"}])
def test_an_event_that_cannot_be_read_is_told_and_left_out(entries, change):
    entries[1] = entries[1]._replace(**change)
    problems, events = _problems(entries)
    assert problems[0].startswith("event 2: cannot be read")
    assert [event.seq for event in events] == [1, 3, 4]


def test_a_changed_event_with_its_hash_made_new_is_found_at_the_next(entries):
    data = b'{"reason":"other"}'
    entries[0] = entries[0]._replace(data=data, hash=_chain.link(_chain.GENESIS, entries[0][:6], data))
    problems, _ = _problems(entries)
    assert [problem.split(" (")[0] for problem in problems] == ["event 2"]


def test_a_stale_head_is_read_again_at_once():
    with pytest.raises(StaleHeadError, match="event 5, not at 4") as caught:
        _chain.guard(4, 5)
    assert caught.value.next is Next.TRANSIENT


def test_text_with_half_characters_survives(entries):
    entry, *_ = _chain.seal([SourceLost(reason="\udcff")], at=NOW, revision=None, head=(0, _chain.GENESIS))
    assert entry.event().data == {"reason": "\udcff"}
