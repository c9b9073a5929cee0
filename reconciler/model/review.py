"""A plan with what a reviewer asks next: moves and commits, slots, runs in flight. Made by cli/_review."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from reconciler.model.ids import instant
from reconciler.model.plan import Json, Plan, Problem


@dataclass(frozen=True, slots=True)
class Told:
    """A commit as its author told it."""

    commit: str
    at: datetime
    author: str
    subject: str

    def json(self) -> dict[str, Json]:
        """The object that `plan --json` prints."""
        return {"commit": self.commit, "at": instant(self.at), "author": self.author, "subject": self.subject}


@dataclass(frozen=True, slots=True)
class Move:
    """Deployments whose version moves, from what to what, and the commits that do it."""

    deployments: tuple[str, ...]
    before: str
    after: str
    whole: bool
    """Whether they move with the whole repository."""
    commits: tuple[Told, ...] = ()
    """Newest first; those of the first-parent line that touch the source."""
    more: int = 0
    """How many further commits are not listed."""

    def json(self) -> dict[str, Json]:
        """The object that `plan --json` prints."""
        return {
            "deployments": list(self.deployments),
            "from": self.before,
            "to": self.after,
            "commits": [told.json() for told in self.commits],
            "more": self.more,
        }


@dataclass(frozen=True, slots=True)
class Slot:
    """A moment that a schedule names, and the zone whose clock it follows."""

    due: datetime
    local: str
    """`Mon 2026-03-09 09:00+01:00 Europe/Paris`."""


@dataclass(frozen=True, slots=True)
class Times:
    """The next slots of a deployment before and after."""

    deployment: str
    before: tuple[Slot, ...]
    after: tuple[Slot, ...]
    daily: int | None = None
    """How many more runs a day (negative: fewer); None where the days differ among themselves."""

    def json(self) -> dict[str, Json]:
        """The object that `plan --json` prints."""
        sides = {"from": self.before, "to": self.after}
        shown = {word: [{"due": instant(s.due), "local": s.local} for s in side] for word, side in sides.items()}
        return {"deployment": self.deployment, **shown, "daily": self.daily}


@dataclass(frozen=True, slots=True)
class Live:
    """A run that is not over, of a deployment that the plan touches, and what becomes of it."""

    run: str
    deployment: str
    state: str
    fate: str
    cancelled: bool

    def json(self) -> dict[str, Json]:
        """The object that `plan --json` prints."""
        return {"run": self.run, "deployment": self.deployment, "state": self.state, "fate": self.fate}


@dataclass(frozen=True, slots=True)
class Review:
    """Everything that a plan is shown with, on any surface."""

    plan: Plan
    scope: str
    """What was planned, where several plans of one repository lie side by side: the directory and environment."""
    env: str | None = None
    """The environment whose overlay was read."""
    logged: bool = False
    """Whether it was compared with what a log says is applied."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """The version of each changed deployment before: `Change.version` is the one after."""
    created: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    """What each new deployment is: names of fields, and their values as text."""
    moves: tuple[Move, ...] = ()
    times: tuple[Times, ...] = ()
    untimed: int = 0
    """How many further deployments have other slots."""
    live: tuple[Live, ...] | None = None
    """None where no log was there to ask."""
    known: frozenset[Problem] = frozenset()
    """Problems and notes of the plan that were there before."""
    places: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    """By deployment: the file and line (1-based) of the first line that changed."""
    hints: tuple[str, ...] = ()
    """What to do so that the plan can tell more."""

    def json(self) -> dict[str, Json]:
        """The object that `plan --json` prints."""
        return {
            **self.plan.json(),
            "env": self.env,
            "known": [problem.json() for problem in sorted(self.known)],
            "versions": [move.json() for move in self.moves],
            "slots": [times.json() for times in self.times],
            "slots_more": self.untimed,
            "in_flight": None if self.live is None else [live.json() for live in self.live],
            "hints": list(self.hints),
        }
