# ruff: noqa: E501 - one case, one line
import time

import pytest

from reconciler.core import _parse_keys
from reconciler.core._document_scalars import Ambiguous
from reconciler.core.parse import parse
from reconciler.core.schema import json_schema

STEPS = {"git_clone", "set_working_directory", "run_shell_script", "pip_install_requirements"}


def check_step(word, inputs):
    if word not in STEPS:
        yield (), f"unknown step {word}"
    for key, value in inputs.items():
        if key.startswith("bool") and not isinstance(value, bool):
            yield (key,), "must be true or false"
        if isinstance(value, Ambiguous):
            yield (key,), "leaked"


def check_schedule(rule):
    return ("cron", "no such day") if rule.get("cron") == "0 0 31 2 *" else None


def read(text):
    return parse(
        text.encode() if isinstance(text, str) else text, "a.yaml", check_step=check_step, check_schedule=check_schedule
    )


def clean(text):
    found = read(text)
    assert [str(p) for p in found.problems] == []
    return found


def told(findings):
    return [str(finding) for finding in findings]


def deployment(text="", head=""):
    lines = "".join(f"  {line}\n" for line in text.splitlines())
    return f"{head}\ndeployments:\n- name: a\n  entrypoint: f.py:g\n{lines}"


def spec(text="", head=""):
    return clean(deployment(text, head)).deployments[0].spec


def problem(text="", head=""):
    (found,) = read(deployment(text, head)).problems
    return found


FULL = """
name: nightly-load
description: all of it
prefect-version: 3.0.0
definitions: {tags: &tags [a, b]}
variables: {stage: prod}
pull:
- prefect.deployments.steps.git_clone: {id: clone, repository: ., requires: x>=1}
deployments:
- name: nightly
  flow_name: ingest
  entrypoint: flows/ingest.py:ingest
  path: .
  schedules:
  - {cron: 30 2 * * *, timezone: Europe/Paris, day_or: false, slug: night, replaces: old, active: false}
  - {interval: PT1H, anchor_date: 2024-01-01T00:00:00Z, parameters: {limit: 1}}
  - {rrule: FREQ=DAILY, catchup: latest, catchup_window: P1D, jitter: 60, max_scheduled_runs: 3}
  paused: true
  parameters: {limit: 10, day: null}
  parameter_openapi_schema: {type: object}
  enforce_parameter_schema: false
  concurrency_limit: {limit: 2, collision_strategy: CANCEL_NEW, grace_period_seconds: 60}
  version: "1.2"
  version_type: vcs:git
  description: loads
  tags: *tags
  labels: {team: a, n: 1, x: 1.5, y: true}
  work_pool: {name: process, work_queue_name: high, job_variables: {env: {A: b}}}
  triggers:
  - {match: {x: y}, expect: e, within: PT10S, parameters: {p: "{{ event.id }}"}}
  - {require: 1, triggers: [{posture: Proactive}, {type: sequence, triggers: [{}]}]}
  - {posture: Metric, metric: {name: duration, threshold: 0.5, operator: ">"}}
  sla: {name: quick, duration: 60, severity: high}
work_pools: {process: null, big: {type: process, concurrency_limit: 2, queues: [{name: high, priority: 1}]}}
automations: {name: x, trigger: {match: {a: [b]}}, actions: [{type: run-deployment}]}
"""


def test_a_file_that_says_everything():
    found = clean(FULL)
    (parsed,) = found.deployments
    assert (parsed.index, parsed.path, parsed.line) == (0, ("deployments", 0), 10)
    whole = parsed.spec
    assert found.name == "nightly-load"
    assert whole.tags == ("a", "b")
    assert [s.slug for s in whole.schedules] == ["night", None, None]
    assert whole.schedules[0].rule() == {
        "cron": "30 2 * * *", "timezone": "Europe/Paris", "day_or": False, "slug": "night", "replaces": "old", "active": False,
    }  # fmt: skip
    assert type(whole.schedules[1].anchor_date) is str
    assert (whole.limit, whole.collision) == (2, "CANCEL_NEW")
    assert [t.type for t in whole.triggers] == ["event", "compound", "metric"]
    assert whole.triggers[0].parameters == {"p": "{{ event.id }}"}
    assert whole.pull[0].model_dump() == {
        "step": "git_clone",
        "id": "clone",
        "requires": ("x>=1",),
        "inputs": {"repository": "."},
    }
    assert found.pools == {"process": {}, "big": {"concurrency_limit": 2, "queues": [{"name": "high"}]}}
    assert found.automations[0].trigger.match == {"a": ("b",)}
    assert not found.broken
    assert {n.key.rpartition(".")[2] for n in found.notes} == {
        "automations", "triggers", "sla", "max_scheduled_runs", "grace_period_seconds",
    }  # fmt: skip


