"""Every store keeps the promise of `reconciler.stores`."""

import hashlib
import itertools
import json
import random
import re
import sqlite3
from datetime import timedelta, timezone

import pytest
from unit.stores.samples import NOW, applied, created, deployed, fold, later, moved, pruned, run_id, state, tell

from reconciler import plugins, stores
from reconciler.model.errors import ConflictError, NotFoundError, StaleHeadError
from reconciler.model.events import SourceLost
from reconciler.model.ids import instant
from reconciler.stores import Payload, Rows, RunFilter, Store

LOST = SourceLost(reason="gone")


@pytest.fixture(params=plugins.words(stores))
def word(request):
    return request.param


@pytest.fixture
def store(word, tmp_path):
    opened = plugins.load(stores, Store, word).open(tmp_path / "log.db")
    yield opened
    opened.close()


def test_an_empty_log_has_nothing_and_verifies(store):
    assert store.head() == (0, "0" * 64)
    assert (store.events(), list(store.deployments()), store.runs(), store.live_runs()) == ([], [], [], [])
    assert (store.counts(), store.meta("x"), store.payload("0" * 64), store.run_by_key("a/b", "k")) == (
        {},
        None,
        None,
        None,
    )
    assert store.verify(fold) == stores.Verified(0, "0" * 64)


def test_what_append_returns_is_what_is_read(store):
    told = tell(store, deployed("a/b", tags=("x", "y"), schedules=({"id": "s"},)), LOST)
    assert store.events() == told
    assert [event.seq for event in told] == [1, 2]
    assert told[0].data["tags"] == ["x", "y"]
    assert store.head() == (2, told[-1].hash)


def test_instants_are_utc_whatever_zone_they_came_in(store):
    (event,) = tell(store, LOST, at=NOW.astimezone(timezone(timedelta(hours=5))))
    assert event.at.utcoffset() == timedelta(0)
    assert store.events() == [event]


def test_a_hash_covers_the_one_before_and_the_canonical_json(store):
    previous = "0" * 64
    for event in tell(store, LOST, deployed("ä/b")):
        body = [event.seq, 1, event.type, event.subject, instant(event.at), "r1", event.data]
        text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        previous = hashlib.sha256((previous + text).encode()).hexdigest()
        assert event.hash == previous


@pytest.mark.parametrize("expect", [-1, 0, 2])
def test_an_append_to_another_head_is_refused(store, expect):
    tell(store, LOST)
    before = state(store)
    with pytest.raises(StaleHeadError):
        store.append([LOST], at=NOW, revision=None, expect=expect, rows=Rows(meta={"revision": "x"}))
    assert state(store) == before


@pytest.mark.parametrize(
    "bad",
    [
        {"facts": [LOST, moved(1, "Running", load=float("nan"))]},
        {"rows": Rows(deployments={"a/b": {"x": float("inf")}})},
        {"rows": Rows(deployments={"a/b": {}}, meta={"revision": {1, 2}})},
        {"rows": Rows(deployments={"a/b": {}}, runs={"r": {"seq": 1, "tags": [{1}]}})},
    ],
)
def test_nothing_is_written_of_what_is_no_json(store, bad):
    tell(store, applied("r0"))
    before = state(store)
    with pytest.raises((ValueError, TypeError, KeyError)):
        store.append(**{"facts": [LOST], "at": NOW, "revision": None, "expect": 1} | bad)
    assert state(store) == before
    tell(store, applied("r1"))
    assert store.verify(fold).problems == ()


def test_rows_follow_their_events(store):
    tell(store, deployed("a/b"), deployed("c/d"), applied("r0"))
    assert [row["name"] for row in store.deployments()] == ["a/b", "c/d"]
    tell(store, pruned("a/b"), applied("r1"))
    assert [row["name"] for row in store.deployments()] == ["c/d"]
    assert store.meta("revision") == "r1"
    assert store.deployment("c/d") == {"name": "c/d", "tags": []}
    with pytest.raises(NotFoundError):
        store.deployment("a/b")


def test_a_run_is_counted_and_live_until_it_is_over(store):
    tell(store, created(1), created(2))
    assert [row["id"] for row in store.live_runs()] == [run_id(1), run_id(2)]
    tell(store, moved(1, "Running"))
    assert store.counts() == {("etl/nightly", "Scheduled"): 1, ("etl/nightly", "Running"): 1}
    tell(store, moved(1, "Completed"), moved(2, "Cancelled"))
    assert store.counts() == {("etl/nightly", "Completed"): 1, ("etl/nightly", "Cancelled"): 1}
    assert store.live_runs() == []
    assert store.run(run_id(1))["finished_at"] == instant(NOW)


