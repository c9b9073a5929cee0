"""Which runs match a filter: every run is marked under each of its labels, in the order lists show. Called by sqlite.

A label is all runs, a deployment, a tag or the run that is tried again. The smallest label that the filter names is
walked, newest first, one key range for each state; the others are looked up in the same table. So no filter reads rows
it does not return, and the counts that choose the smallest label are kept in the transaction of their events.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping

from reconciler.model.ids import canonical, instant
from reconciler.model.plan import Json
from reconciler.stores import RunFilter
from reconciler.stores._chain import load

EVERY = "*"
DEPLOYMENT = "d:"
TAG = "t:"
ORIGIN = "o:"
VERSION = "v:"
"""Counted, but no label that runs are marked under: nobody lists the runs of a version."""

UPSERT = """
INSERT INTO runs (seq, id, deployment, state, final, created_at, trigger, cause, labels, row)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (seq) DO UPDATE SET id = excluded.id, deployment = excluded.deployment, state = excluded.state,
  final = excluded.final, created_at = excluded.created_at, trigger = excluded.trigger, cause = excluded.cause,
  labels = excluded.labels, row = excluded.row
"""
SLOT = "INSERT OR IGNORE INTO slots VALUES (?, ?, ?)"
COUNT = "INSERT INTO counts VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n"
MARK = "INSERT INTO marks VALUES (?, ?, ?, ?)"
UNMARK = "DELETE FROM marks WHERE label = ? AND state = ? AND created_at = ? AND seq = ?"
HELD = "SELECT labels, state, created_at, seq FROM runs WHERE seq = ?"
HOLD = "SELECT seq, id, deployment, state, final, created_at, trigger, cause, labels, row FROM runs"
WALK = """
SELECT created_at, seq FROM marks AS m
WHERE label = ? AND state = ? AND created_at >= ? AND (created_at, seq) < (?, ?) {also}
ORDER BY created_at DESC, seq DESC LIMIT ?
"""
ALSO = """AND EXISTS (
SELECT 1 FROM marks AS o WHERE o.label = ? AND o.state = m.state AND o.created_at = m.created_at AND o.seq = m.seq)
"""

Mark = tuple[str, str, str, int]


def columns(row: Mapping[str, Json]) -> tuple[Json, ...]:
    """A run's row as the table `runs` holds it."""
    labels = [EVERY, DEPLOYMENT + row["deployment"], *sorted({TAG + tag for tag in row["tags"]})]
    labels += [ORIGIN + row["origin"]] if row.get("origin") else []
    return (
        row["seq"],
        row["id"],
        row["deployment"],
        row["state"],
        int(row["final"]),
        row["created_at"],
        row["trigger"],
        row["cause"],
        canonical(labels),
        canonical(row),
    )


def marks(labels: bytes, state: str, created_at: str, seq: int) -> list[Mark]:
    """The marks of a run."""
    return [(label, state, created_at, seq) for label in load(labels)]


def version(row: Mapping[str, Json]) -> str:
    """Under what the runs of a deployment's version are counted: no name has a line end in it."""
    return f"{VERSION}{row['deployment']}\n{row.get('generation', 1)}\n{row.get('source_commit') or ''}"


def version_of(label: str) -> tuple[int, str | None]:
    """The generation and the source commit of such a label."""
    _, generation, commit = label.rsplit("\n", 2)
    return int(generation), commit or None


def versions_of(deployment: str) -> tuple[str, str]:
    """The labels of a deployment's versions are from the one on and before the other."""
    return f"{VERSION}{deployment}\n", f"{VERSION}{deployment}\v"


def write(db: sqlite3.Connection, rows: Iterable[Mapping[str, Json]]) -> None:
    """Store runs and bring marks and counts up to them."""
    new, gone, come, slots = [], [], [], []
    change: Counter[tuple[str, str]] = Counter()
    for row in rows:
        if row.get("schedule"):
            slots.append((row["deployment"], row["due"], row["seq"]))
        values = columns(row)
        place = (values[8], values[3], values[5], values[0])
        held = db.execute(HELD, (row["seq"],)).fetchone()
        new.append(values)
        if held != place:
            come += marks(*place)
            gone += marks(*held) if held else []
            change[version(row), row["state"]] += 1
            if held:
                change[version(row), held[1]] -= 1
    db.executemany(UPSERT, new)
    db.executemany(SLOT, slots)
    db.executemany(UNMARK, gone)
    db.executemany(MARK, come)
    change.update(mark[:2] for mark in come)
    change.subtract(mark[:2] for mark in gone)
    db.executemany(COUNT, [(label, state, n) for (label, state), n in change.items() if n])