def test_defaults():
    bare = spec()
    assert bare.model_dump(exclude_defaults=True) == {"name": "a", "entrypoint": "f.py:g"}
    assert (bare.limit, bare.collision, bare.pull, bare.enforce_parameter_schema) == (None, "ENQUEUE", None, True)


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("schedules: {}", {}),
        ("schedules:", {}),
        ("schedules: []", {}),
        ("schedule: {}", {}),
        ("schedule: {cron: '@daily'}", {"schedules": ({"cron": "@daily"},)}),
        ("schedule: {cron: '@daily'}\nschedules: []", {"schedules": ({"cron": "@daily"},)}),
        ("schedules: {interval: 60}", {"schedules": ({"interval": 60},)}),
        ("schedules: [{interval: 1:30:00}]", {"schedules": ({"interval": "1:30:00"},)}),
        ("schedules: [{cron: '@daily', slug: null, timezone: ~}]", {"schedules": ({"cron": "@daily"},)}),
        ("concurrency_limit: 3", {"concurrency_limit": {"limit": 3}}),
        ("concurrency_limit:", {}),
        ("concurrency_limit: {limit: 3, collision_strategy: null}", {"concurrency_limit": {"limit": 3}}),
        ("tags: one", {"tags": ("one",)}),
        ("tags: []", {}),
        ("tags: no", {"tags": ("no",)}),
        ("description: 2024-01-01", {"description": "2024-01-01"}),
        ("parameters:", {}),
        ("work_pool: {name: , work_queue_name: null}", {}),
        ("work_pool: {name: 1_0}", {"work_pool": {"name": "1_0"}}),
        ("triggers:\nsla: []", {}),
        ("pull:", {}),
        ("pull: []", {"pull": ()}),
        ("pull: {}", {"pull": ()}),
        ("pull: {set_working_directory: {directory: x}}", {"pull": ({"step": "set_working_directory", "inputs": {"directory": "x"}},)}),
        ("pull: [{run_shell_script: }]", {"pull": ({"step": "run_shell_script"},)}),
        ("pull: [{prefect.deployments.steps.agit_clone: {}}]", {"pull": ({"step": "git_clone"},)}),
        ("pull: [{prefect.deployments.steps.pull.git_clone: {}}]", {"pull": ({"step": "git_clone"},)}),
        ("build: null\npush: []", {}),
    ],
)  # fmt: skip
def test_every_form_has_one_canonical_form(text, fields):
    found = clean(deployment(text))
    assert found.deployments[0].spec.model_dump(exclude_defaults=True) == {
        "name": "a",
        "entrypoint": "f.py:g",
        **fields,
    }
    assert found.notes == ()


