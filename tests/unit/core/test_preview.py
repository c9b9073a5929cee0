"""Which branches are previewed, under what names and until when; what deploying, moving and ending one appends."""

from dataclasses import replace
from datetime import timedelta

import pytest
from helpers_facts import NOW, a_declared, a_ledger, a_rule, a_spec, apply, desired_of, later, picture, rows_of, tell

from reconciler.core import commands, preview
from reconciler.core import rows as rows_
from reconciler.core.preview import Head, Policy, named, suffix_of
from reconciler.model.events import BranchTracked
from reconciler.model.plan import Problem, Source, SourceKind
from reconciler.model.state import Observed, Preview

ALL = Policy(("**",), ttl=3600)


def head(revision: str, seconds: float = 0) -> Head:
    return Head(revision, later(seconds))


def show(ledger, branch, desired, now=NOW, policy=ALL):
    """Deploy a branch, as the loop does."""
    made = preview.apply(branch, desired, ledger.observed, now, policy)
    tell(ledger, *made.facts, now=now)
    return made


def end(ledger, heads, now=NOW, policy=ALL):
    facts = preview.ended(heads, ledger.observed, now, policy)
    tell(ledger, *facts, now=now)
    return [(f.branch, f.reason) for f in facts if f.type == "PreviewPruned"]


@pytest.fixture
def ledger():
    made = a_ledger()
    tell(made, BranchTracked(branch="main"))
    apply(made, desired_of(a_spec(schedules=[a_rule()]), revision="m1"))
    return made


def names(ledger, branch="feature/x"):
    return sorted(name for name, d in ledger.observed.deployments.items() if d.preview == branch)


@pytest.mark.parametrize(
    ("branch", "taken", "suffix"),
    [
        ("feature/x", "", "feature-x"),
        ("feat#1 ü", "", "feat-1-ü"),
        ("--", "", "branch"),
        ("feature-x", "feature-x", "feature-x-84a9b0"),
        ("Feature/x", "feature-x", "Feature-x-9c8a2a"),
        ("b" * 70, "", "b" * 53 + "-6ea7f4"),
    ],
)
def test_suffixes(branch, taken, suffix):
    known = {"other": Preview("r", NOW, NOW, suffix=taken)} if taken else {}
    found = suffix_of(branch, Observed(previews=known))
    assert found[: -len("-84a9b0")] == suffix[: -len("-84a9b0")]
    assert len(found) == len(suffix) <= preview.LONGEST_SUFFIX
    assert found == suffix_of(branch, Observed(previews=known))


def test_names_fit_and_differ_where_they_are_cut():
    assert named("etl/nightly", "x") == "etl/nightly--x"
    long = [named(f"etl/{'n' * 190}{end}", "s" * 60) for end in ("a", "b")]
    assert [len(name) for name in long] == [len("etl/") + 200] * 2
    assert long[0] != long[1]


def test_a_branch_is_deployed_beside_the_tracked_one_pinned_and_without_schedules(ledger):
    scoped = a_spec("etl/scoped")
    source = Source(SourceKind.SCOPE, "c1", directories=("src",))
    there = replace(a_declared(scoped), source=source)
    desired = desired_of(a_spec(schedules=[a_rule()]), (scoped, there), revision="b1", whole="w1")
    show(ledger, "feature/x", desired)
    found = ledger.observed.deployments
    assert names(ledger) == ["etl/nightly--feature-x", "etl/scoped--feature-x"]
    whole, scope = found["etl/nightly--feature-x"], found["etl/scoped--feature-x"]
    assert (whole.paused, whole.schedules, whole.source_commit("main's")) == (True, (), "w1")
    assert (scope.source.kind, scope.source.commit, scope.source.directories) == (SourceKind.COMMIT, "c1", ("src",))
    known = ledger.observed.previews["feature/x"]
    assert (known.revision, known.until, known.suffix) == ("b1", NOW + timedelta(hours=1), "feature-x")
    assert found["etl/nightly"].schedules
    assert not found["etl/nightly"].paused


def test_asking_twice_adds_nothing_and_a_move_is_one_fact(ledger):
    desired = desired_of(a_spec(), a_spec("etl/b"), revision="b1", whole="w1")
    show(ledger, "feature/x", desired)
    assert show(ledger, "feature/x", desired, now=later(60)).facts == ()
    moved = replace(desired, revision="b2", whole_commit="w2")
    made = show(ledger, "feature/x", moved, now=later(60))
    assert [f.type for f in made.facts] == ["PreviewApplied"]
    assert made.facts[0].moved == 2
    assert {ledger.observed.deployments[name].source.commit for name in names(ledger)} == {"w2"}
    assert ledger.observed.previews["feature/x"].until == later(3660)