def count_versions(db: sqlite3.Connection) -> None:
    """Count the runs of each version in a log that was written before that was done."""
    found = Counter((version(load(raw)), state) for state, raw in db.execute("SELECT state, row FROM runs"))
    db.executemany(COUNT, [(label, state, n) for (label, state), n in found.items()])


def find(db: sqlite3.Connection, where: RunFilter, before_seq: int | None, limit: int) -> list[int]:
    """The `seq` of the runs that match, newest first."""
    labels = [TAG + tag for tag in where.tags]
    labels += [DEPLOYMENT + where.deployment] if where.deployment is not None else []
    labels += [ORIGIN + where.origin] if where.origin is not None else []
    labels = labels or [EVERY]
    sizes = {label: _states(db, label, where.states) for label in labels}
    first, *others = sorted(sizes, key=lambda label: sum(sizes[label].values()))
    since = instant(where.since) if where.since else ""
    below = _below(db, where, before_seq)
    walk = WALK.format(also=ALSO * len(others))
    found: list[tuple[str, int]] = []
    for state in sizes[first]:
        found += db.execute(walk, (first, state, since, *below, *others, limit))
    return [seq for _, seq in sorted(found, reverse=True)[:limit]]


def _states(db: sqlite3.Connection, label: str, wanted: tuple[str, ...]) -> dict[str, int]:
    """How many runs a label has in each state that is asked for."""
    found = dict(db.execute("SELECT state, n FROM counts WHERE label = ? AND n > 0", (label,)))
    return {state: n for state, n in found.items() if not wanted or state in wanted}


def _below(db: sqlite3.Connection, where: RunFilter, before_seq: int | None) -> tuple[str, int]:
    """Every match comes before this place in the order of (created_at, seq)."""
    end = (instant(where.until), 0) if where.until else ("~", 0)
    if before_seq is None:
        return end
    last = db.execute("SELECT created_at FROM runs WHERE seq <= ? ORDER BY seq DESC LIMIT 1", (before_seq,)).fetchone()
    return min(end, (last[0], before_seq)) if last else ("", 0)


def faults(db: sqlite3.Connection) -> list[str]:
    """Where columns, marks and counts are not what the runs' rows say."""
    found = []
    expected: Counter[tuple[str, str]] = Counter()
    versions: Counter[tuple[str, str]] = Counter()
    slots = set(db.execute("SELECT deployment, due, seq FROM slots"))
    for *held, raw in db.execute(HOLD):
        try:
            row = load(raw)
            values = columns(row)
        except (TypeError, ValueError, KeyError):
            found.append(f"run {held[1]}: its row is none of a run")
            continue
        if values != (*held, raw):
            found.append(f"run {held[1]}: its columns are not those of its row")
        slot = (row["deployment"], row["due"], row["seq"])
        if (slot in slots) != bool(row.get("schedule")):
            found.append(f"run {held[1]}: it is not listed among the slots as its row says")
        slots.discard(slot)
        versions[version(row), row["state"]] += 1
        expected.update(mark[:2] for mark in marks(values[8], values[3], values[5], values[0]))
    marked = {
        (label, state): n for label, state, n in db.execute("SELECT label, state, count(*) FROM marks GROUP BY 1, 2")
    }
    counted = {(label, state): n for label, state, n in db.execute("SELECT label, state, n FROM counts WHERE n <> 0")}
    for name, kept, wanted in (("marks", marked, expected), ("counts", counted, expected + versions)):
        wrong = [key for key in wanted.keys() | kept.keys() if wanted[key] != kept.get(key, 0)]
        found += [f"{name} of {label!r} in {state}: not as many as there are runs" for label, state in sorted(wrong)]
    return found + [f"slot {due} of {name}: listed, but no run is of it" for name, due, _ in sorted(slots)]
