"""All spec files together, kept file by file."""

import json
import random
from dataclasses import replace

import pytest
import yaml

from reconciler.core.assemble import Assembly
from reconciler.core.file_read import Entry, FileRead, read_of
from reconciler.model.plan import Problem, Source, SourceKind

POOLS = frozenset({"process"})


def read(path: str, *names: str, pool: str = "process/default", pools=(), problems=(), hidden=()) -> FileRead:
    """A file; a pool reads name/queue, a declared one name or name/queue."""
    name, _, queue = pool.partition("/")
    queue = queue or "default"
    at = ((path, 7, 9, "d.work_pool.name"), (path, 8, 9, "d.work_pool.work_queue_name"))
    entries = tuple(
        Entry(n, i, f"{path}{n}", Source(SourceKind.WHOLE), name, queue, *at) for i, n in enumerate(names, 1)
    )
    told = tuple(Problem(path, 1, 1, "", p) for p in problems)
    declared = {p.partition("/")[0]: p.partition("/")[2] for p in pools}
    return FileRead(
        path,
        entries,
        told,
        (),
        {p: {"type": "process", "work_queues": {q: {"priority": 1}} if q else {}} for p, q in declared.items()},
        {p: (path, 3, 3, f"work_pools.{p}") for p in declared},
        hidden,
    )


def of(*reads: FileRead) -> Assembly:
    made = Assembly(POOLS)
    for each in reads:
        made.put(each.file, each)
    return made


def said(assembly: Assembly) -> dict:
    refused = assembly.refused()
    problems, notes, broken = assembly.told(refused)
    kept = {path: [e.name for e in (refused.get(path) or r).entries] for path, r in sorted(assembly.files.items())}
    return {"kept": kept, "problems": problems, "notes": notes, "broken": broken, "pools": assembly.pools()}


CASES = {
    "two of one name": ([read("a", "f/x"), read("b", "f/x", "f/y")], {"a": [], "b": ["f/y"]}, "is declared in"),
    "only in case": ([read("a", "f/x"), read("b", "F/x")], {"a": [], "b": []}, "differs only in case"),
    "twice in one file": ([read("a", "f/x", "f/x", "f/z")], {"a": ["f/z"]}, "is declared in a too"),
    "an unknown pool": (
        [read("a", "f/x", pool="big"), read("b", "f/y")],
        {"a": [], "b": ["f/y"]},
        "no work pool 'big'",
    ),
    "a pool of git": ([read("a", "f/x", pool="big"), read("b", pools=["big"])], {"a": ["f/x"], "b": []}, None),
    "a pool nearly of that name": (
        [read("a", "f/x", pool="bigg"), read("b", pools=["big"])],
        {"a": [], "b": []},
        "did you mean 'big'?",
    ),
    "an unknown queue": (
        [read("a", "f/x", pool="big/hi"), read("b", pools=["big/high"])],
        {"a": [], "b": []},
        "no queue 'hi'; did you",
    ),
    "a queue of a pool that declares none": ([read("a", "f/x", pool="process/hi")], {"a": ["f/x"]}, None),
    "the queue that every pool has": (
        [read("a", "f/x", pool="big"), read("b", pools=["big/high"])],
        {"a": ["f/x"], "b": []},
        None,
    ),
    "a pool declared alike in two files": (
        [read("a", "f/x", pool="big", pools=["big"]), read("b", pools=["big"])],
        {"a": ["f/x"], "b": []},
        None,
    ),
    "a pool declared differently": (
        [read("a", "f/x", pool="big", pools=["big"]), read("b", pools=["big/hi"])],
        {"a": ["f/x"], "b": []},
        "work pool big is declared differently in",
    ),
}


@pytest.mark.parametrize(("reads", "kept", "why"), CASES.values(), ids=CASES)
def test_what_only_the_whole_shows(reads, kept, why):
    found = said(of(*reads))
    assert found["kept"] == kept
    assert bool(found["problems"]) is (why is not None)
    assert all(why in p.message for p in found["problems"])
    assert found["broken"] == {p.file for p in found["problems"]}


