import json

import jsonschema
import pytest
from click.testing import CliRunner

from reconciler import plugins, steps
from reconciler.cli.schema import command
from reconciler.core.document import load
from reconciler.core.overlay import read
from reconciler.core.schema import json_schema, overlay_schema

SCHEMA = json_schema({word: steps.schema(word) for word in plugins.words(steps)})
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def fits(text):
    return VALIDATOR.is_valid(load(text.encode(), "a.yaml").data)


def one(text):
    return fits(
        "deployments:\n- name: a\n  entrypoint: a.py:b\n" + "".join(f"  {line}\n" for line in text.splitlines())
    )


def test_it_is_a_schema_with_descriptions_and_no_open_ends():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    deployment = SCHEMA["$defs"]["DeploymentSpec"]
    assert deployment["additionalProperties"] is False
    assert SCHEMA["additionalProperties"] is False
    fields = {k: v for k, v in deployment["properties"].items() if not v.get("deprecated")}
    assert [k for k, v in fields.items() if "description" not in v and k != "schedule"] == []


@pytest.mark.parametrize(
    "text",
    [
        "schedules: null",
        "schedules: {}",
        "schedules: []",
        "schedules: {cron: '* * * * *'}",
        "schedules: [{interval: PT1H, active: '{{ x }}'}]",
        "schedule: {cron: '* * * * *'}",
        "tags: '{{ tags }}'",
        "tags: [a]",
        "concurrency_limit: 1",
        "concurrency_limit: {limit: 1, collision_strategy: CANCEL_NEW}",
        "pull: null",
        "pull: []",
        "pull: {git_clone: {repository: .}}",
        "pull: [{git_clone: {id: c, repository: ., include_submodules: '{{ deep }}'}}, {ours.steps.fetch: {table: t}}]",
        "pull: [{prefect.deployments.steps.git_clone: null}]",
        "triggers: [{match_related: {a: b}, expect: x}]",
        "triggers: {triggers: [{type: event}], require: any}",
        "labels: {a: 1, b: true, c: x}",
        "work_pool: {name: null, job_variables: {env: {A: b}}}",
        "infra_overrides: {a: b}",
        "paused: '{{ paused }}'",
    ],
)
def test_every_form_fits(text):
    assert one(text)


@pytest.mark.parametrize(
    "text",
    [
        "scheduls: []",
        "schedules: [{crn: x}]",
        "paused: 1",
        "pull: [{a: {}, b: {}}]",
        "pull: [{git_clone: {repository: ., include_submodule: true}}]",
        "pull: [{run_shell_script: {id: x}}]",
        "work_pool: process",
        "labels: {a: []}",
    ],
)
def test_what_is_refused_does_not_fit(text):
    assert not one(text)


def test_the_verb_prints_it():
    assert json.loads(CliRunner().invoke(command).output) == SCHEMA


OVERLAY = jsonschema.Draft202012Validator(overlay_schema({word: steps.schema(word) for word in plugins.words(steps)}))


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("{}", True),
        ("variables: {a: [1]}\npatches:\ndefinitions: x\n", True),
        ("patches: [{patch: {paused: true, entrypoint: null, schedules: {}}}]", True),
        ("patches: {target: {name: a, tags: t}, delete: true}", True),
        ("patches: [{target: {kind: work_pool}, patch: {concurrency_limit: 3, type: null}}]", True),
        ("deployments: [{name: a, entrypoint: 'f.py:g'}]\nwork_pools: {big: {}}\n", True),
        ("patches: [{patch: {pausd: true}}]", False),
        ("patches: [{target: {nme: a}, delete: true}]", False),
        ("patches: [{target: {kind: Deployment}, delete: true}]", False),
        ("varibles: {}", False),
        ("patches: 3", False),
    ],
)
def test_an_overlay_fits_its_schema_where_it_is_read_without_problems(text: str, fits: bool):
    jsonschema.Draft202012Validator.check_schema(OVERLAY.schema)
    assert OVERLAY.is_valid(load(text.encode(), "prod.yaml").data) is fits
    assert (read(text.encode(), "prod.yaml", "", {}).problems == ()) is fits
