"""Lets the search for garbage rest while thousands of things are made that stay. Called by wiring, observe, loop."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """What is made here stays: looking for garbage among it, now or later, only costs time."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
