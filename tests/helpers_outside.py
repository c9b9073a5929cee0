"""Who is outside the daemon in the simulated world, beside git: serving processes, callers in scripts, retention."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from reconciler.core.admit import Taker
from reconciler.daemon import past, quarantines, retention, served
from reconciler.daemon.asked import _called
from reconciler.daemon.loop import Loop, Request
from reconciler.model.errors import NotFoundError

RETURN = 10.0


@dataclass
class Server:
    """A process that serves deployments; `until` is set while a restarted daemon expects it back."""

    pid: int
    limit: int | None
    deployments: frozenset[str]
    until: float | None = None


class Servers:
    """Who takes runs over now, as daemon/served keeps them."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.all: list[Server] = []
        self.number = 100
        self.posted: list[Request] = []
        """What daemon/served asks of the loop."""

    def takers(self, mono: float) -> Mapping[str, Taker]:
        self.all = [s for s in self.all if s.until is None or mono < s.until]
        return {
            name: Taker(s.pid, s.limit, s.deployments, away=s.until is not None)
            for s in self.all
            for name in s.deployments
        }

    def connected(self, deployment: str) -> int | None:
        """The pid of who would be handed a run of a deployment."""
        return next((s.pid for s in self.all if s.until is None and deployment in s.deployments), None)

    def daemon_restarts(self, mono: float) -> None:
        """Nobody is connected any more; some die meanwhile."""
        self.posted.clear()
        self.all = [s for s in self.all if self.rng.random() < 0.8]
        for server in self.all:
            server.until = mono + RETURN

    def turn(self, names: list[str], mono: float) -> tuple[str, Server] | None:
        """One joins, comes back or goes: what happened."""
        rng = self.rng
        self.takers(mono)
        kind = rng.random()
        away = [s for s in self.all if s.until is not None]
        if away and kind < 0.5:
            away[0].until = None
            return "is back", away[0]
        if self.all and kind < 0.75:
            gone = self.all.pop(rng.randrange(len(self.all)))
            return "is gone", gone
        free = sorted(set(names) - {n for s in self.all for n in s.deployments})
        if not free:
            return None
        self.number += 1
        chosen = frozenset(rng.sample(free, min(len(free), rng.choice((1, 2)))))
        self.all.append(Server(self.number, rng.choice((None, 1, 2)), chosen))
        return "joins", self.all[-1]

    def give_back(self, run: str, attempt: int) -> None:
        """A run that was not begun and never will be goes back into the queue."""
        self.posted.append(Request(served._again(Path(run, str(attempt)), "its serving process went away")))


def call(number: int) -> Callable:
    """The decision on a call in a script."""
    told = {
        "flow": "outer", "key": f"call-{number}", "entrypoint": "x.py:outer", "parameters": {"n": number % 3},
        "tags": [], "process": {"pid": number, "started": 1, "boot": "b"},
    }  # fmt: skip
    return lambda loop, now: ({"run": (made := _called(loop, now, told, "ada"))[0]}, made[1])


def purge(loop: Loop, _now: object) -> tuple:
    """Retention at its hungriest: every payload is old."""
    return retention.purge(loop.ledger, list(loop.ledger.store.payloads()), loop.payloads.held)


def hold(args: Mapping) -> Callable:
    """The decision on a quarantine at one of the versions that the log has."""

    def decide(loop: Loop, now: object) -> tuple:
        name = args["deployment"]
        had = [v for v in past.read(loop.ledger.store, name) if v.what != "pruned"]
        if not had:
            raise NotFoundError(f"{name} never was")
        return quarantines.decision(name, had[int(args["which"] * len(had))], "ada", "it was good")(loop, now)

    return decide
