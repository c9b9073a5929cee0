"""What placeholders stand for that only a run knows."""

import pytest

from reconciler.engine import placeholders
from reconciler.engine.order import Order
from reconciler.model.errors import StepError

OUTPUTS = {"clone": {"directory": "/w/r", "files": [{"n": 3}]}, "directory": "/w/r"}


def order(**given):
    rest = {"parameters": {}, "labels": {}, "env": {}, "flow": {}, "limits": {}}
    return Order(run="0" * 16, attempt=1, entrypoint="f.py:f", **(rest | given))


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    monkeypatch.setenv("PLACE", "here")
    monkeypatch.delenv("ABSENT", raising=False)


@pytest.mark.parametrize(
    ("given", "put"),
    [
        ("{{ $PLACE }}", "here"),
        ("in {{$PLACE}}!", "in here!"),
        ("{{ clone.directory }}/x", "/w/r/x"),
        ("{{ clone.files[0].n }}", 3),
        ("{{ clone.files }}", [{"n": 3}]),
        ("{{ $ABSENT | default(7) }}", 7),
        ({"a": ["{{ $PLACE }}", 1, None]}, {"a": ["here", 1, None]}),
        ({"{{ $PLACE }}": 1}, {"{{ $PLACE }}": 1}),
        ("{{ event.id }} ${{ a.b }} {% if %} {{ x | upper }} {{ ctx.flow.name }}", None),
        ("{{ secret.TOKEN }}", None),
    ],
)
def test_parameters(given, put):
    assert placeholders.filled(order(parameters={"p": given}), OUTPUTS) == {"p": given if put is None else put}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("x {{ $ABSENT }}", "parameter p: nothing gives a value for {{ $ABSENT }}: the run's environment has no such"),
        ("{{ clone.other }}", "parameter p: nothing gives a value for {{ clone.other }}"),
        ("all {{ clone.files }}", "parameter p: {{ clone.files }} is a mapping or list"),
    ],
)
def test_a_missing_value_names_its_place_and_is_never_an_empty_text(given, words):
    with pytest.raises(StepError) as caught:
        placeholders.filled(order(parameters={"p": given}), OUTPUTS)
    assert str(caught.value).startswith(words)


def test_variables_of_the_environment(monkeypatch):
    declared = {
        "A": "{{ $PLACE }}!",
        "B": None,
        "C": "plain",
        "D": "{{ $ABSENT | default('d') }}",
        "E": "{{ ctx.flow.name }}",
    }
    declared["F"] = "{{ $C }}"
    found = placeholders.environment(declared)
    assert found == {**declared, "A": "here!", "D": "d", "F": "plain"}
    for name, value in found.items():
        if value is not None:
            monkeypatch.setenv(name, value)
    placeholders.check(order(env=declared))


def test_a_variable_that_cannot_be_given_is_taken_away_and_told():
    declared = {"RECONCILER_TEST_GONE": "x{{ $ABSENT }}"}
    assert placeholders.environment(declared) == {"RECONCILER_TEST_GONE": None}
    with pytest.raises(
        StepError, match=r"job variable env.RECONCILER_TEST_GONE: nothing gives a value for \{\{ \$ABSENT"
    ):
        placeholders.check(order(env=declared))


def test_pull_steps_know_both():
    known = placeholders.known(OUTPUTS)
    assert (known["$PLACE"], known["directory"]) == ("here", "/w/r")


def test_the_file_and_line_are_told_where_they_are_known():
    todo = order(parameters={"p": "{{ $ABSENT }}"}, places={"$ABSENT": "specs/a.yaml:6"})
    with pytest.raises(StepError, match=r"parameter p: nothing gives .* \(specs/a.yaml:6\): the run's environment"):
        placeholders.filled(todo, OUTPUTS)
