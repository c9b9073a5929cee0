"""Threads that run submitted tasks: as many as there is work, up to a number. Called by futures.py.

They are daemons: what hangs in one does not keep a run that is over from ending.
"""

import queue
import threading
from collections.abc import Callable


class Threads:
    """Work in the order it came, each piece in a thread."""

    def __init__(self, most: int, name: str) -> None:
        self._most, self._name = most, name
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._count = self._idle = self._waiting = 0

    def submit(self, work: Callable[[], None]) -> None:
        """Have it done as soon as a thread is free."""
        with self._lock:
            self._waiting += 1
            start = self._waiting > self._idle and self._count < self._most
            self._count += start
            self._idle += start  # so that the next piece does not count on it
            number = self._count
        self._work.put(work)
        if start:
            threading.Thread(target=self._run, name=f"{self._name}-{number}", daemon=True).start()

    def close(self) -> None:
        """No more work comes: the threads end once they have done what there is."""
        for _ in range(self._count):
            self._work.put(None)

    def _run(self) -> None:
        while work := self._work.get():
            with self._lock:
                self._waiting -= 1
                self._idle -= 1
            work()
            del work  # or what it holds would live on until there is more work
            with self._lock:
                self._idle += 1
