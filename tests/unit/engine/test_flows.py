"""`@flow` in a script, without a daemon."""

import asyncio
import pickle
import subprocess
import sys

import pytest

from reconciler import Flow, flow


@flow
def load_data(n: int = 1) -> int:
    """Load."""
    return n + 1


def test_a_flow_is_its_function_with_a_name():
    assert isinstance(load_data, Flow)
    assert load_data(2) == 3
    assert (load_data.name, load_data.__name__, load_data.__doc__) == ("load-data", "load_data", "Load.")
    assert (load_data.description, load_data.retries, load_data.timeout_seconds) == ("Load.", 0, None)


def test_settings_are_kept_and_replaced_one_by_one():
    other = load_data.with_options(name="x", retries=2, retry_delay_seconds=[1, 2]).with_options(version="v")
    assert (other.name, other.retries, list(other.retry_delay_seconds), other.version) == ("x", 2, [1, 2], "v")
    assert load_data.name == "load-data"


def test_an_async_flow_gives_a_coroutine():
    @flow(name="a", log_prints=True)
    async def main():
        return 1

    assert asyncio.run(main()) == 1
    assert main.log_prints


def test_a_flow_goes_through_pickle_by_name():
    assert pickle.loads(pickle.dumps(load_data)) is load_data  # noqa: S301


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"retires": 1}, "no argument 'retires'"),
        ({"retries": -1}, "0 or more"),
        ({"timeout_seconds": 0}, "more than 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused_where_they_are_written(settings, message):
    with pytest.raises((TypeError, ValueError), match=message):
        flow(**settings)


def test_only_functions_are_flows():
    with pytest.raises(TypeError, match="goes above a function"):
        flow(5)


def test_importing_us_is_nearly_free():
    code = "import sys; before = set(sys.modules); import reconciler; print(sorted(set(sys.modules) - before))"
    answer = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert answer.stdout.strip() == "['reconciler']"
    with pytest.raises(ImportError):
        from reconciler import nothing_like_it  # noqa: F401, PLC0415