def test_the_runs_of_each_version_are_counted(store):
    tell(
        store,
        created(1, generation=1, source_commit="a" * 40),
        created(2, generation=1, source_commit="b" * 40),
        created(3, generation=2, source_commit="b" * 40),
        created(4, generation=2, source_commit=None),
        created(5, generation=2, deployment="etl/nightly2", source_commit="b" * 40),
    )
    tell(store, moved(2, "Running"), moved(2, "Completed"), moved(3, "Running"))
    assert store.versions("etl/nightly") == {
        (1, "a" * 40): {"Scheduled": 1},
        (1, "b" * 40): {"Completed": 1},
        (2, "b" * 40): {"Running": 1},
        (2, None): {"Scheduled": 1},
    }
    assert store.versions("etl/none") == {}
    assert store.verify(fold).problems == ()


def test_the_runs_of_slots_come_by_due_then_creation(store):
    tell(store, created(1, schedule="s", due=later(60)), created(2, schedule="s", due=NOW), created(3, due=later(30)))
    tell(
        store,
        created(4, schedule="t", trigger="backfill", cause="k", due=NOW),
        created(5, schedule="s", deployment="x/y"),
    )
    tell(store, moved(2, "Running"), moved(2, "Completed"))
    spans = [(NOW, later(60)), (later(1), later(60)), (NOW, later(59)), (later(61), later(99))]
    told = [[row["id"] for row in store.slots_run("etl/nightly", *span)] for span in spans]
    assert told == [[run_id(n) for n in wanted] for wanted in ((2, 4, 1), (1,), (2, 4), ())]
    assert [row["id"] for row in store.slots_run("etl/nightly", NOW, later(60), limit=2)] == [run_id(4), run_id(1)]
    assert store.slots_run("etl/nightly", NOW, NOW)[0]["state"] == "Completed"
    assert store.slots_run("no/one", NOW, later(60)) == []
    assert store.verify(fold).problems == ()


def test_rows_handed_out_are_copies(store):
    tell(store, deployed("a/b"), created(1))
    store.deployment("a/b")["tags"].append("mine")
    store.run(run_id(1))["state"] = "Lost"
    assert store.deployment("a/b")["tags"] == []
    assert store.run(run_id(1))["state"] == "Scheduled"


def test_payloads_lie_beside_the_chain(store):
    one, two = Payload.of("spec", b"{}"), Payload.of("result", b"\x00\xff")
    tell(store, LOST, payloads=[one, two])
    tell(store, LOST, payloads=[one])
    assert (store.payload(one.digest), store.payload(two.digest)) == (b"{}", b"\x00\xff")
    assert [(p.digest, p.kind, p.size, p.seq) for p in store.payloads()] == [
        (two.digest, "result", 2, 1),
        (one.digest, "spec", 2, 2),
    ]
    gone = Rows(purged=[one.digest, two.digest, "f" * 64])
    store.append([LOST], at=NOW, revision=None, expect=2, rows=gone, payloads=[two])
    assert (store.payload(one.digest), store.payload(two.digest)) == (None, b"\x00\xff")
    assert store.verify(fold).problems == ()


def test_events_are_paged_and_filtered(store):
    for number in range(4):
        tell(store, created(number), deployed(f"a/{number}"), LOST)
        tell(store, moved(number, "Running"), moved(number, "Completed"))
    everything = store.events()
    assert len(everything) == 20
    chosen = itertools.product(
        (0, 7, 99),
        (None, 0, 12),
        ((), ("RunCreated",), ("RunCompleted", "SourceLost")),
        (None, run_id(1), "repository"),
    )
    for (after, before, types, subject), newest_first, limit in itertools.product(chosen, (False, True), (0, 3, 100)):
        expected = [
            event
            for event in everything
            if event.seq > after
            and (before is None or event.seq < before)
            and (not types or event.type in types)
            and subject in (None, event.subject)
        ][:: -1 if newest_first else 1][:limit]
        got = store.events(after, before=before, limit=limit, types=types, subject=subject, newest_first=newest_first)
        assert got == expected