def test_a_broken_file_holds_what_it_had_and_touches_nothing_else(ledger):
    show(ledger, "feature/x", desired_of(a_spec(), a_spec("etl/b"), revision="b1", whole="w1"))
    before = rows_.deployment_row(ledger.observed.deployments["etl/nightly"])
    made = show(
        ledger, "feature/x", desired_of(a_spec("etl/b"), revision="b2", whole="w2", broken=["specs/nightly.yaml"])
    )
    held, sound = (ledger.observed.deployments[name] for name in names(ledger)[::-1])
    assert (held.name, held.invalid, held.source.commit) == ("etl/nightly--feature-x", True, "w1")
    assert (sound.invalid, sound.source.commit) == (False, "w2")
    assert made.facts[-1].problems == tuple(ledger.observed.previews["feature/x"].problems)
    assert (ledger.observed.problems, ledger.observed.any_invalid) == ([], False)
    assert rows_.deployment_row(ledger.observed.deployments["etl/nightly"]) == before
    show(ledger, "feature/x", desired_of(a_spec(), a_spec("etl/b"), revision="b3", whole="w3"))
    assert [(d.invalid, d.source.commit) for d in map(ledger.observed.deployments.get, names(ledger))] == [
        (False, "w3")
    ] * 2


def test_the_tracked_plan_and_its_guard_know_nothing_of_previews(ledger):
    show(ledger, "feature/x", desired_of(*(a_spec(f"etl/{n}") for n in "abcdef"), revision="b1"))
    assert apply(ledger, desired_of(a_spec(schedules=[a_rule()]), revision="m1")).empty
    refused = apply(ledger, desired_of(revision="m2")).refused
    assert refused
    assert "the only deployment" in refused.reason
    assert len(names(ledger)) == 6


def test_a_real_deployment_of_the_name_wins(ledger):
    show(ledger, "feature/x", desired_of(a_spec(), revision="b1", whole="w1"))
    tell(ledger, *commands.run(ledger.observed, a_request("etl/nightly--feature-x"), "ada")[1])
    both = desired_of(a_spec(schedules=[a_rule()]), a_spec("etl/nightly--feature-x"), revision="m2")
    apply(ledger, both)
    real = ledger.observed.deployments["etl/nightly--feature-x"]
    assert (real.preview, real.generation, real.source.kind) == ("", 1, SourceKind.WHOLE)
    assert ledger.observed.runs == {}
    made = show(ledger, "feature/x", desired_of(a_spec(), revision="b1", whole="w1"))
    assert "declared by the tracked branch" in made.facts[-1].problems[0]["message"]
    assert names(ledger) == []
    again = show(ledger, "feature/x", desired_of(a_spec(), revision="b1", whole="w1"))
    assert again.facts == ()


def test_two_previews_never_share_a_name(ledger):
    show(ledger, "c", desired_of(a_spec("etl/a--b"), revision="r1"))
    made = show(ledger, "b--c", desired_of(a_spec("etl/a"), revision="r2"))
    assert "declared by the preview of c" in made.facts[-1].problems[0]["message"]
    assert (names(ledger, "c"), names(ledger, "b--c")) == (["etl/a--b--c"], [])


def test_a_work_pool_of_the_branch_alone_is_a_problem_of_those_that_name_it(ledger):
    pool = {"type": "process", "file": "specs/p.yaml", "work_queues": {}}
    desired = desired_of(a_spec(work_pool={"name": "big"}), a_spec("etl/b"), revision="b1", pools={"big": pool})
    made = show(ledger, "feature/x", desired)
    assert names(ledger) == ["etl/b--feature-x"]
    assert "work pool big is on this branch only" in made.facts[-1].problems[0]["message"]
    assert ledger.observed.pools == {}
    apply(ledger, desired_of(a_spec(schedules=[a_rule()]), revision="m2"), pools={"big": pool})
    show(ledger, "feature/x", desired)
    assert names(ledger) == ["etl/b--feature-x", "etl/nightly--feature-x"]


def a_request(name, key="k"):
    return commands.RunRequest(name, "", key, NOW)