@pytest.mark.parametrize(
    ("text", "where", "words"),
    [
        ("shedules: []", "5:3: deployments[0].shedules", "did you mean `schedules`?"),
        ("zzz: 1", "5:3: deployments[0].zzz", "unknown key"),
        ("schedules: [{cron: '@daily', timezon: UTC}]", "5:32: deployments[0].schedules[0].timezon", "did you mean `timezone`?"),
        ("schedule: {crn: '@daily'}", "5:14: deployments[0].schedule.crn", "did you mean `cron`?"),
        ("work_pool: {nme: x}", "5:15: deployments[0].work_pool.nme", "did you mean `name`?"),
        ("triggers: [{expct: x}]", "5:15: deployments[0].triggers[0].expct", "did you mean `expect`?"),
        ("triggers: {triggers: [{mtch: {}}]}", "5:26: deployments[0].triggers.triggers[0].mtch", "did you mean `match`?"),
        ("concurrency_limit: {limit: 1, collision: x}", "5:33: deployments[0].concurrency_limit.collision", "`collision_strategy`"),
        ("paused: no", "5:11: deployments[0].paused", "must be true or false; `no` is text in YAML 1.2"),
        ("paused: 1", "5:11: deployments[0].paused", "must be true or false"),
        ("concurrency_limit: 1_000", "5:22: deployments[0].concurrency_limit", "`1_000` is text in YAML 1.2"),
        ("concurrency_limit: 0", "5:22: deployments[0].concurrency_limit", "must be more than 0"),
        ("concurrency_limit: {limit: 1.5}", "5:30: deployments[0].concurrency_limit.limit", "a whole number"),
        ("concurrency_limit: {}", "5:22: deployments[0].concurrency_limit.limit", "is required"),
        ("concurrency_limit: {limit: 1, collision_strategy: QUEUE}", "5:53:", "must be one of 'ENQUEUE', 'CANCEL_NEW'"),
        ("version: 1.0", "5:12: deployments[0].version", "put it in quotes"),
        ("version_type: svn", "5:17:", "must be one of"),
        ("tags: [a, 1]", "5:13: deployments[0].tags[1]", "put it in quotes"),
        ("tags: {a: b}", "5:9: deployments[0].tags", "must be a list, not a mapping"),
        ("labels: {a: [1]}", "5:15: deployments[0].labels.a", "must be text, a number or a boolean"),
        ("parameters: [1]", "5:15: deployments[0].parameters", "must be a mapping, not a list"),
        ("schedules: x", "5:14: deployments[0].schedules", "must be a list"),
        ("schedules: ['@daily']", "5:15: deployments[0].schedules[0]", "must be a mapping"),
        ("schedules: [{}]", "5:15: deployments[0].schedules[0]", "it has none"),
        ("schedules: [{cron: x, interval: 1}]", "5:15: deployments[0].schedules[0]", "it has cron and interval"),
        ("schedules: [{interval: true}]", "5:26: deployments[0].schedules[0].interval", "must be seconds"),
        ("schedules: [{interval: 10 minutes}]", "5:26: deployments[0].schedules[0].interval", "must be seconds"),
        ("schedules: [{interval: -1}]", "5:26: deployments[0].schedules[0].interval", "between 0 seconds"),
        ("schedules: [{interval: 1e300}]", "5:26: deployments[0].schedules[0].interval", "100 years"),
        ("schedules: [{cron: 0 0 31 2 *}]", "5:22: deployments[0].schedules[0].cron", "no such day"),
        ("schedule: {cron: 0 0 31 2 *}", "5:20: deployments[0].schedule.cron", "no such day"),
        ("schedules: [{cron: x, slug: s}, {cron: y, slug: s}]", "5:51: deployments[0].schedules[1].slug", "in schedules[0] already"),
        ("schedules: [{cron: x, catchup: some}]", "5:34:", "must be one of 'none', 'latest', 'all'"),
        ("schedule: {cron: x}\nschedules: [{cron: y}]", "5:3: deployments[0].schedule", "keep `schedules`"),
        ("work_pool: process", "5:14: deployments[0].work_pool", "must be a mapping"),
        ("work_pool: {name: a/b}", "5:21:", "must not contain `/`"),
        ("work_pool: {name: no, job_variables: x}", "5:40: deployments[0].work_pool.job_variables", "must be a mapping"),
        ("flow_name: .x", "5:14:", "must not start with"),
        ("pull: x", "5:9: deployments[0].pull", "must be a list of steps"),
        ("pull: [git_clone]", "5:10: deployments[0].pull[0]", "a step is one key"),
        ("pull: {git_clone: {}, run_shell_script: {}}", "5:9: deployments[0].pull", "a step is one key"),
        ("pull: [{git_clone: x}]", "5:22: deployments[0].pull[0].git_clone", "are a mapping"),
        ("pull: [{git_clone: {id: 5}}]", "5:27: deployments[0].pull[0].git_clone.id", "must be text"),
        ("pull: [{git_clone: {requires: [5]}}]", "5:33: deployments[0].pull[0].git_clone.requires", "must be text"),
        ("pull: [{my.step: {}}]", "5:11: deployments[0].pull[0].my.step", "unknown step my.step"),
        ("pull: [{git_clone: {boolish: 5}}]", "5:32: deployments[0].pull[0].git_clone.boolish", "must be true or false"),
        ("triggers: [{type: x}]", "5:14: deployments[0].triggers[0]", "must be one of 'event'"),
        ("triggers: [{match: {a: [1]}}]", "5:27: deployments[0].triggers[0].match.a[0]", "must be text"),
        ("triggers: [{match: {a: 1}}]", "5:26: deployments[0].triggers[0].match.a", "must be a list"),
        ("triggers: [{triggers: [], require: 1}]", "5:25: deployments[0].triggers[0].triggers", "must not be empty"),
        ("triggers: [{triggers: [{}], require: 0}]", "5:40: deployments[0].triggers[0].require", "a count of triggers"),
        ("sla: {name: x}", "5:8: deployments[0].sla", "exactly one of duration"),
        ("sla: [{name: x, duration: soon}]", "5:29: deployments[0].sla[0].duration", "must be seconds"),
        ("collision_strategy: ENQUEUE\nconcurrency_limit: {limit: 1, collision_strategy: CANCEL_NEW}", "6:53:", "says otherwise"),
        ("paused: {{ x }}", "5:12: deployments[0].paused", "quote it"),
        ("paused: true\npaused: true", "6:3: deployments[0].paused", "is here twice"),
        ("parameters: {a: .nan}", "5:19: deployments[0].parameters.a", "NaN"),
    ],
)  # fmt: skip
def test_one_fault_is_one_located_problem(text, where, words):
    found = read(deployment(text))
    (one,) = found.problems
    assert str(one).startswith(f"a.yaml:{where}")
    assert words in one.message
    assert found.deployments[0].spec is None
    assert (found.deployments[0].name, found.deployments[0].entrypoint) == ("a", "f.py:g")
    assert not found.broken


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("''", "1 to 200 characters"),
        ("x" * 201, "1 to 200 characters"),
        ("a/b", "must not contain `/`"),
        ("-a", "must not start with"),
        ('".a"', "must not start with"),
        ('"a\\nb"', "printable"),
        ('"a\\u202Eb"', "printable"),
        ('" a"', "printable"),
        ("5", "put it in quotes"),
        ("true", "put it in quotes"),
        ("null", "is required"),
        ("[a]", "must be text, not a list"),
    ],
)
def test_names(name, words):
    (found,) = read(f"deployments:\n- entrypoint: a.py:b\n  name: {name}\n").problems
    assert found.key == "deployments[0].name"
    assert words in found.message
    assert found.line == 3