def _history(store):
    """200 runs of three deployments with tags; the clock is set back an hour in the middle."""
    rng = random.Random(7)
    for number in range(200):
        at = later(number * 60 - (3600 if number > 100 else 0))
        tags = tuple(rng.sample(["x", "y", "ä b"], rng.randint(0, 3)))
        tell(store, created(number, deployment=f"f/{number % 3}", tags=tags), at=at)
        if number % 4:
            tell(store, moved(number, rng.choice(["Completed", "Failed", "Running"])), at=at)
    return sorted(store.runs(limit=1000), key=lambda row: (row["created_at"], row["seq"]), reverse=True)


def _expected(rows, where, before):
    return [
        row
        for row in rows
        if where.deployment in (None, row["deployment"])
        and (not where.states or row["state"] in where.states)
        and set(where.tags) <= set(row["tags"])
        and (where.since is None or row["created_at"] >= instant(where.since))
        and (where.until is None or row["created_at"] < instant(where.until))
        and (before is None or (row["created_at"], row["seq"]) < (before["created_at"], before["seq"]))
    ]


def test_runs_are_filtered_and_paged_newest_first(store):
    rows = _history(store)
    assert store.runs(limit=1000) == rows
    filters = itertools.product(
        (None, "f/1", "f/9"),
        ((), ("Failed",), ("Scheduled", "Completed", "Nonsense")),
        ((), ("x",), ("ä b", "y"), ("z",)),
        (None, later(3000)),
        (None, later(7000)),
    )
    for deployment, states, tags, since, until in filters:
        where = RunFilter(deployment=deployment, states=states, tags=tags, since=since, until=until)
        for before in (None, rows[60], rows[150]):
            expected = _expected(rows, where, before)
            for limit in (7, 1000):
                assert store.runs(where, before_seq=before and before["seq"], limit=limit) == expected[:limit]


def test_runs_that_try_another_again(store):
    tell(store, created(1), *(created(n, origin=run_id(1), trigger="retry", cause=str(n)) for n in (2, 3)), created(4))
    tell(store, moved(2, "Failed"))
    assert [row["id"] for row in store.runs(RunFilter(origin=run_id(1)))] == [run_id(3), run_id(2)]
    assert [row["id"] for row in store.runs(RunFilter(origin=run_id(1), states=("Failed",)))] == [run_id(2)]
    assert store.runs(RunFilter(origin=run_id(4))) == []


def test_a_page_before_a_seq_that_is_no_run_begins_below_it(store):
    tell(store, LOST, created(1), LOST, created(2))
    assert [row["seq"] for row in store.runs(before_seq=4)] == [2]
    assert [row["seq"] for row in store.runs(before_seq=3)] == [2]
    assert store.runs(before_seq=1) == []


def test_a_run_is_found_by_the_beginning_of_its_id(store):
    row = fold(tell(store, created(9))).runs[run_id(9)]
    ids = (("abcd", 2), ("abcdef", 3), ("abx", 4))
    rows = Rows(runs={run: {**row, "id": run, "seq": seq} for run, seq in ids})
    store.append([LOST] * 3, at=NOW, revision=None, expect=1, rows=rows)
    assert store.run("abcde")["id"] == "abcdef"
    assert store.run("abcd")["id"] == "abcd"
    with pytest.raises(ConflictError, match="several"):
        store.run("ab")
    for unknown in ("zz", "", "ABX", "abx%"):
        with pytest.raises(NotFoundError):
            store.run(unknown)


def test_a_request_is_found_by_its_key(store):
    tell(
        store,
        created(1, cause="key"),
        created(2, cause="key", trigger="manual"),
        created(3, cause="key", trigger="manual"),
    )
    assert store.run_by_key("etl/nightly", "key")["id"] == run_id(2)
    assert store.run_by_key("etl/nightly", "other") is None
    assert store.run_by_key("other/nightly", "key") is None


def test_caches_can_be_dropped(store):
    store.cache_put("spec", {"a": b"1", "b": b"\x00"})
    store.cache_put("spec", {"a": b"2"})
    store.cache_put("code", {"a": b"3"})
    assert store.cache_items("spec") == {"a": b"2", "b": b"\x00"}
    store.cache_delete("spec", ["a", "unknown"])
    assert (store.cache_get("spec", "a"), store.cache_get("code", "a")) == (None, b"3")


def test_an_append_without_facts_changes_rows_only(store):
    tell(store, LOST)
    assert store.append([], at=NOW, revision=None, expect=1, rows=Rows(meta={"revision": [1, None]})) == []
    assert (store.head()[0], store.meta("revision")) == (1, [1, None])


