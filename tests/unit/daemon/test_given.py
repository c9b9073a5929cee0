"""What a request may hold, as far as no state is needed."""

import pytest
from helpers_facts import NOW, later

from reconciler.daemon import given, requests
from reconciler.model.errors import InvalidRequestError


@pytest.mark.parametrize(
    ("read", "args"),
    [
        (given.tags, {"tags": "a"}),
        (given.tags, {"tags": [""]}),
        (given.tags, {"tags": ["a"] * 101}),
        (given.labels, {"labels": ["a"]}),
        (given.labels, {"labels": {"": 1}}),
        (given.labels, {"labels": {"a": None}}),
        (given.labels, {"labels": {str(n): n for n in range(101)}}),
        (given.commit, {"commit": "HEAD"}),
        (given.commit, {"commit": "c" * 41}),
        (given.commit, {"commit": 7}),
        (given.name, {"name": ""}),
        (given.name, {"name": "a\nb"}),
        (given.name, {"name": 7}),
        (lambda args: given.text(args, "run"), {"run": 7}),
        (lambda args: given.mapping(args, "parameters"), {"parameters": [1]}),
        (lambda args: given.moment_of(args, "due"), {"due": 7}),
        (lambda args: given.moment_of(args, "due"), {"due": "soon"}),
        (lambda _: given.not_past(later(-61), NOW), {}),
        (lambda _: given.not_past(later(4000 * 86_400), NOW), {}),
    ],
)
def test_what_does_not_fit_is_refused(read, args):
    with pytest.raises(InvalidRequestError):
        read(args)


def test_what_fits():
    assert given.tags({"tags": ["a"]}) == ("a",)
    assert given.tags({}) == ()
    assert given.labels({"labels": {"a": "x", "b": 1.5, "c": True}}) == {"a": "x", "b": 1.5, "c": True}
    assert given.name({}) is None
    assert (given.commit({}), given.commit({"commit": "c" * 40})) == (None, "c" * 40)
    assert given.moment_of({"due": "2026-11-22T10:00:00+01:00"}, "due") == NOW
    given.not_past(later(-59), NOW)
    given.not_past(None, NOW)


def test_a_key_that_a_verb_does_not_take_is_refused_and_the_known_ones_named():
    given.only("run", {"key": "k"}, requests.TAKES["run"])
    with pytest.raises(InvalidRequestError, match="run takes no 'labls'") as raised:
        given.only("run", {"labls": {}}, requests.TAKES["run"])
    assert "labels" in raised.value.hint
    assert requests.TAKES.keys() == requests.VERBS.keys()
