"""The table of moves: what follows what."""

import pytest

from reconciler.core.lifecycle import MOVES, allowed
from reconciler.model.state import ACTIVE, FINAL, QUEUED, State

S = State


def test_every_state_is_in_the_table():
    assert MOVES.keys() == set(State)


@pytest.mark.parametrize("state", sorted(FINAL))
def test_what_is_over_stays_over(state: State):
    assert not any(allowed(state, after) for after in State)


@pytest.mark.parametrize("state", sorted(set(State) - FINAL))
def test_whatever_waits_has_a_way_to_an_end(state: State):
    reached, ahead = set(), {state}
    while ahead:
        reached |= ahead
        ahead = {after for each in ahead for after in MOVES[each]} - reached
    assert reached & FINAL
    # Only who waits for a slot may say anew which one.
    assert (state in MOVES[state]) == (state is S.AWAITING_CONCURRENCY_SLOT)


@pytest.mark.parametrize("state", sorted(QUEUED))
def test_a_queued_run_takes_its_slot_at_pending_only(state: State):
    assert MOVES[state] & ACTIVE == {S.PENDING}
    assert allowed(state, S.CANCELLED)


@pytest.mark.parametrize("state", sorted(ACTIVE - {S.CANCELLING}))
def test_an_active_run_can_be_cancelled(state: State):
    assert allowed(state, S.CANCELLING)


def test_cancelling_ends_cancelled_but_for_what_had_completed():
    assert MOVES[S.CANCELLING] == {S.CANCELLED, S.COMPLETED}


def test_a_suspended_run_comes_back_through_admission_only():
    assert MOVES[S.SUSPENDED] == {S.AWAITING_CONCURRENCY_SLOT, S.CANCELLED, S.FAILED}
