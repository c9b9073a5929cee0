"""Names of runs, filled in."""

import pytest

from reconciler.engine.names import RunNameError, filled, parameters_of


class Broken:
    def __format__(self, spec):
        raise RuntimeError("boom")


@pytest.mark.parametrize(
    ("template", "parameters", "name"),
    [
        ("load-{day:02d}-{conf[a]}", {"day": 3, "conf": {"a": "x"}}, "load-03-x"),
        ("plain", {}, "plain"),
        (lambda: "made", {}, "made"),
        (lambda parameters: f"of {parameters['n']}", {"n": 1}, "of 1"),
        ("{text}", {"text": "two\nlines" + "x" * 500}, ("two lines" + "x" * 500)[:200]),
    ],
)
def test_a_template_or_function_names_the_run(template, parameters, name):
    assert filled("flow_run_name", template, parameters) == name


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{nn}", "flow_run_name='{nn}': there is no parameter 'nn'; there are: n"),
        ("{}", "flow_run_name='{}' cannot be made: IndexError"),
        ("{n", "cannot be made: ValueError"),
        ("{broken}", "cannot be made: RuntimeError: boom"),
        ("{n.missing}", "cannot be made: AttributeError"),
        ("   ", "gives '   ', not a name"),
        (lambda: 1 / 0, "flow_run_name=<lambda> cannot be made: ZeroDivisionError"),
    ],
)
def test_a_name_that_cannot_be_made_says_why(template, message):
    parameters = {"n": 1} if "nn" in str(template) else {"n": 1, "broken": Broken()}
    with pytest.raises(RunNameError) as caught:
        filled("flow_run_name", template, parameters)
    assert message in str(caught.value)


def test_parameters_have_their_defaults_and_errors_their_function():
    def load(a, /, b=2, *rest, c=3, **more):
        return a, b, rest, c, more

    assert parameters_of(load, (1,), {"x": 5}) == {"a": 1, "b": 2, "rest": (), "c": 3, "more": {"x": 5}}
    with pytest.raises(TypeError, match=r"load\(\) missing a required argument: 'a'"):
        parameters_of(load, (), {})