@pytest.mark.parametrize("name", ["no", "1:30", "2024-01-01", "1_000", "~x", "ünï", "a b"])
def test_names_that_yaml_1_1_would_not_read_as_text_are_text(name):
    found = clean(f"deployments:\n- name: {name}\n  entrypoint: a.py:b\n")
    assert found.deployments[0].spec.name == name
    assert type(found.deployments[0].spec.name) is str
    assert found.notes == ()


@pytest.mark.parametrize(
    ("text", "where", "words"),
    [
        ("", "1:1", "a spec file is a mapping"),
        ("# nothing\n", "1:1", "a spec file is a mapping"),
        ("- a\n", "1:1", "a spec file is a mapping"),
        ("deploymets: []\n", "1:1: deploymets", "did you mean `deployments`?"),
        ("prefectversion: 3\n", "1:1: prefectversion", "did you mean `prefect-version`?"),
        ("deployments: 5\n", "1:14: deployments", "must be a list"),
        ("deployments: {name: x}\n", "1:14: deployments", "must be a list"),
        ("name: 5\ndeployments: []\n", "1:7: name", "put it in quotes"),
        ("variables: [x]\n", "1:12: variables", "must be a mapping"),
        ("work_pools: {a/b: {}}\n", "1:14: work_pools.a/b", "must not contain"),
        ("work_pools: {a: {typ: x}}\n", "1:18: work_pools.a.typ", "did you mean `type`?"),
        ("work_pools: [{name: a, queues: [{name: q, prio: 1}]}]\n", "1:43: work_pools[0].queues[0].prio", "`priority`"),
        ("work_pools: [{name: a}, {name: a}]\n", "1:32: work_pools[1].name", "a second work pool"),
        ("work_pools: [{}]\n", "1:14: work_pools[0]", "a mapping with a `name`"),
        ("automations: [{name: x}]\n", "1:15: automations[0].trigger", "is required"),
        ("automations: 5\n", "1:14: automations", "must be a mapping"),
        ("a: [1\n", "2:1", "not YAML"),
        ("deployments: []\n---\na: 1\n", "2:1", "second document"),
    ],
)
def test_a_fault_of_the_whole_file_makes_it_broken(text, where, words):
    found = read(text)
    (one,) = found.problems
    assert str(one).startswith(f"a.yaml:{where}: ")
    assert words in one.message
    assert found.broken


