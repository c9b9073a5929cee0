"""The operator's settings: where each may come from, and what is refused."""

from pathlib import Path
from typing import Any

import pytest

from reconciler.daemon.config import Settings, load
from reconciler.daemon.reading import Environment, stamp, still_says
from reconciler.model.errors import InvalidRequestError
from reconciler.model.ids import canonical


def settings(tmp_path: Path, toml: str = "", **flags: Any) -> Settings:
    (tmp_path / "config.toml").write_text(toml)
    return load(tmp_path, flags)


def test_variables_are_merged_name_by_name_and_the_nearest_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RECONCILER_VARIABLES", "b=environment, c=environment ,d=x=y")
    toml = "[variables]\na = 1\nb = 2\ndeep = {list = [1.5, true], at = 2024-03-01T09:00:00Z}\n"  # fmt: skip
    found = settings(tmp_path, toml, variables=("c=flag", "e=a,b", "f="))
    assert found.variables == {
        "a": 1, "b": "environment", "c": "flag", "d": "x=y", "e": "a,b", "f": "",
        "deep": {"list": [1.5, True], "at": "2024-03-01T09:00:00+00:00"},
    }  # fmt: skip
    assert (settings(tmp_path, variables=None).variables, Settings().variables) == (
        {"b": "environment", "c": "environment", "d": "x=y"},
        {},
    )


@pytest.mark.parametrize("value", ["region", "=x", "a=1,b", ("a",), ("",)])
def test_a_variable_without_name_or_value_is_refused(tmp_path: Path, value: Any):
    with pytest.raises(InvalidRequestError, match="the command line: variables cannot be"):
        settings(tmp_path, variables=value)


@pytest.mark.parametrize("toml", ["variables = 3", "variables = true", "[variables]\nx = nan", "variables = ['a']"])
def test_a_table_that_is_none_is_refused(tmp_path: Path, toml: str):
    with pytest.raises(InvalidRequestError, match=r"config\.toml: variables cannot be"):
        settings(tmp_path, toml)


@pytest.mark.parametrize("name", ["../x", "a/b", ".hidden", "-x", " a", "x\n", "a" * 201])
def test_an_environment_is_a_name(tmp_path: Path, name: str):
    with pytest.raises(InvalidRequestError, match="the name of an environment must"):
        settings(tmp_path, env=name)


@pytest.mark.parametrize("name", ["prod", "eu-west.1", "Prüfung", ""])
def test_an_environment_comes_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str):
    assert settings(tmp_path, f'env = "{name}"').env == name
    monkeypatch.setenv("RECONCILER_ENV", name)
    assert settings(tmp_path, 'env = "other"').env == name
    assert settings(tmp_path, env="flag").env == "flag"


def test_what_was_kept_is_of_use_in_the_same_environment_only():
    prod = Environment.of("prod", {"n": 1})
    kept = canonical(stamp("specs", "r1", prod) | {"elsewhere": False})
    assert still_says(kept, "specs", "r1", prod)
    for other in (Environment.of("", {"n": 1}), Environment("prod"), Environment("prod", {"n": "1"}),
                  Environment("prod", {"n": 1}, "main"), Environment("prod", {"n": 1}, None, "origin")):  # fmt: skip
        assert not still_says(kept, "specs", "r1", other)


@pytest.mark.parametrize(
    ("key", "value", "said", "hint"),
    [
        ("interval", "5q", "'5q'", "write a time such as 30s, 5m, 2h or 7d"),
        ("limit", "many", "'many'", "write a whole number"),
        ("notes", "maybe", "'maybe'", "write true or false"),
        ("prune_limit", "half", "'half'", "write a share such as 0.5"),
        ("variables", ("team",), "'team'", "write NAME=VALUE, or in config.toml a table [variables]"),
    ],
)
def test_a_value_of_another_kind_is_answered_with_how_it_is_written(tmp_path, key, value, said, hint):
    with pytest.raises(InvalidRequestError, match=f"^the command line: {key} cannot be {said}\n") as told:
        load(tmp_path, {key: value})
    assert told.value.hint == hint


@pytest.mark.parametrize("word", ["maybe", "yes", "2"])
def test_a_switch_is_true_or_false(tmp_path, word):
    with pytest.raises(InvalidRequestError, match=f"the command line: notes cannot be '{word}'"):
        load(tmp_path, {"notes": word})
    assert load(tmp_path, {"notes": "True"}).notes
