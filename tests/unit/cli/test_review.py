"""What a plan is shown with: moves and their commits, slots before and after, runs in flight, what was there before."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from helpers_facts import a_deployment, a_run, observed_of
from helpers_git import Repo

from reconciler.cli._place import Place, settings_of
from reconciler.cli._planning import Planner
from reconciler.cli._review import review
from reconciler.core import pinned
from reconciler.model.state import Quarantine, State

NOW = datetime(2026, 3, 28, 12, tzinfo=UTC)
CODE = "def f(limit: int = 3):\n    pass\n"
SPEC = "deployments:\n  - name: {}\n    entrypoint: src/f.py:f\n"
CRON = "    schedules: [{{cron: '{}', timezone: Europe/Paris}}]\n"
SCOPED = "    pull: [{git_clone: {repository: ., directories: [src]}}]\n"


@pytest.fixture
def repo(tmp_path):
    made = Repo(tmp_path / "repo")
    made.commit({"src/f.py": CODE, "specs/a.yaml": SPEC.format("a"), "specs/s.yaml": SPEC.format("s") + SCOPED}, "one")
    return made


def reviewed(repo, span="HEAD~1..HEAD", **flags):
    place = Place.of({"repo": str(repo.path), "state_dir": None})
    planner = Planner(place, settings_of(place, flags))
    with planner.repo:
        made = planner.between(*planner.ends(span), NOW) if ".." in span else planner.against_log(span)
        return review(made, planner.repo, NOW, "specs")


def test_versions_move_by_the_commits_that_touch_their_source(repo):
    first = repo.head()
    second = repo.commit({"src/f.py": CODE + "\n"}, "two")
    third = repo.commit({"README": "x"}, "three")
    whole, scoped = reviewed(repo, f"{first}..HEAD").moves
    assert (whole.deployments, whole.before, whole.after, whole.whole) == (("f/a",), first[:8], third[:8], True)
    assert [c.subject for c in whole.commits] == ["three", "two"]
    assert (scoped.deployments, scoped.after, [c.commit for c in scoped.commits]) == (("f/s",), second[:8], [second])
    assert [c.subject for c in reviewed(repo, f"HEAD..{first}").moves[0].commits] == ["one"]


def test_a_long_subject_is_cut_and_a_version_of_its_own_moves_by_its_commit(repo):
    repo.commit({"README": "x"}, "s" * 5000)
    (move,) = reviewed(repo).moves
    assert [len(c.subject) for c in move.commits] == [200]
    pinned_at = f"    pull: [{{git_clone: {{repository: ., commit_sha: {repo.head('HEAD~1')}}}}}]\n"
    repo.commit({"specs/a.yaml": SPEC.format("a") + pinned_at})
    assert [(m.deployments, [c.subject for c in m.commits]) for m in reviewed(repo).moves] == [(("f/a",), ["one"])]


def test_a_changed_spec_moves_its_version_too_and_many_commits_are_counted(repo):
    first = repo.head()
    for number in range(12):
        repo.commit({"README": str(number)}, f"n{number}")
    repo.commit({"specs/a.yaml": SPEC.format("a") + "    tags: [x]\n"}, "tags")
    found = reviewed(repo, f"{first}..HEAD")
    assert found.versions == {"f/a": first[:8]}
    assert (found.moves[0].deployments, found.moves[0].commits[0].subject, found.moves[0].more) == (("f/a",), "tags", 3)


@pytest.mark.parametrize(
    ("before", "after", "slots", "daily"),
    [
        ("", CRON.format("30 2 * * *"), ([], ["Sun 2026-03-29 03:30+02:00 Europe/Paris"]), 1),
        (CRON.format("0 9 * * *"), "", (["Sun 2026-03-29 09:00+02:00 Europe/Paris"], []), -1),
        (CRON.format("0 9 * * *"), CRON.format("0 */6 * * *"), (..., ["Sat 2026-03-28 18:00+01:00 Europe/Paris"]), 3),
        (CRON.format("0 9 * * *"), CRON.format("0 9 * * MON-FRI"), (..., ...), None),
        (CRON.format("0 9 * * *"), CRON.format("0 9 * * *") + "    paused: true\n", (..., []), -1),
        (CRON.format("0 9 * * *"), CRON.format("5 9 * * *"), (..., ...), 0),
    ],
)
def test_the_next_slots_before_and_after(repo, before, after, slots, daily):
    repo.commit({"specs/a.yaml": SPEC.format("a") + before})
    repo.commit({"specs/a.yaml": SPEC.format("a") + after})
    (times,) = reviewed(repo).times
    assert times.daily == daily
    for found, wanted in zip((times.before, times.after), slots, strict=True):
        if wanted is not ...:
            assert [slot.local for slot in found][:1] == wanted
            assert len(found) in (0, 3)


def test_the_slots_of_many_are_counted(repo, monkeypatch):
    monkeypatch.setattr("reconciler.cli._review.TIMED", 1)
    repo.commit({f"specs/{n}.yaml": SPEC.format(n) + CRON.format("* * * * *") for n in "xyz"})
    found = reviewed(repo)
    assert (len(found.times), found.untimed, found.times[0].daily) == (1, 2, None)


def test_what_is_held_in_quarantine_is_told(repo):
    repo.commit({"README": "x"})
    place = Place.of({"repo": str(repo.path), "state_dir": None})
    planner = Planner(place, settings_of(place, {}))
    with planner.repo:
        made = planner.between(*planner.ends("HEAD~1..HEAD"), NOW)
        held = Quarantine("v1", "it is wrong", "Ada", NOW, a_deployment("f/a"))
        serving = observed_of(a_deployment("f/a", quarantine=held), a_deployment("f/z", quarantine=held))
        found = review(replace(made, serving=serving), planner.repo, NOW, "")
        whole = review(replace(made, serving=serving, logged=True), planner.repo, NOW, "")
    said = tuple(f"f/{n} is held at version v1: what git says waits until `reconciler release f/{n}`" for n in "az")
    assert found.hints == said[:1]
    assert whole.hints == said, "against the log, what no commit touches is told too"


def test_slots_that_stay_are_not_told(repo):
    repo.commit({"specs/a.yaml": SPEC.format("a") + CRON.format("0 9 * * *")})
    repo.commit({"specs/a.yaml": SPEC.format("a") + CRON.format("0 9 * * *") + "    tags: [x]\n"})
    assert reviewed(repo).times == ()


def test_a_change_is_placed_on_its_first_line_that_differs(repo):
    both = SPEC.format("a") + "    tags: [x]\n" + SPEC.format("b").partition("\n")[2]
    repo.commit({"specs/a.yaml": both})
    assert reviewed(repo).places == {"f/b": ("specs/a.yaml", 5), "f/a": ("specs/a.yaml", 4)}
    repo.commit({"src/f.py": "# new\n" + CODE.replace("3", "5"), "specs/a.yaml": both.replace("[x]", "[y]")})
    assert reviewed(repo).places == {"f/a": ("specs/a.yaml", 4), "f/b": ("src/f.py", 1), "f/s": ("src/f.py", 1)}
    repo.commit({"specs/s.yaml": None})
    assert reviewed(repo).places == {"f/s": ("specs/s.yaml", 2)}


def test_a_change_that_an_overlay_makes_is_placed_there(repo):
    overlay = (
        "patches:\n- target: {{name: a}}\n  patch:\n    tags: [{}]\n- target: {{name: s}}\n  patch:\n"
        "    description: {}\n"
    )
    repo.commit({"specs/env/prod.yaml": overlay.format("x", "x")})
    repo.commit({"specs/env/prod.yaml": overlay.format("y", "y")})
    found = reviewed(repo, env="prod")
    assert found.places == {"f/a": ("specs/env/prod.yaml", 4), "f/s": ("specs/env/prod.yaml", 7)}
    assert (found.env, found.scope) == ("prod", "specs, prod")


def test_problems_that_were_there_before_are_known_on_whatever_line(repo):
    bad = "deployments:\n  - {name: b, entrypoint: 'gone.py:f'}\n"
    repo.commit({"specs/b.yaml": bad})
    assert reviewed(repo).known == frozenset()
    repo.commit({"specs/b.yaml": "# a line\n" + bad, "specs/c.yaml": bad.replace("b", "c")})
    found = reviewed(repo)
    assert [(p.file, p in found.known) for p in found.plan.problems] == [
        ("specs/b.yaml", True),
        ("specs/c.yaml", False),
    ]


RUNS = {
    "waits": {"state": State.SCHEDULED},
    "asked": {"state": State.AWAITING_CONCURRENCY_SLOT, "trigger": "manual"},
    "runs": {"state": State.RUNNING},
}
STAYS = "as created, at version v1"


@pytest.mark.parametrize(
    ("then", "fates"),
    [
        (
            {"specs/a.yaml": SPEC.format("a") + "    tags: [x]\n"},
            {"waits": f"runs {STAYS}", "asked": f"runs {STAYS}", "runs": f"goes on {STAYS}"},
        ),
        ({"README": "x"}, {"waits": f"runs {STAYS}", "asked": f"runs {STAYS}", "runs": f"goes on {STAYS}"}),
        (
            {"specs/a.yaml": SPEC.format("a") + "    paused: true\n"},
            {"waits": f"is cancelled: {pinned.PAUSED}", "asked": f"runs {STAYS}", "runs": f"goes on {STAYS}"},
        ),
        (
            {"specs/a.yaml": None},
            {
                "waits": f"is cancelled: {pinned.PRUNED}",
                "asked": f"is cancelled: {pinned.PRUNED}",
                "runs": f"goes on {STAYS}",
            },
        ),
    ],
    ids=["changed", "moved", "paused", "pruned"],
)
def test_runs_in_flight_go_on_or_are_cancelled_as_apply_would(repo, then, fates):
    repo.commit(then)
    place = Place.of({"repo": str(repo.path), "state_dir": None})
    planner = Planner(place, settings_of(place, {}))
    runs = [
        replace(a_run(deployment=owner, version="v1", **more), id=f"{name} of {owner}")
        for owner in ("f/a", "f/z")
        for name, more in RUNS.items()
    ]
    with planner.repo:
        made = planner.between(*planner.ends("HEAD~1..HEAD"), NOW)
        assert review(made, planner.repo, NOW, "").live is None
        serving = observed_of(a_deployment("f/a"), a_deployment("f/z"), runs=runs)
        found = review(replace(made, serving=serving), planner.repo, NOW, "").live
    told = {live.run.removesuffix(" of f/a"): live.fate for live in found}
    assert told == fates
    assert {live.run for live in found if live.cancelled} == {live.run for live in found if "cancelled" in live.fate}


def test_what_a_refused_plan_would_cancel_goes_on(repo):
    repo.commit({"specs/a.yaml": None, "specs/s.yaml": None})
    place = Place.of({"repo": str(repo.path), "state_dir": None})
    planner = Planner(place, settings_of(place, {}))
    with planner.repo:
        made = planner.between(*planner.ends("HEAD~1..HEAD"), NOW)
        serving = observed_of(a_deployment("f/a"), runs=[a_run("r", deployment="f/a", state=State.SCHEDULED)])
        (live,) = review(replace(made, serving=serving), planner.repo, NOW, "").live
    assert made.plan.refused
    assert not live.cancelled