@pytest.mark.parametrize(
    "text", ["deployments:\n", "deployments: []\n", "deployments: {}\n", "name: x\n", "name:\nbuild:\n"]
)
def test_a_file_may_declare_nothing(text):
    assert clean(text).deployments == ()


def test_faulty_deployments_leave_their_siblings_alone():
    found = read(
        "deployments:\n- {name: a, entrypoint: a.py:a}\n- {name: b, paused: 5, scheduls: []}\n- text\n-\n"
        "- {name: c, name: c, entrypoint: c.py:c}\n- {name: d, entrypoint: d.py:d}\n"
    )
    assert [p.spec is not None for p in found.deployments] == [True, False, False, False, False, True]
    assert [p.name for p in found.deployments] == ["a", "b", None, None, "c", "d"]
    assert [p.line for p in found.deployments] == [2, 3, 4, 5, 6, 7]
    assert [(p.line, p.key) for p in found.problems] == [
        (3, "deployments[1].entrypoint"),
        (3, "deployments[1].paused"),
        (3, "deployments[1].scheduls"),
        (4, "deployments[2]"),
        (5, "deployments[3]"),
        (6, "deployments[4].name"),
    ]
    assert not found.broken


def test_the_name_of_a_held_deployment_is_the_rendered_one():
    found = read("variables: {env: prod}\ndeployments:\n- {name: 'x-{{ env }}', flow_name: 5, entrypoint: x:y}\n")
    assert (found.deployments[0].name, found.deployments[0].flow_name) == ("x-prod", None)


def test_all_schedules_are_judged_even_when_the_deployment_has_other_faults():
    found = read(deployment("paused: 5\nschedules: [{cron: 0 0 31 2 *}, {crn: x}, {cron: ok}]"))
    assert [p.key for p in found.problems] == [
        "deployments[0].paused",
        "deployments[0].schedules[0].cron",
        "deployments[0].schedules[1].crn",
    ]


def test_the_files_pull_is_inherited_unless_a_deployment_gives_its_own():
    found = clean(
        "pull:\n- git_clone: {repository: .}\ndeployments:\n- {name: a, entrypoint: x:y}\n- {name: b, entrypoint: x:y, pull: null}\n"
        "- {name: c, entrypoint: x:y, pull: []}\n"
    )
    assert [p.spec.pull and p.spec.pull[0].step for p in found.deployments] == ["git_clone", "git_clone", ()]
    assert found.place(("deployments", 0, "pull", 0, "inputs", "repository"))[1:3] == (2, 27)


def test_a_faulty_pull_of_the_file_is_told_once_and_holds_its_heirs():
    found = read(
        "pull: [{nope: {}}]\ndeployments:\n- {name: a, entrypoint: x:y}\n- {name: b, entrypoint: x:y, pull: []}\n"
    )
    assert told(found.problems) == ["a.yaml:1:9: pull[0].nope: unknown step nope"]
    assert [p.spec is None for p in found.deployments] == [True, False]


