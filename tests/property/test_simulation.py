"""The loop against a simulated world: seeded commits, crashes, lost processes, clock jumps, late reports, full disks.

More seeds: `SIMULATION_SEEDS=0:5000 pytest tests/property/test_simulation.py`, or this file as a program:
`PYTHONPATH=tests python tests/property/test_simulation.py 0:5000` (one number plays one seed and prints its history).
"""

import logging
import os
import sys
import time
from collections import Counter

import pytest
from helpers_simulation import Simulation, play

from reconciler.daemon.loop import Request
from reconciler.model.errors import ReconcilerError

logging.getLogger("reconciler").setLevel(logging.CRITICAL)


def wanted(text: str) -> range:
    first, colon, end = text.partition(":")
    return range(int(first), int(end) if colon else int(first) + 1)


SEEDS = wanted(os.environ.get("SIMULATION_SEEDS", "0:300"))
PARTS = 6


@pytest.mark.parametrize("part", range(PARTS))
def test_every_promise_holds_in_every_history(part: int):
    for seed in SEEDS[part::PARTS]:
        play(seed)


def test_the_histories_reach_what_they_are_meant_to():
    types: Counter[str] = Counter()
    told, most = "", 0
    for seed in range(40):
        simulation = play(seed)
        types += Counter(e.type for e in simulation.world.store.events(limit=10**9))
        told += "\n".join(simulation.world.told)
        most = max(most, simulation.account.most)
    expected = """
        RevisionApplied RevisionRefused RevisionConfirmed SourceLost SourceFound DeploymentCreated DeploymentUpdated
        DeploymentPruned DeploymentSuspended DeploymentResumed SlotsSkipped SlotsMissed RunCreated RunLate RunPending
        RunAwaitingConcurrencySlot RunAwaitingRetry RunRunning RunRetrying RunCancelling RunCompleted RunFailed
        RunTimedOut RunCrashed RunCancelled RunPaused RunSuspended RunResumed
    """.split()
    assert [each for each in expected if types[each] == 0] == []
    assert most == 4
    for fault in ("after an append", "before an append", "act: before a launch", "disk refuses", "clock jumps by -"):
        assert fault in told


def test_a_wish_that_nobody_foresaw_does_not_end_the_loop():
    simulation = Simulation(0)
    simulation.world.faults = False
    simulation.turn([simulation.git.read])

    def decide(_loop, _now):
        raise ZeroDivisionError

    request = Request(decide)
    simulation.turn([request])
    with pytest.raises(ReconcilerError):
        request.answer.result(timeout=0)


if __name__ == "__main__":
    seeds = wanted(sys.argv[1] if len(sys.argv) > 1 else "0:1000")
    began = time.perf_counter()
    for number in seeds:
        simulation = play(number)
        if len(seeds) == 1:
            print("\n".join(simulation.world.told))
    print(f"{len(seeds)} histories hold, {time.perf_counter() - began:.1f} s")
