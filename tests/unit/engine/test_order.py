"""Orders: read whole, or refused."""

import json

import pytest

from reconciler.engine.order import OUTPUT_BYTES, load


def written(tmp_path, **order):
    (tmp_path / "order.json").write_text(json.dumps(order))
    return tmp_path


def test_an_order_has_defaults_and_ignores_what_a_newer_daemon_adds(tmp_path):
    order = load(written(tmp_path, run="r", attempt=2, entrypoint="a.py:b", pull=None, news=1))
    assert (order.pull, order.parameters, order.output_bytes, order.timeout_seconds) == ((), {}, OUTPUT_BYTES, None)
    assert load(written(tmp_path, run="r", attempt=2, entrypoint="x", limits={"output_bytes": 5})).output_bytes == 5


@pytest.mark.parametrize("order", [{}, {"run": "r"}])
def test_half_an_order_is_none(tmp_path, order):
    with pytest.raises(ValueError, match=r"order\.json is no order"):
        load(written(tmp_path, **order))


@pytest.mark.parametrize("text", ["", "[]", "5", "{"])
def test_what_is_no_order_is_refused(tmp_path, text):
    (tmp_path / "order.json").write_text(text)
    with pytest.raises(ValueError, match=r"Expecting|is no order"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("name", "cold"),
    [
        ("PYTHONPATH", True),
        ("LD_PRELOAD", True),
        ("MALLOC_ARENA_MAX", True),
        ("LANG", True),
        ("LC_ALL", True),
        ("PATH", False),
    ],
)
def test_some_variables_need_a_fresh_interpreter(tmp_path, name, cold):
    assert load(written(tmp_path, run="r", attempt=1, entrypoint="x", env={name: "1"})).cold is cold
