"""The loop against a simulated world: seeded commits, crashes, lost processes, clock jumps, late reports, full disks.

As a program: `python tests/property/test_simulation.py --seeds 5000` plays that many histories (`--from N`: others),
`python tests/property/test_simulation.py 17` prints one, cut to what is needed where it breaks a promise.
"""

import argparse
import logging
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

from helpers_mutants import MUTANTS
from helpers_simulation import Simulation, play, shortest

from reconciler.daemon.loop import Request
from reconciler.model.errors import ReconcilerError

SEEDS = 120
PARTS = 6
FOUND_WITHIN = 100


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch):
    """What a daemon says of thousands of faults; the other tests of this process hear it again."""
    monkeypatch.setattr(logging.getLogger("reconciler"), "disabled", True)


@pytest.mark.parametrize("part", range(PARTS))
def test_every_promise_holds_in_every_history(part: int):
    for seed in range(part, SEEDS, PARTS):
        play(seed)


def test_the_histories_reach_what_they_are_meant_to():
    types: Counter[str] = Counter()
    told, most = "", 0
    triggers: set[tuple[str, bool]] = set()
    for seed in range(60):
        simulation = play(seed)
        events = simulation.world.store.events(limit=10**9)
        types += Counter(e.type for e in events)
        told += "\n".join(simulation.world.told)
        told += "\n".join(e.data["reason"] for e in events if e.type in {"PreviewPruned", "DeploymentPruned"})
        triggers |= {(e.data["trigger"], bool(e.data.get("preview"))) for e in events if e.type == "RunCreated"}
        most = max(most, simulation.account.most)
    expected = """
        RevisionApplied RevisionRefused RevisionConfirmed SourceLost SourceFound DeploymentCreated DeploymentUpdated
        DeploymentPruned DeploymentSuspended DeploymentResumed DeploymentQuarantined DeploymentReleased
        SlotsSkipped SlotsMissed RunCreated RunLate RunPending
        RunAwaitingConcurrencySlot RunAwaitingRetry RunRunning RunRetrying RunCancelling RunCompleted RunFailed
        RunTimedOut RunCrashed RunCancelled RunPaused RunSuspended RunResumed HistoryRewound BackfillRequested
        PayloadsPurged PoolCreated PoolUpdated PoolPruned DeploymentMoved PreviewApplied PreviewPruned
    """.split()
    assert [each for each in expected if types[each] == 0] == []
    assert most == 4
    assert {("replay", False), ("retry", False), ("manual", True)} <= triggers
    for fault in (
        "after an append",
        "before an append",
        "act: before a launch",
        "disk refuses",
        "clock jumps by -",
        "said to have failed",
        "the template",
        "is set back",
        "joins",
        "is back",
        "is gone",
        "served by pid",
        "its serving process went away",
        "called by pid",
        "backfilled: ",
        "CANCEL_RUNNING",
        "-- the daemon ends",
        "the environment is prod",
        "the tracked branch declares this name",
        "the branch is gone",
        "its time was over",
        "are not previewed any more",
        "have newer commits",
    ):
        assert fault in told


def test_a_wish_that_nobody_foresaw_does_not_end_the_loop():
    simulation = Simulation(0)
    simulation.world.faults = False
    simulation.turn([simulation.read()])

    def decide(_loop, _now):
        raise ZeroDivisionError

    request = Request(decide)
    simulation.turn([request])
    with pytest.raises(ReconcilerError):
        request.answer.result(timeout=0)


@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_bug_is_found(name: str, monkeypatch: pytest.MonkeyPatch):
    """The same histories hold without it (above)."""
    MUTANTS[name](monkeypatch)
    found = next((seed for seed in range(FOUND_WITHIN) if broken(seed)), None)
    assert found is not None, f"{FOUND_WITHIN} histories hold in spite of it"


def broken(seed: int) -> bool:
    try:
        play(seed)
    except AssertionError as error:
        if "TypeError" in str(error):
            raise TypeError("the planted bug does not fit what it is planted in") from error
        return True
    return False


def one(seed: int) -> int:
    """Print a history; the shortest that breaks a promise, if it does."""
    found = shortest(seed)
    if found is None:
        print("\n".join(play(seed).world.told), "\n\nit holds", sep="")
        return 0
    print(found[1], f"\n\n{found[0]} steps are enough")
    return 1


def many(first: int, count: int) -> int:
    """Play histories; those that break a promise are named, with the promise."""
    began, failed = time.perf_counter(), []
    for seed in range(first, first + count):
        try:
            play(seed)
        except AssertionError as error:
            failed.append(seed)
            print(str(error).partition("\n")[0], flush=True)
    print(f"{count - len(failed)} of {count} histories hold, {time.perf_counter() - began:.1f} s")
    return int(bool(failed))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seed", type=int, nargs="?")
    parser.add_argument("--seeds", type=int, default=1000, metavar="N")
    parser.add_argument("--from", type=int, default=0, dest="first", metavar="N")
    given = parser.parse_args()
    logging.getLogger("reconciler").disabled = True
    sys.exit(many(given.first, given.seeds) if given.seed is None else one(given.seed))
