"""The pool's defaults and what lies over them."""

from reconciler.core.job_variables import defaults, merge


def test_env_is_merged_variable_by_variable_and_the_rest_key_by_key():
    lower, upper = {"env": {"A": "1", "B": "1"}, "image": "a", "cpu": 1}, {"env": {"B": "2"}, "image": "b"}
    assert merge(lower, {}, upper) == {"env": {"A": "1", "B": "2"}, "image": "b", "cpu": 1}
    assert merge({}, {}) == {}
    assert lower["env"] == {"A": "1", "B": "1"}


def test_a_pool_gives_its_templates_defaults_and_over_them_its_own():
    properties = {
        "image": {"default": "t"},
        "cpu": {"default": 0},
        "mem": {"type": "number"},
        "env": {"default": {"A": "t"}},
    }
    pool = {
        "base_job_template": {"variables": {"properties": properties}},
        "job_variables": {"image": "p", "env": {"B": "p"}},
    }
    assert defaults(pool) == {"image": "p", "cpu": 0, "env": {"A": "t", "B": "p"}}
    assert defaults({}) == {}
