"""A process that appends until it is killed, and says so after each append that has returned.

Arguments: the log, a seed. Its standard output gets the head's seq, a line each.
"""

import random
import sys
from pathlib import Path

from unit.stores.samples import applied, created, deployed, moved, tell

from reconciler.stores import Payload
from reconciler.stores.sqlite import SqliteStore


def batches(rng, first):
    """Facts of growing histories: what a daemon appends in one go."""
    number = first
    while True:
        size = rng.choice([1, 1, 2, 20, 300])
        numbers = range(number, number + size)
        number += size
        yield [created(n, tags=("x",), deployment=f"f/{n % 7}") for n in numbers]
        yield [moved(n, "Running") for n in numbers] + [deployed(f"f/{n % 7}") for n in numbers]
        yield [moved(n, "Completed") for n in numbers] + [applied(f"{number:040}")]


def main(path, seed):
    rng = random.Random(seed)
    store = SqliteStore.open(Path(path))
    for facts in batches(rng, store.head()[0]):
        told = tell(store, *facts, payloads=[Payload.of("result", rng.randbytes(rng.choice([10, 20_000])))])
        sys.stdout.write(f"{told[-1].seq}\n")
        sys.stdout.flush()
        if rng.random() < 0.2:
            store.checkpoint()


main(*sys.argv[1:])