def test_a_problem_inside_an_anchor_is_told_once_naming_its_users():
    users = "".join(f"- {{name: n{i}, entrypoint: x:y, schedules: *s}}\n" for i in range(5))
    found = read(f"definitions:\n  s: &s [{{cron: x, slgu: y}}]\ndeployments:\n{users}- {{name: z, entrypoint: x:y}}\n")
    (one,) = found.problems
    assert (one.line, one.column, one.key) == (2, 20, "definitions.s[0].slgu")
    assert "did you mean `slug`?" in one.message
    assert "in the anchor &s, used by deployments[0].schedules, deployments[1].schedules" in one.message
    assert "and 2 more" in one.message
    assert [p.spec is None for p in found.deployments] == [True] * 5 + [False]


def test_a_merged_problem_is_told_at_the_anchor():
    found = read(
        "deployments:\n- &base\n  name: a\n  entrypoint: x:y\n  paused: 5\n- <<: *base\n  name: b\n- <<: *base\n  name: c\n  paused: false\n"
    )
    (one,) = found.problems
    assert str(one).startswith("a.yaml:5:11: deployments[0].paused: must be true or false")
    assert "used by deployments[1], deployments[2]" in one.message
    assert [p.spec is None for p in found.deployments] == [True, True, False]


def test_a_yaml_fault_inside_an_anchor_holds_its_users():
    found = read(
        "definitions: {p: &p {a: 1, a: 2}}\ndeployments:\n- {name: a, entrypoint: x:y, parameters: *p}\n- {name: b, entrypoint: x:y}\n"
    )
    assert len(found.problems) == 1
    assert [p.spec is None for p in found.deployments] == [True, False]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("parameters: {a: [no]}", "5:20: deployments[0].parameters.a[0]"),
        ("schedules: [{cron: x, parameters: {a: 1:30}}]", "5:41: deployments[0].schedules[0].parameters.a"),
        ("work_pool: {job_variables: {env: {A: 2024-01-01}}}", "5:40: deployments[0].work_pool.job_variables.env.A"),
        ("labels: {a: no}", "5:15: deployments[0].labels.a"),
        ("pull: [{git_clone: {branch: on}}]", "5:31: deployments[0].pull[0].git_clone.branch"),
    ],
)
def test_ambiguous_text_in_free_data_is_noted(text, where):
    found = clean(deployment(text))
    (note,) = found.notes
    assert str(note).startswith(f"a.yaml:{where}: `")
    assert "is text here" in note.message
    assert "Ambiguous" not in repr(found.deployments[0].spec.model_dump())
    assert all(type(v) is str for v in found.deployments[0].spec.parameters.get("a", []))


def test_ambiguous_text_in_work_pools_is_noted():
    found = clean("work_pools: [{name: p, job_variables: {env: {A: no}}}]\n")
    assert [n.key for n in found.notes] == ["work_pools[0].job_variables.env.A"]
    assert type(found.pools["p"]["job_variables"]["env"]["A"]) is str


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        ("infra_overrides: {a: b}", "infra_overrides", "work_pool"),
        ("work_queue_name: x", "work_queue_name", "work_pool"),
        ("manifest_path: x", "manifest_path", "entrypoint"),
        ("is_schedule_active: true", "is_schedule_active", "active"),
        ("schedule: {cron: x, max_active_runs: 3}", "schedule.max_active_runs", "concurrency_limit"),
        ("schedules: [{cron: x, catchup: false}]", "schedules[0].catchup", "latest"),
        ("schedules: [{cron: x, max_scheduled_runs: 1}]", "schedules[0].max_scheduled_runs", "no effect yet"),
        ("schedules: [{cron: x, flow_run_name: n}]", "schedules[0].flow_run_name", "no effect"),
        ("build: [{x: {}}]", "build", "continuous integration"),
        ("sla: {name: x, within: 5}", "sla", "no effect yet"),
        ("pull: [{prefect.projects.steps.git_clone_project: {}}]", "pull[0].prefect.projects.steps.git_clone_project", "git_clone"),
    ],
)  # fmt: skip
def test_keys_without_effect_are_notes_at_the_key(text, key, words):
    (note,) = clean(deployment(text)).notes
    assert note.key == f"deployments[0].{key}"
    assert words in note.message