@pytest.mark.parametrize(
    ("heads", "now", "policy", "why"),
    [
        ({}, NOW, ALL, "the branch is gone"),
        ({"feature/x": head("b1")}, NOW, Policy(), "not previewed any more"),
        (None, NOW, Policy(("main-*",)), "not previewed any more"),
        ({"feature/x": head("b1"), "y": head("y", 5)}, NOW, replace(ALL, most=1), "1 other branches have newer"),
        ({"feature/x": head("b1")}, later(3600), ALL, "its time was over"),
        (None, later(3600), ALL, "its time was over"),
    ],
    ids=["gone", "no patterns", "other patterns", "too many", "its time is over", "over while git is away"],
)
def test_the_end_prunes_everything_and_cancels_what_waits(ledger, heads, now, policy, why):
    before = picture(ledger.observed)
    show(ledger, "feature/x", desired_of(a_spec(), a_spec("etl/b"), revision="b1"))
    ident, facts = commands.run(ledger.observed, a_request("etl/b--feature-x"), "ada")
    tell(ledger, *facts)
    [(branch, reason)] = end(ledger, heads, now, policy)
    assert (branch, why in reason) == ("feature/x", True), reason
    assert (names(ledger), ledger.observed.runs) == ([], {})
    assert ledger.store.run(ident)["state"] == "Cancelled"
    assert ledger.store.run(ident)["preview"] == "feature/x"
    assert end(ledger, heads, now, policy) == []
    if "over" not in why:
        ledger.observed.seq = 3
        assert picture(ledger.observed) == before


@pytest.mark.parametrize(
    ("heads", "now"), [(None, NOW), ({"feature/x": head("b2")}, later(9999))], ids=["away", "moved"]
)
def test_nothing_ends_while_git_is_away_or_a_branch_has_just_moved(ledger, heads, now):
    show(ledger, "feature/x", desired_of(a_spec(), revision="b1"))
    assert end(ledger, heads, now) == []


def test_over_stays_over_until_the_branch_moves(ledger):
    show(ledger, "feature/x", desired_of(a_spec(), revision="b1"))
    assert preview.wake_at(ledger.observed, NOW) == later(3600)
    same, moved = {"feature/x": head("b1")}, {"feature/x": head("b2")}
    end(ledger, same, later(3600))
    assert preview.wake_at(ledger.observed, NOW) is None
    assert preview.chosen(same, ledger.observed, NOW, ALL) == ({}, ())
    assert preview.chosen(moved, ledger.observed, later(3600), ALL) == ({"feature/x": "b2"}, ())
    show(ledger, "feature/x", desired_of(a_spec(), revision="b2"), now=later(3600))
    assert names(ledger) == ["etl/nightly--feature-x"]
    assert end(ledger, {}, later(3700)) == [("feature/x", "the branch is gone")]
    assert ledger.observed.previews == {}


def test_the_newest_commits_are_chosen_and_the_tracked_branch_never():
    heads = {f"b{n:02}": head(f"c{n}", n) for n in range(23)} | {"main": head("m", 99)}
    live, left = preview.chosen(heads, Observed(branch="main"), NOW, ALL)
    assert list(live) == [f"b{n:02}" for n in range(22, 2, -1)]
    assert left == ("b02", "b01", "b00")


def test_the_log_keeps_the_first_of_many_problems(ledger):
    faults = tuple(Problem("specs/a.yaml", line, 1, "", "no") for line in range(1, 5_001))
    wanted = replace(desired_of(a_spec(), revision="b1"), problems=faults)
    show(ledger, "feature/x", wanted)
    kept = ledger.observed.previews["feature/x"].problems
    assert (len(kept), kept[-1]["message"]) == (1_001, "4000 more problems from here on")
    assert show(ledger, "feature/x", wanted).facts == ()


def test_a_commit_of_the_future_takes_no_other_branchs_place():
    heads = {f"b{n:02}": head(f"c{n}", n) for n in range(20)} | {"late": head("x", 3 * 86_400)}
    live, left = preview.chosen(heads, Observed(branch="main"), NOW, ALL)
    assert (len(live), left) == (20, ("late",))


def test_tracking_a_previewed_branch_ends_its_preview(ledger):
    show(ledger, "feature/x", desired_of(a_spec(), revision="b1"))
    tell(ledger, BranchTracked(branch="feature/x"))
    assert end(ledger, {"feature/x": head("b1")}) == [("feature/x", "it is the tracked branch now")]


def test_rows_bring_back_what_was_folded(ledger):
    show(ledger, "feature/x", desired_of(a_spec("etl/b"), revision="b1", broken=["specs/new.yaml"]))
    tell(ledger, *commands.run(ledger.observed, a_request("etl/b--feature-x"), "ada")[1])
    store, observed = ledger.store, ledger.observed
    again = rows_.restore(store.meta("repository"), store.deployments(), store.live_runs(), observed.seq)
    assert picture(again) == picture(observed)
    assert again.any_invalid is False
    assert rows_of(store.events(limit=100)).meta["repository"] == store.meta("repository")