# How someone with access to the storage could change it, and what verify must then say.
TAMPER = {
    "data changed": ("event 2", "UPDATE events SET data = X'7B7D' WHERE seq = 2", lambda s: _entry(s, 1, data=b"{}")),
    "data that is no json": (
        "event 2",
        "UPDATE events SET data = X'7B' WHERE seq = 2",
        lambda s: _entry(s, 1, data=b"{"),
    ),
    "time changed": (
        "event 2",
        "UPDATE events SET at = '2020-01-01T00:00:00.000000Z' WHERE seq = 2",
        lambda s: _entry(s, 1, at="2020-01-01T00:00:00.000000Z"),
    ),
    "type changed": (
        "event 3",
        "UPDATE events SET type = 'RunFailed' WHERE seq = 3",
        lambda s: _entry(s, 2, type="RunFailed"),
    ),
    "hash changed": ("event 2", "UPDATE events SET hash = 'x' WHERE seq = 2", lambda s: _entry(s, 1, hash="x")),
    "event deleted": ("event 3: follows event 1", "DELETE FROM events WHERE seq = 2", lambda s: s._entries.pop(1)),
    "first event deleted": (
        "event 2: follows event 0",
        "DELETE FROM events WHERE seq = 1",
        lambda s: s._entries.pop(0),
    ),
    "last event deleted": ("run", "DELETE FROM events WHERE seq = 5", lambda s: s._entries.pop()),
    "order swapped": (
        "event 3",
        "UPDATE events SET seq = -seq WHERE seq IN (3, 4); UPDATE events SET seq = 7 + seq WHERE seq < 0",
        lambda s: (_entry(s, 2, seq=4), _entry(s, 3, seq=3), s._entries.sort()),
    ),
    "run row changed": (
        r"run .*\(state\)",
        "UPDATE runs SET row = CAST(replace(CAST(row AS TEXT), 'Completed', 'Failed') AS BLOB)",
        lambda s: s._runs.update({k: v.replace(b"Completed", b"Failed") for k, v in s._runs.items()}),
    ),
    "run row deleted": ("run", "DELETE FROM runs", lambda s: s._runs.clear()),
    "deployment added": (
        "deployment x/y: is stored",
        "INSERT INTO deployments VALUES ('x/y', X'7B7D')",
        lambda s: s._deployments.update({"x/y": b"{}"}),
    ),
    "deployment removed": ("deployment a/b: follows", "DELETE FROM deployments", lambda s: s._deployments.clear()),
    "meta changed": ("meta revision", "UPDATE meta SET value = X'31'", lambda s: s._meta.update(revision=b"1")),
    "payload changed": (
        "payload",
        "UPDATE payloads SET content = X'31'",
        lambda s: s._payloads.update({d: (Payload(d, p.kind, b"1"), q) for d, (p, q) in s._payloads.items()}),
    ),
}


def _entry(store, index, **changes):
    store._entries[index] = store._entries[index]._replace(**changes)


@pytest.mark.parametrize("how", TAMPER)
def test_verify_finds_what_was_changed(store, word, how, tmp_path):
    tell(store, deployed("a/b"), created(1), payloads=[Payload.of("spec", b"{}")])
    tell(store, moved(1, "Running"), applied("r1"), moved(1, "Completed"))
    assert store.verify(fold) == stores.Verified(5, store.head()[1])
    problem, sql, change = TAMPER[how]
    if word == "memory":
        change(store)
    else:
        with sqlite3.connect(tmp_path / "log.db") as other:
            other.executescript(sql)
        other.close()
    problems = store.verify(fold).problems
    assert any(re.search(problem, found) for found in problems), problems


def test_verify_survives_a_fold_that_fails(store):
    tell(store, LOST)

    def broken(events):
        raise KeyError(next(iter(events)).type)

    assert store.verify(broken).problems == ("the events cannot be folded: KeyError: 'SourceLost'",)
    assert store.verify(broken).events == 1


def test_verify_stops_listing_at_a_limit(store):
    rows = Rows(meta={f"k{number}": 1 for number in range(150)})
    store.append([LOST], at=NOW, revision=None, expect=0, rows=rows)
    assert len(store.verify(fold).problems) == stores.MOST_PROBLEMS


def test_checkpoint_leaves_nothing_to_do_when_nobody_reads(store):
    tell(store, LOST)
    assert store.checkpoint() == 0


def test_closing_twice_is_nothing(store):
    store.close()
    store.close()
