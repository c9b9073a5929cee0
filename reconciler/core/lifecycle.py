"""The life of a run: which state may follow which. Everything that affects it lives here; folded by core/project.

Law: a run that is over stays over; a state is entered only from those listed; what waits has a way out. A run is
created Scheduled, takes its concurrency slot at Pending and gives it back in any state outside `ACTIVE`. A failed
attempt with retries left waits in AwaitingRetry and is Pending again with the next attempt. A paused run waits in its
process and keeps its slot; a suspended one has given it back, and is Pending again once it is resumed. One that was to
be cancelled and had completed by then is Completed.
"""

from reconciler.model.state import FINAL, State

S = State

MOVES: dict[State, frozenset[State]] = {
    S.SCHEDULED: frozenset({S.LATE, S.AWAITING_CONCURRENCY_SLOT, S.PENDING, S.CANCELLED, S.CRASHED}),
    S.LATE: frozenset({S.AWAITING_CONCURRENCY_SLOT, S.PENDING, S.CANCELLED, S.CRASHED}),
    S.AWAITING_CONCURRENCY_SLOT: frozenset({S.AWAITING_CONCURRENCY_SLOT, S.PENDING, S.CANCELLED, S.CRASHED}),
    S.AWAITING_RETRY: frozenset({S.AWAITING_CONCURRENCY_SLOT, S.PENDING, S.CANCELLED, S.CRASHED}),
    S.PENDING: frozenset(
        {
            S.RUNNING, S.RETRYING, S.CANCELLING, S.COMPLETED, S.FAILED, S.TIMED_OUT, S.CRASHED, S.CANCELLED,
            S.AWAITING_RETRY,
        }
    ),
    S.RUNNING: frozenset(
        {
            S.PAUSED, S.SUSPENDED, S.CANCELLING, S.COMPLETED, S.FAILED, S.TIMED_OUT, S.CRASHED, S.CANCELLED,
            S.AWAITING_RETRY,
        }
    ),
    S.RETRYING: frozenset(
        {
            S.PAUSED, S.SUSPENDED, S.CANCELLING, S.COMPLETED, S.FAILED, S.TIMED_OUT, S.CRASHED, S.CANCELLED,
            S.AWAITING_RETRY,
        }
    ),
    S.PAUSED: frozenset(
        {S.RUNNING, S.RETRYING, S.CANCELLING, S.FAILED, S.TIMED_OUT, S.CRASHED, S.CANCELLED, S.AWAITING_RETRY}
    ),
    S.SUSPENDED: frozenset({S.AWAITING_CONCURRENCY_SLOT, S.FAILED, S.CANCELLED}),
    S.CANCELLING: frozenset({S.CANCELLED, S.COMPLETED}),
    S.COMPLETED: frozenset(),
    S.FAILED: frozenset(),
    S.TIMED_OUT: frozenset(),
    S.CRASHED: frozenset(),
    S.CANCELLED: frozenset(),
}  # fmt: skip


def allowed(before: State, after: State) -> bool:
    """Whether a run in `before` may move to `after`."""
    return after in MOVES[before]


assert all(not MOVES[s] for s in FINAL)  # noqa: S101 - the law above, checked where the table is
