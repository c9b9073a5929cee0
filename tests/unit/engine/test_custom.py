"""A pull step of the user's own, called in the run."""

import pytest

from reconciler.engine.custom import act
from reconciler.model.errors import StepError

SOURCE = """
import os, sys
def fetch(x, y=1):
    return {"sum": x + y, "here": os.getcwd(), "path": sys.path[0]}
async def later(x):
    return {"x": x}
def nothing(): pass
def number(): return 5
def thing(): return {"made": object()}
def nan(): return {"made": float("nan")}
def keys(): return {1: 2}
def place(): return {"directory": 5}
def fails(): raise KeyError("no such row")
def leaves(): sys.exit(0)
value = 1
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    package = tmp_path / "below" / f"own_{tmp_path.name}"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "steps.py").write_text(SOURCE)
    (package / "broken.py").write_text("import not_there_at_all\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(place, name, **inputs):
    return act(f"own_{place.name}.{name}", inputs, place, "below")


def test_it_is_called_with_its_inputs_where_the_run_stands(place):
    assert call(place, "steps.fetch", x=1, y=2) == {"sum": 3, "here": str(place), "path": str(place)}
    assert call(place, "steps.later", x=5) == {"x": 5}
    assert call(place, "steps.nothing") == {}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("steps.number", "returned a int: a step puts out a mapping of names, or None"),
        ("steps.keys", "returned a dict: a step puts out a mapping of names, or None"),
        ("steps.thing", "its output 'made' is a object, which is no JSON value"),
        ("steps.nan", "its output 'made' is a float, which is no JSON value"),
        ("steps.place", "its output 'directory' is no text"),
        ("steps.fails", "KeyError: 'no such row'"),
        ("steps.leaves", r"it called sys.exit\(0\)"),
        ("steps.fetch", "TypeError: fetch.. missing 1 required positional argument: 'x'"),
        ("steps.value", "has no function 'value'"),
        ("steps.gone", "has no function 'gone'"),
        ("stps.fetch", "there is no module .*stps"),
        ("broken.fetch", "ModuleNotFoundError: No module named 'not_there_at_all'"),
    ],
)
def test_whatever_it_does_instead_fails_the_step_with_a_reason(place, name, message):
    with pytest.raises(StepError, match=message):
        call(place, name)


def test_a_failure_shows_the_users_lines_in_the_output(place, capfd):
    with pytest.raises(StepError):
        call(place, "steps.fails")
    assert "in fails" in capfd.readouterr().err
