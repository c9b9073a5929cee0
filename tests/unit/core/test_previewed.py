"""The fold of what the log says about previews; tests/property/test_preview folds whole logs of them."""

import pytest
from helpers_facts import NOW, a_deployment, later, observed_of

from reconciler.core import previewed
from reconciler.model.errors import ChainBrokenError
from reconciler.model.events import PreviewApplied, PreviewPruned
from reconciler.model.fact import Event
from reconciler.model.ids import instant
from reconciler.model.plan import Source, SourceKind


def event(fact):
    return Event(7, fact.type, fact.subject, NOW, "r0", fact.data())


def a_preview(name, **source):
    given = {"kind": SourceKind.COMMIT, "commit": "old", "branch": "x"} | source
    return a_deployment(name, file="specs/a.yaml", preview="x", source=Source(**given))


def applied(observed, **fields):
    fact = PreviewApplied(branch="x", revision="b2", until=instant(later(9)), suffix="x", whole_commit="new", **fields)
    return list(previewed.applied(observed, event(fact)))


def test_one_fact_moves_what_follows_the_whole_repository_of_the_branch_and_nothing_else():
    names = {
        "etl/whole--x": {},
        "etl/scoped--x": {"directories": ("src",)},
        "etl/given--x": {"branch": None},
        "etl/foreign--x": {"kind": SourceKind.FOREIGN, "repository": "https://example.org/r", "branch": None},
    }
    tracked = a_deployment("etl/whole", file="specs/a.yaml")
    observed = observed_of(tracked, *(a_preview(name, **source) for name, source in names.items()))
    assert applied(observed, spec_commits={"specs/a.yaml": "s2"}) == list(names)
    commits = {name: d.source.commit for name, d in observed.deployments.items()}
    assert commits == dict.fromkeys(names, "old") | {"etl/whole": None, "etl/whole--x": "new"}
    assert {d.spec_commit for d in observed.deployments.values() if d.preview} == {"s2"}
    assert tracked.spec_commit == "s" * 40


def test_what_is_held_keeps_its_commits_until_it_is_sound_again():
    observed = observed_of(a_preview("etl/a--x"))
    applied(observed, held=("etl/a--x",), spec_commits={"specs/a.yaml": "s2"})
    held = observed.deployments["etl/a--x"]
    assert (held.invalid, held.source.commit, held.spec_commit) == (True, "old", "s" * 40)
    applied(observed)
    assert (held.invalid, held.source.commit, observed.any_invalid) == (False, "new", False)


@pytest.mark.parametrize("over", [True, False])
def test_the_end(over):
    observed = observed_of()
    with pytest.raises(ChainBrokenError, match="no preview of 'x'"):
        previewed.pruned(observed, event(PreviewPruned(branch="x", reason="gone", over=over)))
    applied(observed, problems=({"file": "f"},))
    previewed.pruned(observed, event(PreviewPruned(branch="x", reason="gone", over=over)))
    assert [(p.over, p.problems, p.suffix) for p in observed.previews.values()] == ([(True, [], "x")] if over else [])