def test_old_keys_at_the_top():
    found = clean("build: [{x: {}}]\npush: {y: {}}\nrequired_inputs: {a: b}\nprefect-version: 3.0\ndeployments:\n")
    assert [n.key for n in found.notes] == ["build", "push", "required_inputs"]


def test_striking_an_entry_silences_its_note(monkeypatch):
    monkeypatch.delitem(_parse_keys.NO_EFFECT["deployment"], "sla")
    assert clean(deployment("sla: {name: x, within: 5}")).notes == ()


VARIABLES = "variables: {t: [x, y], on: true, n: 3, name: nightly, deep: {list: [5]}, text: 'two'}"


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("tags: '{{ t }}'", "tags", ("x", "y")),
        ("tags: ['{{ name }}-{{ n }}']", "tags", ("nightly-3",)),
        ("paused: '{{ on }}'", "paused", True),
        ("paused: '{{ absent | default(true) }}'", "paused", True),
        ("flow_name: '{{ prefect.variables.name }}'", "flow_name", "nightly"),
        ("description: 'a {{ variables.text }}'", "description", "a two"),
        ("concurrency_limit: '{{ n }}'", "limit", 3),
        ("parameters: {a: '{{ deep.list[0] }}', b: '{{ deep }}'}", "parameters", {"a": 5, "b": {"list": [5]}}),
        ("parameters: {a: '{{ $HOME }}', b: 'x {{ n }} {{ directory }}'}", "parameters", {"a": "{{ $HOME }}", "b": "x 3 {{ directory }}"}),
        ("parameters: {a: '{{ ctx.flow.name }}'}", "parameters", {"a": "{{ ctx.flow.name }}"}),
        ("parameter_openapi_schema: {x: '{{ y z }}'}", "parameter_openapi_schema", {"x": "{{ y z }}"}),
        ("version: 'v{{ n }}'", "version", "v3"),
    ],
)  # fmt: skip
def test_placeholders(text, field, value):
    assert getattr(spec(text, VARIABLES), field) == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("paused: '{{ off }}'", "nothing gives a value for {{ off }}"),
        ("paused: '{{ $PAUSED }}'", "in a run only"),
        ("paused: '{{ n }}'", "must be true or false"),
        ("tags: ['{{ variables.absent }}']", "{{ variables.absent }}"),
        ("description: '{% if x %}'", "only {{ name }}"),
        ("parameters: {a: '{{ n | upper }}'}", "only {{ name }}"),
        ("parameters: {a: '{{ absent.x }}'}", "nothing gives a value for {{ absent.x }}"),
        ("parameters: {a: '{{ prefect.blocks.json.x }}'}", "blocks do not exist"),
        ("parameters: {a: '{{ prefect.blocks.secret.x.y }}'}", "blocks do not exist"),
        ("tags: ['{{ prefect.blocks.secret.x }}']", "blocks do not exist"),
        ("version: '{{ secret.X }}'", "a secret is known in a run only"),
        ("tags: ['a {{ secret.X }}']", "a secret is known in a run only"),
        ("schedules: [{cron: '{{ secret.X }}'}]", "a secret is known in a run only"),
        ("parameters: {a: '{{ secret.x..y }}'}", "a secret's name has letters"),
        ("work_pool: {job_variables: {name: '{{ secret.X }}'}}", "only those of `env` may name a secret"),
        ("parameters: {a: 'x {{ t }}'}", "cannot stand inside text"),
        ("pull: [{git_clone: {branch: '{{ run.stdout }}'}}]", "nothing gives a value"),
        ("pull: [{git_clone: {branch: '{{ stdout }}'}}, {git_clone: {}}]", "nothing gives a value"),
        ("pull: []\nparameters: {a: '{{ directory }}'}", "nothing gives a value"),
        ("build: [{x: {id: img}}]\nparameters: {a: '{{ img.tag }}'}", "CI runs"),
    ],
)
def test_a_placeholder_nothing_answers_is_one_problem(text, words):
    found = read(deployment(text, VARIABLES))
    assert [words in p.message for p in found.problems] == [True]
    assert found.deployments[0].spec is None


