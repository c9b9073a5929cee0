"""A pull step of the user's own, read at the door."""

import pytest

from reconciler.core.own_steps import StepFacts, faults, read_step

FILES = {
    "pkg/__init__.py": "",
    "pkg/steps.py": (
        "from outside import theirs\nfrom pkg.more import other\n"
        "def fetch(x, y=1, *, z, w=2): pass\nasync def later(**any): pass\ndef by_place(x, /): pass\n"
        "value = 5\nmade = fetch\nbuilt = theirs(fetch)\n@theirs\ndef wrapped(x): pass\n"
    ),
    "pkg/more.py": "def other(a): pass\n",
    "pkg/broken.py": "def x(:\n",
    "pkg/dynamic.py": "def __getattr__(name): pass\n",
    "jobs/local.py": "def here(): pass\n",
}


def read(word, bases=("", "jobs")):
    return read_step(word, lambda path: FILES[path].encode() if path in FILES else None, bases)


@pytest.mark.parametrize(
    ("word", "takes", "needs"),
    [
        ("pkg.steps.fetch", {"x", "y", "z", "w"}, {"x", "z"}),
        ("pkg.steps.later", None, set()),
        ("pkg.steps.other", {"a"}, {"a"}),
        ("local.here", set(), set()),
    ],
)
def test_its_inputs_are_read_from_the_code(word, takes, needs):
    facts = read(word)
    assert (facts.problem, facts.note, facts.takes, facts.needs) == ("", "", takes, needs)


@pytest.mark.parametrize(
    ("word", "problem"),
    [
        ("pkg.steps.fetsh", "pkg/steps.py has no 'fetsh': no such function; did you mean 'fetch'?"),
        ("pkg.stps.fetch", "there is no module 'pkg.stps' here: 'pkg' is here, without it"),
        ("pkg.steps.value", "'value' in pkg/steps.py is a value, not a function"),
        ("pkg.steps.by_place", "'by_place' in pkg/steps.py takes inputs by position: a step is given names"),
        ("pkg.broken.x", "pkg/broken.py:1:7: syntax error: invalid syntax"),
    ],
)
def test_what_cannot_be_right_is_a_problem(word, problem):
    assert read(word).problem == problem


@pytest.mark.parametrize(
    "word", ["pkg.steps.theirs", "pkg.steps.wrapped", "pkg.steps.built", "pkg.dynamic.x", "gone.x"]
)
def test_what_only_the_run_can_tell_is_a_note(word):
    facts = read(word)
    assert (facts.problem, facts.takes) == ("", None)
    assert facts.note


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"a": 1, "b": 2}, []),
        ({"a": 1, "c": 3}, [("c", "unknown input; it takes a, b")]),
        ({"a": 1, "bb": 3}, [("bb", "unknown input; did you mean 'b'?")]),
        ({}, [("", "the input 'a' is missing")]),
    ],
)
def test_inputs_are_checked_by_name(given, told):
    assert list(faults(StepFacts(takes=frozenset("ab"), needs=frozenset("a")), given)) == told
