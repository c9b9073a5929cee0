"""Field diffs in words: parameters one by one, schedules, pull steps, and everything else as before → after."""

import pytest

from reconciler.core.readable import given, said
from reconciler.model.plan import FieldDiff


def schema(required=(), definitions=None, **parameters):
    placed = {name: {"title": name, "position": i, **part} for i, (name, part) in enumerate(parameters.items())}
    return {"type": "object", "title": "Parameters", "properties": placed, "required": list(required)} | (
        {"definitions": definitions} if definitions else {}
    )


INT, TEXT = {"type": "integer"}, {"type": "string"}


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (schema(), schema(limit=INT), ["parameter limit: added, of type integer"]),
        (schema(), schema(["a"], a=TEXT), ["parameter a: added, of type string, required"]),
        (schema(), schema(a=TEXT | {"default": None}), ["parameter a: added, of type string, default null"]),
        (schema(a=INT), schema(), ["parameter a: removed, was of type integer"]),
        (schema(a=INT | {"default": 3}), schema(a=INT | {"default": 5}), ["parameter a: default 3 → 5"]),
        (schema(a=INT | {"default": 1}), schema(a=INT | {"default": True}), ["parameter a: default 1 → true"]),
        (
            schema(a=INT | {"default": 3}),
            schema(["a"], a=TEXT),
            ["parameter a: type integer → string; default 3 → none; required now"],
        ),
        (schema(["a"], a=INT), schema(a=INT), ["parameter a: not required any more"]),
        (schema(a=INT, b=INT), schema(b=INT, a=INT), ["parameters: in another order: b, a"]),
        (
            schema(a=INT | {"description": "x"}),
            schema(a=INT | {"description": "y"}),
            ['parameter a: description "x" → "y"'],
        ),
        (
            schema(a={"type": "array", "items": INT}),
            schema(a={"anyOf": [TEXT | {"format": "date"}, {"type": "null"}, {"$ref": "#/definitions/Kind"}]}),
            ["parameter a: type array of integer → string (date) or null or Kind"],
        ),
        (schema(a={"enum": ["x"]}), schema(a={"enum": ["x", 1]}), ['parameter a: type one of ["x"] → one of ["x", 1]']),
        (
            schema(a=INT | {"minimum": 1}),
            schema(a=INT | {"minimum": 2}),
            ['parameter a: {"type": "integer", "minimum": 1} → {"type": "integer", "minimum": 2}'],
        ),
        (
            schema(definitions={"Kind": {"enum": ["x"]}}),
            schema(definitions={"Kind": {"enum": ["x", "y"]}}),
            ['type Kind: enum ["x"] → ["x", "y"]'],
        ),
        (None, schema(a=INT), ["parameters: are known now: a"]),
        (schema(a=INT), None, ["parameters: are not known any more: any are accepted"]),
        ({"properties": [], "required": 3}, {"properties": {"a": 5}}, ["parameter a: added, of type any"]),
    ],
)
def test_the_parameter_schema_is_told_parameter_by_parameter(before, after, told):
    assert [f"{what}: {how}" for what, how in said([FieldDiff("parameter_openapi_schema", before, after)])] == told


@pytest.mark.parametrize(
    ("field", "before", "after", "told"),
    [
        ("tags", [], ["x"], 'tags: [] → ["x"]'),
        ("paused", False, True, "paused: false → true"),
        ("parameters.a|b", None, 1, "parameters.a|b: null → 1"),
        ("schedules[1f]", None, {"id": "1f", "cron": "0 9 * * *"}, 'schedule: added: cron "0 9 * * *"'),
        (
            "schedules[daily]",
            {"id": "daily", "slug": "daily", "interval": 60, "active": False},
            None,
            "schedule daily: removed: interval 60, active false",
        ),
        (
            "schedules[daily]",
            {"id": "daily", "cron": "0 9 * * *"},
            {"id": "daily", "cron": "0 8 * * *", "timezone": "Europe/Paris"},
            'schedule daily: cron "0 9 * * *" → "0 8 * * *"; timezone null → "Europe/Paris"',
        ),
        (
            "pull",
            [{"step": "git_clone", "inputs": {"directories": ["a"]}}],
            [{"step": "git_clone", "inputs": {"directories": ["b"]}}],
            'pull step 1 git_clone, inputs.directories: ["a"] → ["b"]',
        ),
        (
            "pull",
            None,
            [{"step": "git_clone"}, {"step": "run_shell_script"}],
            "pull steps: this repository at the source commit (the default) → git_clone, run_shell_script",
        ),
        ("pull", [{"step": "git_clone"}], [], "pull steps: git_clone → none"),
        ("description", "x" * 300 + "old", "x" * 300 + "new", f'description: … "{"x" * 20}old" → … "{"x" * 20}new"'),
    ],
)
def test_other_fields_read_as_a_person_would_write_them(field, before, after, told):
    assert [f"{what}: {how}" for what, how in said([FieldDiff(field, before, after)])] == [told]


def test_a_new_deployment_is_told_but_for_its_defaults():
    pool = {"name": "process", "work_queue_name": "default", "job_variables": {}}
    spec = {"entrypoint": "f.py:f", "parameters": {}, "schedules": [], "paused": False, "tags": [], "work_pool": pool}
    assert list(given(spec)) == [("entrypoint", '"f.py:f"')]
    rules = [{"id": "1", "cron": "0 9 * * *"}, {"id": "x", "slug": "x", "interval": 60}]
    more = {"parameters": {"a": [1]}, "schedules": rules, "paused": True, "work_pool": pool | {"name": "van"}}
    assert list(given(spec | more))[1:] == [
        ("parameters.a", "[1]"),
        ("schedule", 'cron "0 9 * * *"'),
        ("schedule x", "interval 60"),
        ("paused", "true"),
        ("work_pool.name", '"van"'),
    ]
