"""Parameters bound to a flow's signature."""

from datetime import date

import pytest

from reconciler import flow
from reconciler.engine.parameters import ParameterError, bind


def positional(a, /, b=2, *, c: date | None = None):
    return a, b, c


def starred(*rest, n: int = 1, **more: int):
    return rest, n, more


def unresolvable(a: "OnlyForCheckers", b: "int" = 1):  # noqa: F821
    return a, b


@pytest.mark.parametrize(
    ("function", "given", "result"),
    [
        (positional, {"a": 1}, (1, 2, None)),
        (positional, {"a": 1, "b": 3, "c": "2026-01-02"}, (1, 3, date(2026, 1, 2))),
        (starred, {"n": 2, "x": "kept as it is"}, ((), 2, {"x": "kept as it is"})),
        (starred, {"more": 1}, ((), 1, {"more": 1})),
        (unresolvable, {"a": "x", "b": 2}, ("x", 2)),
        (flow(positional), {"a": 1}, (1, 2, None)),
        (flow(validate_parameters=False)(positional), {"a": 1, "c": "2026-01-02"}, (1, 2, "2026-01-02")),
        (lambda: 0, {}, 0),
    ],
)
def test_parameters_reach_the_flow(function, given, result):
    args, kwargs = bind(function, given)
    assert function(*args, **kwargs) == result


@pytest.mark.parametrize(
    ("function", "given", "message"),
    [
        (positional, {}, "parameter 'a' is missing and has no default"),
        (positional, {"a": 1, "z": 1}, "parameter 'z' is not one of the flow's, which are: a, b, c"),
        (positional, {"a": 1, "c": "soon"}, "parameter 'c': 'soon' is not a date"),
        (lambda: 0, {"z": 1}, "which are: none"),
    ],
)
def test_the_parameter_that_does_not_fit_is_named(function, given, message):
    with pytest.raises(ParameterError) as caught:
        bind(function, given)
    assert message in str(caught.value)
