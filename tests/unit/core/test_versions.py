"""The versions a deployment had, as its facts and the applied revisions tell them."""

import pytest
from helpers_facts import a_declared, a_ledger, a_spec, apply, desired_of, later, tell

from reconciler.core import commands, quarantine
from reconciler.core.versions import declared, find
from reconciler.daemon import past
from reconciler.model.errors import ConflictError, NotFoundError
from reconciler.model.plan import Source, SourceKind

NAME = "etl/a"
ONE, TWO, THREE = "1" * 40, "2" * 40, "12" * 20


def had(ledger):
    return list(past.read(ledger.store, NAME))


def told(ledger):
    return [(v.what, v.generation, (v.commit or "")[:4], v.applied) for v in had(ledger)]


def hold(ledger, given, now=500):
    version = find(NAME, had(ledger), given)
    facts = quarantine.quarantine(ledger.observed, NAME, version, now=later(now), who="ada", reason="bad")
    tell(ledger, *facts, now=later(now))


def release(ledger, now=900):
    tell(ledger, *quarantine.release(ledger.observed, NAME, later(now), "ada", "fine"), now=later(now))


@pytest.fixture
def ledger():
    """Created at ONE, moved to TWO, changed at THREE."""
    ledger = a_ledger()
    apply(ledger, desired_of(a_spec(NAME), revision="r1", whole=ONE))
    apply(ledger, desired_of(a_spec(NAME), revision="r2", whole=TWO), now=later(10))
    apply(ledger, desired_of(a_spec(NAME, tags=["x"]), revision="r3", whole=THREE), now=later(20))
    return ledger


def test_facts_of_its_own_and_moves_of_the_whole_repository_are_joined(ledger):
    assert told(ledger) == [
        ("created", 1, "1111", True), ("moved", 1, "2222", True), ("updated", 2, "1212", True),
    ]  # fmt: skip
    assert [v.revision for v in had(ledger)] == ["r1", "r2", "r3"]


def test_a_deployment_made_later_says_nothing_of_what_was_before(ledger):
    apply(ledger, desired_of(a_spec(NAME, tags=["x"]), a_spec("etl/b"), revision="r4", whole=THREE))
    assert [v.what for v in past.read(ledger.store, "etl/b")] == ["created"]
    assert list(past.read(ledger.store, "etl/none")) == []


def test_while_one_is_held_git_goes_on_beside_it(ledger):
    hold(ledger, ONE[:8])
    apply(ledger, desired_of(a_spec(NAME, tags=["x"]), revision="r4", whole=TWO), now=later(600))
    apply(ledger, desired_of(a_spec(NAME, tags=["y"]), revision="r5", whole=ONE), now=later(700))
    release(ledger)
    assert told(ledger)[3:] == [
        ("quarantined", 1, "1111", True), ("moved", 2, "2222", False), ("updated", 3, "1111", False),
        ("released", 3, "1111", True),
    ]  # fmt: skip
    assert had(ledger)[3].reason == "bad (ada)"
    assert declared(had(ledger), had(ledger)[3]).revision == "r1"


def test_it_is_pruned_while_held_and_made_again(ledger):
    hold(ledger, ONE[:8])
    apply(ledger, desired_of(a_spec("etl/b"), revision="r4", whole=TWO), now=later(600))
    tell(ledger, *commands.confirm(ledger.observed, "r4", "ada", "yes"))
    apply(ledger, desired_of(a_spec("etl/b"), revision="r4", whole=TWO), now=later(610))
    apply(ledger, desired_of(a_spec(NAME), a_spec("etl/b"), revision="r5", whole=TWO), now=later(700))
    assert told(ledger)[4:] == [("pruned", 1, "1111", True), ("created", 1, "2222", True)]


def test_a_spec_commit_that_moves_alone_is_that_of_the_version():
    ledger = a_ledger()
    spec = a_spec(NAME)
    apply(ledger, desired_of((spec, a_declared(spec, commit="s1")), revision="r1", whole=ONE))
    apply(ledger, desired_of((spec, a_declared(spec, commit="s2")), revision="r2", whole=TWO))
    assert [v.spec_commit for v in had(ledger)] == ["s1", "s2"]


@pytest.mark.parametrize(
    ("given", "generation", "commit"),
    [
        (ONE[:8], 1, ONE),
        (ONE, 1, ONE),
        ("gen:2", 2, THREE),
        (f"gen:1@{TWO[:6]}", 1, TWO),
        ("1212", 2, THREE),
        ("2222", 1, TWO),
    ],
)
def test_a_version_is_named_by_its_commit_or_its_generation(ledger, given, generation, commit):
    found = find(NAME, had(ledger), given)
    assert (found.generation, found.commit) == (generation, commit)


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ("gen:1", ConflictError, f"gen:1@{TWO[:8]}, gen:1@{ONE[:8]}"),
        ("gen:9", NotFoundError, f"gen:2@{THREE[:8]}, gen:1@{TWO[:8]}, gen:1@{ONE[:8]}"),
        ("111", NotFoundError, "never had a version '111'"),
        ("", NotFoundError, "never had"),
        ("gen:", NotFoundError, "never had"),
        ("gen:2@2222", NotFoundError, "never had"),
    ],
)
def test_what_names_none_or_several_is_answered_with_candidates(ledger, given, error, says):
    with pytest.raises(error) as told:
        find(NAME, had(ledger), given)
    assert says in str(told.value)


def test_a_label_that_several_versions_bore_names_them_all():
    ledger = a_ledger()
    for number, whole in enumerate((ONE, TWO), 1):
        apply(ledger, desired_of(a_spec(NAME, version="1.0", tags=[str(number)]), revision=f"r{number}", whole=whole))
    with pytest.raises(ConflictError, match=r"gen:2@22222222 \(1.0\), gen:1@11111111 \(1.0\)"):
        find(NAME, had(ledger), "1.0")
    apply(ledger, desired_of(a_spec(NAME, version="1111"), revision="r3", whole=THREE))
    assert find(NAME, had(ledger), "1111").commit == THREE  # a label before a commit


def test_one_with_a_scope_of_its_own_moves_alone():
    ledger, spec = a_ledger(), a_spec(NAME)
    for number, commit in enumerate((ONE, ONE, TWO), 1):
        source = Source(SourceKind.SCOPE, commit, directories=("a",))
        apply(
            ledger, desired_of((spec, a_declared(spec, source=source)), revision=f"r{number}", whole=f"{number}" * 40)
        )
    assert told(ledger) == [("created", 1, "1111", True), ("moved", 1, "2222", True)]
    assert had(ledger)[0].held()["source"] == {"kind": "scope", "commit": ONE, "directories": ["a"]}
