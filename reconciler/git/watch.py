"""Calls back when a branch moves, whoever moved it and however. Called by the daemon's loop.

The ref is the truth: file events only shorten the wait for the next look at it. So nothing is missed where events are
(network file systems, folders deleted and made again), and nothing is reported that did not move the branch.
"""

import logging
import os
import select
import threading
from collections.abc import Callable

from reconciler.git.inotify import Inotify
from reconciler.git.refs import Refs, branch_ref
from reconciler.git.repository import Repository

_log = logging.getLogger(__name__)
_TOP_NAMES = frozenset({"packed-refs", "refs", "reftable", ""})


class Watch:
    """`look()` is called from a thread of its own each time the commit of a branch changes, appears or disappears.

    Moves during a call are seen after it, as one. `poll` is in seconds. The thread outlives every error.
    """

    def __init__(
        self,
        repo: Repository,
        branch: str,
        look: Callable[[], None],
        *,
        remote: str | None = None,
        also: Callable[[str], bool] | None = None,
        poll: float = 0.5,
    ) -> None:
        """`also` says which other branches beside it are watched."""
        self._location = repo.location
        self._reftable = repo.reftable
        self._ref = branch_ref(branch, remote)
        self._others = branch_ref("", remote)
        self._also = also
        self._look = look
        self._poll = poll
        self._stop = -1
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin; a move after this returns is seen."""
        refs = Refs(self._location, reftable=self._reftable)
        self._stop = os.eventfd(0, os.EFD_CLOEXEC)
        events = self._armed(Inotify(), ())
        seen = self._read(refs)
        arguments = (refs, seen, self._armed(events, seen))
        self._thread = threading.Thread(target=self._run, args=arguments, name="git-watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End; `look` is not called after this returns."""
        if self._thread is None:
            return
        os.eventfd_write(self._stop, 1)
        if self._thread is not threading.current_thread():
            self._thread.join()
            os.close(self._stop)
        self._thread = None

    def _run(self, refs: Refs, seen: "_Seen", events: Inotify) -> None:
        waiter = select.poll()
        waiter.register(self._stop, select.POLLIN)
        if events.fd >= 0:
            waiter.register(events.fd, select.POLLIN)
        try:
            while True:
                ready = [number for number, _mask in waiter.poll(self._poll * 1000)]
                if self._stop in ready:
                    return
                if ready and not self._concerns(events.read()):
                    continue
                self._armed(events, seen)
                now = self._read(refs)
                if now != seen:
                    seen = now
                    self._armed(events, seen)
                    self._call()
        finally:
            events.close()

    def _read(self, refs: Refs) -> "_Seen":
        try:
            found = {self._ref: refs.read(self._ref)}
            if self._also is not None:
                others = refs.under(self._others).items()
                found |= {name: value for name, value in others if self._also(name.removeprefix(self._others))}
            return tuple(sorted(found.items()))
        except Exception:  # noqa: BLE001 - the thread outlives every error
            # What a vanishing repository makes the library raise is not to be foreseen; the branch is gone.
            _log.debug("cannot read %s", self._ref, exc_info=True)
            return ((self._ref, None),)

    def _call(self) -> None:
        try:
            self._look()
        except Exception:  # noqa: BLE001 - the thread outlives every error
            _log.exception("looking at a moved branch failed")

    def _concerns(self, changed: list[tuple[str, str]]) -> bool:
        """Whether an event can be about our ref; the top folder also sees every index and every fetch."""
        top = str(self._location.common_dir)
        return any(folder != top or name in _TOP_NAMES for folder, name in changed)

    def _armed(self, events: Inotify, seen: "_Seen") -> Inotify:
        """Watch every folder on the way to the refs, as far as they exist now."""
        top = str(self._location.common_dir)
        folders = [top, f"{top}/reftable"]
        for ref in {self._ref, *(name for name, _ in seen)}:
            parts = ref.split("/")[:-1]
            folders += [f"{top}/{'/'.join(parts[: n + 1])}" for n in range(len(parts))]
        events.watch(dict.fromkeys(folders))
        return events


_Seen = tuple[tuple[str, str | None], ...]
"""The refs that are watched, and the commits they name."""
