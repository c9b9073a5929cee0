"""The hash chain: facts become linked entries, and a walk finds where a link does not hold. Called by every store."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from reconciler.model.errors import StaleHeadError
from reconciler.model.fact import VERSION, Event, Fact
from reconciler.model.ids import canonical, instant, moment
from reconciler.model.plan import Json
from reconciler.stores import MOST_PROBLEMS, Fold, Payload, Rows, Verified

GENESIS = "0" * 64
"""The hash before the first event."""

Raws = Iterable[tuple[str, bytes]]
"""Stored rows: key and canonical JSON."""

_parse = json.JSONDecoder().decode
_AT_ONCE = 256


class Entry(NamedTuple):
    """An event as stored; `data` is canonical JSON."""

    seq: int
    version: int
    type: str
    subject: str
    at: str
    revision: str | None
    data: bytes
    hash: str

    def event(self) -> Event:
        """The event. Raises ValueError or TypeError when `at` or `data` is not what was written."""
        return Event(
            self.seq, self.type, self.subject, moment(self.at), self.revision, load(self.data), self.version, self.hash
        )


def load(raw: bytes) -> Json:
    """The inverse of `canonical`. Raises TypeError or ValueError for anything else."""
    return _parse(bytes.decode(raw, "utf-8", "surrogatepass"))


def loads(raws: Sequence[bytes]) -> Iterator[Json]:
    """Of many: parsed some at a time, which is quicker, and rows that are alike then share the text of their keys."""
    for start in range(0, len(raws), _AT_ONCE):
        yield from load(b"[%s]" % b",".join(raws[start : start + _AT_ONCE]))


def link(previous: str, body: tuple[int, int, str, str, str, str | None], data: bytes) -> str:
    """sha256 of the previous hash (as text) and the JSON of [seq, version, type, subject, at, revision, data]."""
    return hashlib.sha256(b"%s%s,%s]" % (previous.encode(), canonical(body)[:-1], data)).hexdigest()


def seal(facts: Sequence[Fact], *, at: datetime, revision: str | None, head: tuple[int, str]) -> list[Entry]:
    """The entries that follow `head`. Raises ValueError or TypeError for data that is not JSON."""
    seq, previous = head
    written = instant(at)
    entries = []
    for fact in facts:
        seq += 1
        data = canonical(fact.data())
        body = (seq, VERSION, fact.type, fact.subject, written, revision)
        previous = link(previous, body, data)
        entries.append(Entry(*body, data, previous))
    return entries


def events(entries: Sequence[Entry], at: datetime) -> list[Event]:
    """The events of entries just sealed, as a later reader gets them: in UTC, tuples are lists."""
    utc = at.astimezone(UTC)
    datas = loads([e.data for e in entries])
    return [
        Event(e.seq, e.type, e.subject, utc, e.revision, data, e.version, e.hash)
        for e, data in zip(entries, datas, strict=True)
    ]


def guard(expect: int, seq: int) -> None:
    """Raises StaleHeadError unless the last seq is the expected one."""
    if seq != expect:
        raise StaleHeadError(
            f"the log is at event {seq}, not at {expect} as this decision was made for",
            hint="read the log and decide again",
        )


class Findings:
    """What a walk has found so far."""

    def __init__(self) -> None:
        self.events = 0
        self.head = GENESIS
        self.problems: list[str] = []

    def add(self, problem: str) -> None:
        """Note a problem; past the limit only its number would grow."""
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(problem)

    def walk(self, entries: Iterable[Entry]) -> Iterator[Event]:
        """Check every link and hand the events on. Each link is checked against the hash stored before it, so that one
        changed event is one problem.
        """
        seq = 0
        for entry in entries:
            if entry.seq != seq + 1:
                self.add(f"event {entry.seq}: follows event {seq}; what lay between is missing")
            seq = entry.seq
            try:
                held = link(self.head, entry[:6], entry.data) == entry.hash
                event = entry.event()
            except (TypeError, ValueError) as error:
                self.add(f"event {seq}: cannot be read: {error}")
            else:
                if not held:
                    self.add(f"event {seq} ({entry.type}): its hash is not that of its content and the event before it")
                yield event
            self.events += 1
            self.head = entry.hash

    def payloads(self, payloads: Iterable[Payload]) -> None:
        """Check the payloads that are present."""
        for payload in payloads:
            if hashlib.sha256(payload.content).hexdigest() != payload.digest:
                self.add(f"payload {payload.digest} ({payload.kind}): its bytes are not those of its digest")

    def fold(self, fold: Fold, walk: Iterator[Event]) -> Rows | None:
        """What the events fold to; None, and a problem, when they do not."""
        try:
            return fold(walk)
        except Exception as error:  # noqa: BLE001 - whatever a damaged log does to a fold is a finding
            self.add(f"the events cannot be folded: {type(error).__name__}: {error}")
            return None

    def compare(self, rows: Rows, *, deployments: Raws, runs: Raws, meta: Raws) -> None:
        """Check what is stored against what the events fold to."""
        there = {name: row for name, row in rows.deployments.items() if row is not None}
        self._differences("deployment", there, deployments)
        self._differences("run", rows.runs, runs)
        self._differences("meta", rows.meta, meta)

    def _differences(self, kind: str, expected: Mapping[str, Json], stored: Raws) -> None:
        seen = set()
        for key, raw in stored:
            seen.add(key)
            if key not in expected:
                self.add(f"{kind} {key}: is stored, but follows from no event")
            elif canonical(expected[key]) != raw:
                self.add(f"{kind} {key}: is stored otherwise than the events say{_fields(expected[key], raw)}")
        for key in expected.keys() - seen:
            self.add(f"{kind} {key}: follows from the events, but is not stored")

    def verified(self) -> Verified:
        """The result."""
        return Verified(self.events, self.head, tuple(self.problems))


def _fields(expected: Json, raw: bytes) -> str:
    try:
        stored = load(raw)
    except (TypeError, ValueError):
        return " (it is no JSON)"
    if not isinstance(expected, Mapping) or not isinstance(stored, dict):
        return ""
    different = [k for k in sorted({*expected, *stored}) if canonical(expected.get(k)) != canonical(stored.get(k))]
    return f" ({', '.join(different)})"
