"""Random branches that come, move, break, expire and go beside a random tracked branch: what previews promise."""

import random

import pytest
from helpers_facts import a_declared, a_ledger, a_spec, apply, desired_of, history, later, picture, tell

from reconciler.core import plan, preview, project, rows
from reconciler.core.plan import Policy
from reconciler.core.preview import Head
from reconciler.model.events import BranchTracked
from reconciler.model.plan import Source, SourceKind

NAMES = ("etl/a", "etl/b", "ml/c", "etl/a--x")
BRANCHES = ("x", "feature/x", "feature-x", "FEATURE-X", "y")
WANTED = preview.Policy(("**",), ttl=250, most=3)


def desired(rng: random.Random, revision: str):
    """Some of the names with random specs, sources, pools and broken files."""
    files = {name: f"specs/{name[-1]}.yaml" for name in NAMES}
    broken = {file for file in files.values() if rng.random() < 0.1}
    pairs = []
    for name in NAMES:
        if files[name] not in broken and rng.random() < 0.7:
            spec = a_spec(name, tags=[rng.choice("xy")], work_pool={"name": rng.choice(("process", "big"))})
            scoped = Source(SourceKind.SCOPE, f"c{rng.randint(0, 2)}", directories=("src",))
            source = scoped if name == "ml/c" else Source(SourceKind.WHOLE)
            pairs.append((spec, a_declared(spec, file=files[name], commit=f"s{rng.randint(0, 2)}", source=source)))
    pools = {"big": {"type": "process", "file": "specs/p.yaml"}} if rng.random() < 0.6 else {}
    return desired_of(*pairs, revision=revision, whole=f"w-{revision}", broken=broken, pools=pools)


def decide(ledger, heads, read, now):
    """What the loop does about previews."""
    tell(ledger, *preview.ended(heads, ledger.observed, now, WANTED), now=now)
    live, _ = preview.chosen(heads, ledger.observed, now, WANTED)
    for branch, commit in live.items():
        tell(ledger, *preview.apply(branch, read[commit], ledger.observed, now, WANTED).facts, now=now)
    return live


def tracked(ledger):
    """All that the tracked branch's part of the state says, but for where in the log it is."""
    row = rows.repository_row(ledger.observed)
    del row["previews"]
    return [row, {name: rows.deployment_row(d) for name, d in ledger.observed.tracked.items()}]


@pytest.mark.parametrize("seed", range(40))
def test_previews_settle_leave_nothing_and_never_touch_the_tracked_branch(seed: int):
    rng, ledger, alone = random.Random(seed), a_ledger(), a_ledger()
    read: dict = {}
    heads: dict[str, Head] = {}
    for one in (ledger, alone):
        tell(one, BranchTracked(branch="main"))
    for step in range(12):
        now = later(step * 100)
        for branch in BRANCHES:
            if rng.random() < 0.3:
                revision = f"{branch}@{step}"
                read[revision], heads[branch] = desired(rng, revision), Head(revision, later(rng.randint(0, 9)))
            elif rng.random() < 0.2:
                heads.pop(branch, None)
        main = desired(rng, f"main@{step}")
        made, same = apply(ledger, main, now=now), apply(alone, main, now=now)
        assert [made.changes, made.moved, made.refused] == [same.changes, same.moved, same.refused]
        live = decide(ledger, heads, read, now)
        assert tracked(ledger) == tracked(alone)
        before = picture(ledger.observed)
        assert decide(ledger, heads, read, now) == live
        assert picture(ledger.observed) == before
        assert plan.facts(plan.plan(main, ledger.observed, Policy()), main, ledger.observed) == []
        observed = ledger.observed
        assert {b for b, p in observed.previews.items() if not p.over} == set(live)
        assert {d.preview for d in observed.deployments.values()} <= {"", *live}
        assert len({name.casefold() for name in observed.deployments}) == len(observed.deployments)
        suffixes = [p.suffix.casefold() for p in observed.previews.values()]
        assert len(set(suffixes)) == len(suffixes)
        for d in observed.deployments.values():
            if d.preview and not d.invalid:
                assert (d.paused, d.schedules, d.source.kind) == (True, (), SourceKind.COMMIT)
                assert d.source.commit in {f"w-{live[d.preview]}", "c0", "c1", "c2"}
    assert picture(project.replay(history(ledger.store))[0]) == picture(ledger.observed)
    tell(ledger, *preview.ended({}, ledger.observed, later(9999), WANTED), now=later(9999))
    assert tracked(ledger) == tracked(alone)
    assert (ledger.observed.previews, ledger.observed.deployments.keys()) == ({}, alone.observed.deployments.keys())