@pytest.mark.parametrize(("pool", "key"), [("big", "d.work_pool.name"), ("few/hi", "d.work_pool.work_queue_name")])
def test_what_nothing_declares_is_told_where_it_is_named(pool: str, key: str):
    (problem,) = said(of(read("a", "f/x", pool=pool), read("b", pools=["few/low"])))["problems"]
    assert (problem.file, problem.line > 6, problem.key) == ("a", True, key)


@pytest.mark.parametrize(
    ("pool", "hidden", "suffers"),
    [("big", "big", False), ("big", "other", True), ("few/hi", "hi", False), ("few/hi", "few", True)],
)
def test_while_pools_cannot_be_read_who_names_one_of_them_does_not_suffer(pool, hidden, suffers):
    few = read("c", pools=["few/low"])
    found = said(of(read("a", "f/x", pool=pool), read("b", problems=["bad"], hidden=[hidden]), few))
    assert found["kept"]["a"] == ([] if suffers else ["f/x"])
    assert found["broken"] == ({"a", "b"} if suffers else {"b"})
    assert ["unless b does, which is broken" in n.message for n in found["notes"]] == [True] * (not suffers)


@pytest.mark.parametrize(
    ("pool", "line"),
    [
        ("docker-pool", "work_pools: {docker-pool: {type: process}}"),
        ("my pool: 1", 'work_pools: {"my pool: 1": {type: process}}'),
        ("on", 'work_pools: {"on": {type: process}}'),
    ],
)
def test_the_line_that_declares_an_unknown_pool_can_be_copied(pool: str, line: str):
    (problem,) = said(of(read("a", "f/x", pool=pool)))["problems"]
    assert f"`{line}`" in problem.message
    assert yaml.safe_load(line) == {"work_pools": {pool: {"type": "process"}}}


@pytest.mark.parametrize(("kind", "suffers"), [("process", True), ("inline", False)])
def test_job_variables_are_held_against_the_pool_that_another_file_declares(kind: str, suffers: bool):
    at = ("a", 9, 40, "deployments[0].work_pool.job_variables.evn")
    unfit = replace(read("a", "f/x", pool="big"), misfits={"f/x": (("process", at, "did you mean 'env'?"),)})
    pool = replace(read("b"), pools={"big": {"type": kind, "work_queues": {}}})
    again = read_of("a", json.loads(json.dumps(unfit.json())))
    assert again == unfit
    found = said(of(again, pool))
    assert found["kept"]["a"] == ([] if suffers else ["f/x"])
    assert [(p.file, p.line, p.message) for p in found["problems"]] == [("a", 9, "did you mean 'env'?")] * suffers


def test_a_pool_declared_differently_is_not_in_force_and_told_in_both_files():
    found = said(of(read("a", pools=["big"]), read("b", pools=["big/hi"])))
    assert found["pools"] == {}
    assert [(p.file, p.line, p.key) for p in found["problems"]] == [
        ("a", 3, "work_pools.big"),
        ("b", 3, "work_pools.big"),
    ]


def test_owner():
    both = of(read("a", "f/x"), read("b", "f/x"))
    both.put("a", None)
    assert both.owner("f/x")[0] == "b"
    assert both.owner("F/x") is None
    assert both.owner("f/none") is None


@pytest.mark.parametrize("seed", range(40))
def test_file_by_file_is_like_all_at_once(seed: int):
    rng = random.Random(seed)
    kept, files = Assembly(POOLS), {}
    for _ in range(25):
        path = rng.choice("abcd")
        if rng.random() < 0.2:
            files.pop(path, None)
            kept.put(path, None)
        else:
            names = [rng.choice(("f/x", "F/x", "f/y", "f/z")) for _ in range(rng.choice((0, 1, 2, 3)))]
            pools = rng.sample(("big", "huge", "huge/hi"), rng.choice((0, 0, 1)))
            hidden = rng.choice(((), (), ("big", "lo")))
            problems = rng.choice(((), (), ("bad",)))
            pool = rng.choice(("process", "big", "huge", "huge/hi", "big/lo"))
            files[path] = read(path, *names, pool=pool, pools=pools, problems=problems, hidden=hidden)
            kept.put(path, files[path])
        assert said(kept) == said(of(*files.values()))
