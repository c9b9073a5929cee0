"""What came of a run and of its replay, compared. Called by `replay`."""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from reconciler.model.ids import moment
from reconciler.model.plan import FieldDiff, Json

LINES = 200
"""Of a difference of outputs that is shown."""
MOST = 5_000
"""Lines of an output that are compared: comparing takes time by their square."""

_STAMP = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[,.]\d{3} ", re.MULTILINE)
"""What our log records begin with."""
_ADDRESS = re.compile(r"\b0x[0-9a-f]{6,16}\b")
"""Of an object in memory, as Python prints it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A run that is over, and what lies beside the chain of it."""

    row: Mapping[str, Json]
    launched: datetime | None = None
    """When its last attempt took its slot; None where it never did."""
    parameters: Json = None
    error: Json = None
    """`{type, message, traceback}`; None where there is none, or it was purged."""

    @property
    def detail(self) -> Mapping[str, Json]:
        """What its last state proves."""
        found: Mapping[str, Json] = self.row["detail"]
        return found

    @property
    def seconds(self) -> float | None:
        """How long its last attempt took, its start included."""
        if not (self.launched and self.row["finished_at"]):
            return None
        return round((moment(self.row["finished_at"]) - self.launched).total_seconds(), 3)

    def told(self, text: str) -> str:
        """A text of the run without what differs from run to run: its id, its attempt and addresses in memory."""
        text = re.sub(rf"{re.escape(self.row['id'])}(?:/\d+)?", "RUN", text)
        return _ADDRESS.sub("0x…", text.replace(self.row["name"], "NAME"))


@dataclass(frozen=True, slots=True)
class Compared:
    """How a replay came out, beside the run that it replays."""

    differences: tuple[FieldDiff, ...]
    """Of the outcome: state, result, error; empty where it is the same."""
    circumstances: tuple[FieldDiff, ...] = field(default=())
    """What else was not the same, and may be why."""

    @property
    def same(self) -> bool:
        """Whether the outcome is the same."""
        return not self.differences


def compare(before: Outcome, after: Outcome, results: tuple[Json, Json]) -> Compared:
    """The outcomes; `results` are what both returned, for those who read it: equal digests are enough to be the same.

    Where an error was purged, its type and message are not compared: the state is.
    """
    found = [FieldDiff("state", before.row["state"], after.row["state"])]
    if before.detail.get("result") != after.detail.get("result"):
        found.append(FieldDiff("result", _plainly(before, results[0]), _plainly(after, results[1])))
    if not (_purged(before) or _purged(after)):
        found += [FieldDiff(f"error.{key}", _error(before, key), _error(after, key)) for key in ("type", "message")]
    return Compared(_those_that_differ(found), _those_that_differ(_circumstances(before, after)))


def _those_that_differ(found: Sequence[FieldDiff]) -> tuple[FieldDiff, ...]:
    return tuple(each for each in found if each.before != each.after)


def _purged(outcome: Outcome) -> bool:
    return outcome.error is None and bool(outcome.detail.get("error"))


def _plainly(outcome: Outcome, result: Json) -> Json:
    """A result; of one that is no JSON, its repr without addresses; of one that was purged, its digest."""
    match result:
        case None:
            return outcome.detail.get("result")
        case {"repr": str(text), **rest} if not rest:
            return {"repr": outcome.told(text)}
    return result


def _error(outcome: Outcome, key: str) -> str | None:
    error = outcome.error if isinstance(outcome.error, dict) else {}
    value = error.get(key)
    return outcome.told(str(value)) if value is not None else None


def _circumstances(before: Outcome, after: Outcome) -> list[FieldDiff]:
    pairs: list[tuple[str, Json, Json]] = [
        ("source commit", before.row["source_commit"], after.row["source_commit"]),
        ("tree", before.detail.get("tree"), after.detail.get("tree")),
        ("interpreter", before.detail.get("interpreter"), after.detail.get("interpreter")),
        ("flow version", before.detail.get("flow_version"), after.detail.get("flow_version")),
        ("attempts", before.row["attempt"], after.row["attempt"]),
    ]
    one, two = before.parameters or {}, after.parameters or {}
    pairs += [(f"parameters.{name}", one.get(name), two.get(name)) for name in sorted({*one, *two})]
    return [FieldDiff(*pair) for pair in pairs]


def outputs(before: Outcome, after: Outcome, texts: tuple[str, str]) -> tuple[list[str], bool]:
    """A unified diff of what both printed, times and ids left out, and whether lines of it were left out too."""
    one, two = (_STAMP.sub("", of.told(text)).splitlines() for of, text in zip((before, after), texts, strict=True))
    diff = difflib.unified_diff(one[:MOST], two[:MOST], before.row["id"], after.row["id"], lineterm="", n=1)
    lines = list(islice(diff, LINES + 1))
    return lines[:LINES], len(lines) > LINES or len(one) > MOST or len(two) > MOST
