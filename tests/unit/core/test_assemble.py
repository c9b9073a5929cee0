"""All spec files together, kept file by file."""

import random

import pytest

from reconciler.core.assemble import Assembly
from reconciler.core.declare import Entry, FileRead
from reconciler.model.plan import Problem, Source, SourceKind

POOLS = frozenset({"process"})


def read(path: str, *names: str, pool: str = "process", pools=(), problems=()) -> FileRead:
    entries = tuple(Entry(n, i, f"{path}{n}", Source(SourceKind.WHOLE), pool) for i, n in enumerate(names, 1))
    return FileRead(
        path, entries, tuple(Problem(path, 1, 1, "", p) for p in problems), (), {p: {"type": "process"} for p in pools}
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
}


@pytest.mark.parametrize(("reads", "kept", "why"), CASES.values(), ids=CASES)
def test_what_only_the_whole_shows(reads, kept, why):
    found = said(of(*reads))
    assert found["kept"] == kept
    assert bool(found["problems"]) is (why is not None)
    assert all(why in p.message for p in found["problems"])
    assert found["broken"] == {p.file for p in found["problems"]}


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
            pools = rng.sample(("big", "huge"), rng.choice((0, 0, 1)))
            problems = rng.choice(((), (), ("bad",)))
            pool = rng.choice(("process", "big", "huge"))
            files[path] = read(path, *names, pool=pool, pools=pools, problems=problems)
            kept.put(path, files[path])
        assert said(kept) == said(of(*files.values()))