@pytest.mark.parametrize(
    "text",
    [
        "parameters: {a: 'x {{ secret.tls.key }}'}",
        "schedules: [{cron: '* * * * *', parameters: {a: '{{ secret.X | default(none) }}'}}]",
        "work_pool: {job_variables: {env: {A: 'x-{{ secret.X }}'}}}",
        "pull: [{run_shell_script: {script: x, env: {A: '{{ secret.X }}'}}}]",
    ],
)
def test_a_secret_stays_a_reference(text):
    found = read(deployment(text))
    assert (found.problems, found.notes) == ((), ())
    assert "{{ secret." in found.deployments[0].spec.model_dump_json()


def test_a_token_for_a_clone_is_noted():
    found = read(deployment("pull: [{git_clone: {repository: 'https://h/x', access_token: '{{ secret.X }}'}}]"))
    assert [n.message.partition(":")[0] for n in found.notes] == ["has no effect"]


def test_pull_steps_name_the_outputs_of_earlier_ones():
    text = (
        "pull:\n- run_shell_script: {id: hash, script: git hash}\n"
        "- git_clone: {boolish: '{{ hash.flag }}', directory: '{{ n }}/{{ stdout }}'}"
    )
    (_, second) = spec(text, VARIABLES).pull
    assert second.inputs == {"boolish": "{{ hash.flag }}", "directory": "3/{{ stdout }}"}


def test_outputs_of_build_steps_are_kept_with_a_note_and_never_a_version():
    head = "build:\n- build_docker_image: {id: img}\n"
    found = clean(
        deployment("version: '{{ img.tag }}'\nwork_pool: {job_variables: {image: '{{ img.name }}:{{ tag }}'}}", head)
    )
    assert found.deployments[0].spec.version is None
    assert found.deployments[0].spec.work_pool.job_variables == {"image": "{{ img.name }}:{{ tag }}"}
    assert [n.key.rpartition(".")[2] for n in found.notes] == ["build", "version", "image"]


def test_variables_cannot_blow_a_file_up():
    uses = ", ".join(f"k{i}: '{{{{ big }}}}'" for i in range(1000))
    found = read(deployment(f"parameters: {{{uses}}}", f"variables: {{big: {'x' * 100_000}}}"))
    assert all("expand to over" in p.message for p in found.problems[:-1])
    assert found.problems[-1].message == "890 more problems from here on"


@pytest.mark.parametrize(
    "text",
    [
        deployment("pull: [{set_working_directory: {directory: '" + "/" * 500_000 + "'}}]"),
        deployment(
            "parameters: {a: [" + ", ".join(["'{{ big }}'"] * 8_000) + "]}",
            "variables: {big: [" + ", ".join("1" * 30_000) + "]}",
        ),
        deployment("description: '{{ a | default(" + "[" * 200_000 + ") }}'"),
    ],
)
def test_hostile_text_is_read_soon(text):
    started = time.process_time()
    read(text)
    assert time.process_time() - started < 5


def test_findings_are_bounded_and_in_the_order_of_the_file():
    found = read(deployment("\n".join(f"key{i}: 1" for i in range(5_000))))
    assert len(found.problems) == 101
    assert found.problems[-1].message == "4900 more problems from here on"
    assert [p.line for p in found.problems] == sorted(p.line for p in found.problems)


def test_values_are_never_echoed_at_length():
    secret = "s" * 1_000
    found = read(
        deployment(
            f"version_type: {secret}\nflow_name: {secret}\n{secret}: 1\nschedules: [{{cron: x, slug: {secret}}}]\npaused: {secret}"
        )
    )
    assert len(found.problems) == 5
    assert all(len(str(p)) < 250 for p in found.problems)


def test_the_schema_and_the_reader_know_the_same_keys():
    parts = json_schema({})["$defs"]
    for where, part in (("deployment", "DeploymentSpec"), ("schedule", "Schedule")):
        assert set(_parse_keys.OLD[where]) | set(_parse_keys.NO_EFFECT[where]) <= set(parts[part]["properties"])
