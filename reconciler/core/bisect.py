"""The search for the first bad commit: which one to try next, and what is known at the end. Called by `bisect`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What a commit turned out to be."""

    GOOD = "good"
    BAD = "bad"
    SKIP = "skip"
    """It cannot be told."""


@dataclass(frozen=True, slots=True)
class Found:
    """What the search ended with: places in the sequence it was given."""

    first_bad: int
    """The first that is known to be bad; the first bad one, unless some before it could not be told."""
    last_good: int
    """The last that is known to be good, before it."""

    @property
    def suspects(self) -> range:
        """Where the first bad one is: one place, or those that could not be told and the first known to be bad."""
        return range(self.last_good + 1, self.first_bad + 1)


def search(count: int, probe: Callable[[int], Verdict]) -> Found:
    """The first bad of `count` commits (at least 2), oldest first; the first is good and the last is bad.

    `probe` is asked once for a place, never for the ends; about log2(count) times, and once more for each skip.
    """
    good, bad = 0, count - 1
    skipped: set[int] = set()
    while (place := _next(good, bad, skipped)) is not None:
        match probe(place):
            case Verdict.GOOD:
                good = place
            case Verdict.BAD:
                bad = place
            case Verdict.SKIP:
                skipped.add(place)
    return Found(bad, good)


def _next(good: int, bad: int, skipped: set[int]) -> int | None:
    """The place nearest to the middle that was not skipped; None when none is left."""
    middle = (good + bad) // 2
    return min((n for n in range(good + 1, bad) if n not in skipped), key=lambda n: abs(n - middle), default=None)


def remaining(count: int) -> int:
    """How many places are to be tried at most, without skips, where `count` lie between a good and a bad one."""
    return count.bit_length()


class Memory:
    """Verdicts by what was tried: nothing is tried twice."""

    def __init__(self, keys: Sequence[str], attempt: Callable[[int], Verdict]) -> None:
        self._keys = keys
        self._attempt = attempt
        self._known: dict[str, Verdict] = {}

    def __call__(self, place: int) -> Verdict:
        """The verdict of a place, tried now or known of another with the same content."""
        key = self._keys[place]
        if key not in self._known:
            self._known[key] = self._attempt(place)
        return self._known[key]
