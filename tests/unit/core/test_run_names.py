"""A literal `flow_run_name` against the parameters of its flow."""

import pytest

from reconciler.core._run_names import fault

SCHEMA = {"properties": {"day": {}, "n": {}}, "additionalProperties": False}


@pytest.mark.parametrize("name", [None, "", "plain", "{day}", "{day:%Y}-{n[0]}", "{{literal}}"])
def test_what_can_be_made(name):
    assert fault(name, SCHEMA) is None


@pytest.mark.parametrize(
    ("name", "words"), [("{dya}", "no parameter 'dya'; there are: day, n"), ("{0}", "'0'"), ("{", "no format")]
)
def test_what_no_run_could_be_called(name, words):
    assert words in fault(name, SCHEMA)


@pytest.mark.parametrize("schema", [None, {**SCHEMA, "additionalProperties": True}, {"properties": {}}])
def test_parameters_that_are_not_all_known_are_the_runs_business(schema):
    assert fault("{other}", schema) is None
