"""What code says a deployment is: the spec it would be, as YAML that our own parser reads, and how git differs."""

import math
import runpy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from helpers_git import Repo
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core import document
from reconciler.engine import intended
from reconciler.engine.flows import Flow
from reconciler.engine.intended import Intended, differences, fields, to_yaml
from reconciler.model.errors import InvalidRequestError


def plainly(value: Any) -> Any:
    """Without the marks that our parser leaves on text that YAML 1.1 reads otherwise."""
    if isinstance(value, dict):
        return {str(k): plainly(v) for k, v in value.items()}
    if isinstance(value, list):
        return [plainly(v) for v in value]
    return str(value) if isinstance(value, str) else value


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12) | st.sampled_from(
    [
        "no",
        "On",
        "1:30",
        "1e3",
        "0o14",
        "~",
        "null",
        ".inf",
        "a: b",
        "- x",
        "# c",
        "x #y",
        "'",
        '"',
        "\\",
        "<<",
        "=",
        "*a",
    ]
)
LEAVES = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT
)
VALUES = st.recursive(LEAVES, lambda v: st.lists(v, max_size=3) | st.dictionaries(TEXT, v, max_size=3), max_leaves=8)


@given(st.dictionaries(TEXT, VALUES, min_size=1, max_size=3))
def test_what_is_written_is_read_as_it_was(value: dict[str, Any]):
    read = document.load(to_yaml(value).encode(), "x.yaml")
    assert not [f.message for f in read.faults if not read.ambiguous]
    assert plainly(read.data) == value


def test_a_lone_surrogate_is_refused():
    with pytest.raises(InvalidRequestError, match="surrogate"):
        to_yaml({"a": "\ud800"})


@pytest.mark.parametrize(
    ("given_", "found"),
    [
        ({}, {}),
        ({"cron": "0 9 * * *"}, {"schedules": [{"cron": "0 9 * * *"}]}),
        ({"cron": ["@daily", "@weekly"]}, {"schedules": [{"cron": "@daily"}, {"cron": "@weekly"}]}),
        ({"interval": timedelta(hours=1)}, {"schedules": [{"interval": 3600}]}),
        ({"interval": timedelta(milliseconds=1500)}, {"schedules": [{"interval": 1.5}]}),
        (
            {"schedules": [{"interval": 60, "anchor_date": datetime(2024, 1, 1, tzinfo=UTC), "timezone": None}]},
            {"schedules": [{"interval": 60, "anchor_date": "2024-01-01T00:00:00+00:00"}]},
        ),
        ({"tags": {"b", "a"}, "description": None}, {"tags": ["b", "a"]}),
        ({"paused": False, "version": "1"}, {"version": "1", "paused": False}),
        (
            {"work_pool_name": "p", "job_variables": {"env": {"A": "1"}}},
            {"work_pool": {"name": "p", "job_variables": {"env": {"A": "1"}}}},
        ),
    ],
    ids=["nothing", "cron", "crons", "interval", "milliseconds", "anchored", "tags", "falsehoods count", "pool"],
)
def test_arguments_become_fields_and_those_left_out_do_not(given_: dict[str, Any], found: dict[str, Any]):
    told = fields(given_)
    assert (
        {**told, "tags": sorted(told["tags"])} == {**found, "tags": sorted(found["tags"])}
        if "tags" in found
        else told == found
    )


@pytest.mark.parametrize(
    ("given_", "kind", "said"),
    [
        ({"cronn": "x"}, TypeError, "did you mean 'cron'"),
        ({"colour": 1}, TypeError, "there are cron"),
        ({"schedule": "daily"}, InvalidRequestError, "no schedule"),
        ({"parameters": {"a": {"b": object}}}, InvalidRequestError, "parameters.a.b"),
        ({"parameters": {"a": math.inf}}, InvalidRequestError, "cannot stand"),
        ({"parameters": {"a": "{{ x }}"}}, InvalidRequestError, "template"),
        ({"description": "\0"}, InvalidRequestError, "NUL"),
    ],
    ids=["misspelt", "unknown", "no rule", "no JSON", "infinite", "template", "NUL"],
)
def test_what_no_spec_can_say_is_refused_where_it_stands(given_: dict[str, Any], kind: type[Exception], said: str):
    with pytest.raises(kind, match=said):
        fields(given_)


def test_a_flow_is_named_by_its_file_in_the_repository(tmp_path: Path):
    repo = Repo(tmp_path / "repo")
    repo.commit({"flows/etl.py": "def load_it(): pass\n"})
    space = runpy.run_path(str(repo.path / "flows/etl.py"), run_name="__main__")
    made = intended.of(Flow(space["load_it"]), "nightly run", {"cron": "@daily"})
    assert (made.full_name, made.entrypoint, made.file) == (
        "load-it/nightly run", "flows/etl.py:load_it", "specs/load-it-nightly-run.yaml",
    )  # fmt: skip
    assert plainly(document.load(made.yaml().encode(), "x").data) == {
        "deployments": [
            {"name": "nightly run", "entrypoint": "flows/etl.py:load_it", "schedules": [{"cron": "@daily"}]}
        ]
    }


def test_a_flow_that_no_entrypoint_can_name_says_why(tmp_path: Path):
    def inner() -> None: ...

    with pytest.raises(InvalidRequestError, match="no entrypoint can name"):
        intended.where(Flow(inner))

    def cell() -> None: ...

    cell.__code__ = cell.__code__.replace(co_filename="<cell 1>")
    with pytest.raises(InvalidRequestError, match="in no file"):
        intended.where(Flow(cell))
    file = tmp_path / "lonely.py"
    file.write_text("def f(): pass")
    space = runpy.run_path(str(file))
    with pytest.raises(InvalidRequestError, match="no git repository"):
        intended.where(Flow(space["f"]))


SPEC = {
    "entrypoint": "f.py:f",
    "tags": ["b", "a"],
    "concurrency_limit": 2,
    "collision_strategy": "ENQUEUE",
    "parameters": {},
    "schedules": [{"cron": "@daily", "id": "x", "active": True}, {"interval": 60.0, "id": "y"}],
    "work_pool": {"name": "process", "work_queue_name": "default", "job_variables": {}},
    "pull": [{"step": "git_clone", "id": None, "inputs": {"repository": "https://e.org/r"}}],
}


@pytest.mark.parametrize(
    ("given_", "told"),
    [
        ({}, []),
        ({"tags": ["a", "b"], "schedules": [{"interval": 60}, {"cron": "@daily"}]}, []),
        ({"work_pool": {"name": "process"}, "pull": [{"git_clone": {"repository": "https://e.org/r"}}]}, []),
        ({"concurrency_limit": {"limit": 2, "collision_strategy": "CANCEL_NEW"}}, ["collision_strategy"]),
        ({"concurrency_limit": 3, "parameters": {"a": 1}}, ["concurrency_limit", "parameters"]),
        ({"work_pool": {"name": "k8s"}}, ["work_pool.name"]),
        ({"schedules": [{"cron": "@daily"}]}, ["schedules"]),
        ({"paused": True}, ["paused"]),
    ],
    ids=["nothing given", "another order", "the same", "strategy", "two fields", "pool", "fewer", "absent in git"],
)
def test_only_what_code_gives_is_compared_with_git(given_: dict[str, Any], told: list[str]):
    lines = list(differences(Intended("f", "d", "f.py:f", Path(), given_), SPEC))
    assert [line.partition(": git says ")[0] for line in lines] == told
