# ruff: noqa: E501 - one case, one line
"""Overlays: what a patch applies to, what it leaves, and where a fault of it is told."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.core.overlay import Overlay, broken, read
from reconciler.core.parse import SpecFile, parse

FILE = "specs/env/prod.yaml"


def overlay(text: str | bytes, **operators: Any) -> Overlay:
    return read(text.encode() if isinstance(text, str) else text, FILE, "b1", operators)


def spec(text: str, patches: str | Overlay = "", file: str = "specs/a.yaml") -> SpecFile:
    over = overlay(patches) if isinstance(patches, str) else patches
    assert over.problems == ()
    return parse(text.encode(), file, check_step=lambda _word, _inputs: (), check_schedule=_check, overlay=over)


def _check(rule: Any) -> tuple[str, str] | None:
    return ("cron", "no such day") if rule.get("cron") == "0 0 31 2 *" else None


def said(found: SpecFile) -> list[str]:
    return [str(p) for p in found.problems]


TWO = """\
variables: {n: 1, t: file}
deployments:
  - name: daily
    entrypoint: flows/a.py:main
    tags: [slow, eu]
    schedule: {cron: "0 9 * * *"}
    parameters: {n: "{{ n }}", deep: {a: 1, b: 2}}
    concurrency_limit: 3
  - name: weekly
    entrypoint: flows/b.py:main
    tags: fast
    schedules: [{cron: "0 9 * * 1"}, {interval: 60}]
"""


def patched(patch: str, target: str = "{name: daily}") -> Any:
    found = spec(TWO, f"patches: [{{target: {target}, patch: {patch}}}]")
    assert said(found) == []
    return found.deployments[0].spec


@pytest.mark.parametrize(
    ("target", "hit"),
    [
        ("{}", "daily weekly"),
        ("{name: daily}", "daily"),
        ("{name: '*ly'}", "daily weekly"),
        ("{name: DAILY}", ""),
        ("{name: '[dw]*', entrypoint: 'flows/b.py:*'}", "weekly"),
        ("{file: specs/a.yaml}", "daily weekly"),
        ("{file: 'specs/team/*'}", ""),
        ("{file: 'specs/*'}", "daily weekly"),
        ("{tags: [eu, us]}", "daily"),
        ("{tags: fast}", "weekly"),
        ("{tags: ['*']}", "daily weekly"),
        ("{kind: deployment}", "daily weekly"),
        ("{kind: work_pool}", ""),
        ("null", "daily weekly"),
    ],
)
def test_a_target_is_fitted_by_equality_or_glob_as_written(target: str, hit: str):
    found = spec(TWO, f"patches: [{{target: {target}, patch: {{paused: true}}}}]")
    assert [d.name for d in found.deployments if d.spec and d.spec.paused] == hit.split()
    assert [d.name for d in found.deployments if d.overlay] == hit.split()
    assert found.patched == ((0,) if hit else ())


@pytest.mark.parametrize(
    ("patch", "field", "value"),
    [
        ("{paused: true}", "paused", True),
        ("{parameters: {n: 5, deep: {a: null}}}", "parameters", {"n": 5, "deep": {"b": 2}}),
        ("{parameters: null}", "parameters", {}),
        ("{tags: [one]}", "tags", ("one",)),
        ("{tags: one}", "tags", ("one",)),
        ("{schedules: [{interval: 5}]}", "schedules", ["5"]),
        ("{schedules: {interval: 5}}", "schedules", ["5"]),
        ("{schedule: {interval: 5}}", "schedules", ["5"]),
        ("{schedules: {}}", "schedules", []),
        ("{schedules: []}", "schedules", []),
        ("{schedules: null}", "schedules", []),
        ("{schedule: null}", "schedules", []),
        ("{concurrency_limit: 1}", "limit", 1),
        ("{concurrency_limit: {collision_strategy: CANCEL_NEW}}", "limit", 3),
        ("{concurrency_limit: null}", "limit", None),
        ("{work_pool: {name: big}}", "pool", "big"),
        ("{description: '{{ t }}'}", "description", "file"),
        ("{pull: {set_working_directory: {directory: x}}}", "pull", ["set_working_directory"]),
    ],
)
def test_a_patch_works_in_every_form_that_a_spec_takes(patch: str, field: str, value: Any):
    found = patched(patch)
    seen = {
        "schedules": lambda: [str(s.interval or s.cron) for s in found.schedules],
        "pool": lambda: found.work_pool.name,
        "pull": lambda: [s.step for s in found.pull],
    }
    assert seen.get(field, lambda: getattr(found, field))() == value


def test_an_older_form_gives_way_on_either_side():
    found = spec(TWO, "patches: [{target: {name: weekly}, patch: {schedule: {cron: '1 1 * * *'}}}]")
    assert [s.cron for s in found.deployments[1].spec.schedules] == ["1 1 * * *"]
    assert said(found) == []


def test_later_patches_win_and_all_are_matched_against_what_is_written():
    found = spec(TWO, """\
patches:
  - patch: {tags: [all], description: first}
  - target: {tags: slow}
    patch: {tags: [was-slow], name: renamed}
  - target: {name: daily}
    patch: {description: last}
  - target: {name: weekly}
    delete: true
""")  # fmt: skip
    (one,) = found.deployments
    assert (one.spec.name, one.spec.tags, one.spec.description) == ("renamed", ("was-slow",), "last")
    assert found.patched == (0, 1, 2, 3)


def test_an_alias_is_patched_in_one_place_only():
    text = "deployments:\n  - &base {name: a, entrypoint: 'f.py:g', parameters: {n: 1}}\n  - {<<: *base, name: b}\n"
    found = spec(text, "patches: [{target: {name: a}, patch: {parameters: {n: 2}}}]")
    assert [d.spec.parameters for d in found.deployments] == [{"n": 2}, {"n": 1}]


def test_variables_go_operator_over_overlay_over_file():
    over = overlay("variables: {n: 2, t: [overlay], gone: x}", t="operator", more=1)
    text = TWO + "  - {name: c, entrypoint: 'f.py:g', parameters: {t: '{{ t }}', v: '{{ prefect.variables.n }}'}}\n"
    found = spec(text, over)
    assert found.deployments[0].spec.parameters["n"] == 2
    assert found.deployments[2].spec.parameters == {"t": "operator", "v": 2}
    assert [d.overlay for d in found.deployments] == [FILE, "", FILE]


def test_an_inherited_pull_that_names_a_variable_of_the_overlay_counts():
    text = "pull: [{set_working_directory: {directory: '{{ d }}'}}]\ndeployments: [{name: a, entrypoint: 'f.py:g'}]\n"
    assert spec(text, "variables: {d: x}").deployments[0].overlay == FILE
    assert spec(text, overlay("variables: {d: x}", d="y")).deployments[0].overlay == ""


@pytest.mark.parametrize(
    ("patches", "told"),
    [
        ("- patch:\n    paused: maybe", f"{FILE}:3:13: patches[0].patch.paused: must be true or false, not text"),
        ("- patch: {schedules: [{cron: '0 0 31 2 *'}]}", f"{FILE}:2:30: patches[0].patch.schedules[0].cron: no such day"),
        ("- {target: {name: daily}, patch: {entrypoint: null}}", f"{FILE}:2:47: patches[0].patch.entrypoint: is required"),
        ("- patch: {work_pool: {nme: x}}", f"{FILE}:2:23: patches[0].patch.work_pool.nme: unknown key; did you mean `name`?"),
        ("- patch: {concurrency_limit: 0}", f"{FILE}:2:30: patches[0].patch.concurrency_limit: must be more than 0"),
        ("- patch: {version: '{{ nope }}'}", "nothing gives a value for {{ nope }}"),
        ("- patch: {triggers: {expect: 1}}", f"{FILE}:2:30: patches[0].patch.triggers.expect"),
    ],
)  # fmt: skip
def test_a_fault_of_a_patch_is_told_where_the_overlay_has_it(patches: str, told: str):
    found = spec(TWO, f"patches:\n{patches}\n")
    assert any(told in text for text in said(found)), said(found)
    assert {p.file for p in found.problems} == {FILE}
    assert found.deployments[0].spec is None
    assert not found.broken


def test_a_fault_of_the_file_is_told_in_the_file_and_breaks_its_deployment_only():
    found = spec(TWO.replace("limit: 3", "limit: 0"), "patches: [{patch: {paused: true}}]")
    assert said(found) == ["specs/a.yaml:8:24: deployments[0].concurrency_limit: must be more than 0"]
    assert [d.spec is None for d in found.deployments] == [True, False]


def test_what_a_patch_mends_or_leaves_out_is_no_fault():
    text = TWO.replace("limit: 3", "limit: 0")
    assert said(spec(text, "patches: [{target: {name: daily}, patch: {concurrency_limit: 1}}]")) == []
    assert said(spec(text, "patches: [{target: {name: daily}, delete: true}]")) == []


POOLS = "work_pools: {big: {type: docker, concurrency_limit: 3, job_variables: {image: a}}, small: }\n"


@pytest.mark.parametrize(
    "text", [POOLS, POOLS.replace("{big: {", "[{name: big, ").replace("}}, small: }", "}}, {name: small}]")]
)
def test_work_pools_are_patched_by_name(text: str):
    found = spec(text, """\
patches:
  - target: {kind: work_pool, name: big}
    patch: {concurrency_limit: null, job_variables: {image: b}}
  - target: {kind: work_pool, name: s*}
    delete: true
""")  # fmt: skip
    assert (said(found), found.patched) == ([], (0, 1))
    assert found.pools == {"big": {"type": "docker", "job_variables": {"image": "b"}}}
    wrong = spec(text, "patches:\n- target: {kind: work_pool, name: big}\n  patch: {concurrency_limit: 0}\n")
    assert said(wrong) == [f"{FILE}:3:30: patches[0].patch.concurrency_limit: must be more than 0"]


def test_the_overlays_own_deployments_are_read_with_its_variables_and_not_patched():
    text = "variables: {t: x}\npatches: [{patch: {paused: true}}]\nwork_pools: {only: {}}\ndeployments:\n"
    text += "  - {name: extra, entrypoint: 'f.py:g', tags: ['{{ t }}']}\n  - {name: b/d, entrypoint: 'f.py:g'}\n"
    found = parse(
        text.encode(), FILE, check_step=lambda _w, _i: (), check_schedule=_check, overlay=overlay(text)
    )  # fmt: skip
    assert said(found) == [f"{FILE}:6:12: deployments[1].name: must not contain `/`"]
    (extra, _) = found.deployments
    assert (extra.spec.tags, extra.spec.paused, extra.line, found.pools) == (("x",), False, 5, {"only": {}})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("- 1", ["1:1: an overlay is a mapping with `variables` and `patches`"]),
        ("patches: [", ["2:1: not YAML"]),
        ("a: &a [*a]", ["1:8: the alias *a is inside its own anchor"]),
        ("varibles: {}", ["1:1: varibles: unknown key; did you mean `variables`?"]),
        ("deploymets: []", ["1:1: deploymets: unknown key; did you mean `deployments`?"]),
        ("pull: []", ["1:1: pull: unknown key"]),
        ("patches: 3", ["1:10: patches: must be a list"]),
        ("patches: [{target: {nme: x}, patch: {}}]", ["1:21: patches[0].target.nme: unknown key; did you mean `name`?"]),
        ("patches: [{patch: {pausd: true}}]", ["1:20: patches[0].patch.pausd: unknown key; did you mean `paused`?"]),
        ("patches: [{target: {kind: work_pool}, patch: {limit: 1}}]", ["patches[0].patch.limit: unknown key"]),
        ("patches: {target: {name: a}}", ["patches: needs `patch: {...}` or `delete: true`, one of them"]),
        ("patches: [{patch: {}, delete: true}]", ["1:11: patches[0]: needs `patch: {...}` or `delete: true`, one of them"]),
        ("patches: [{patch: 'paused: true'}]", ["1:19: patches[0].patch: must be a mapping"]),
        ("patches: [{target: {name: f/a}, delete: true}]", ["a name here is the deployment's own, without `flow/`"]),
        ("patches: [{target: {kind: work_pool, tags: a}, delete: true}]", ["a work pool has no tags"]),
        ("patches: [{pach: {}}, {patch: {pausd: 1}}]", ["pach: unknown key; did you mean `patch`?", "`paused`?"]),
    ],
)  # fmt: skip
def test_a_broken_overlay_says_what_and_where_and_gives_nothing(text: str, told: list[str]):
    found = overlay(text)
    assert [p.file for p in found.problems] == [FILE] * len(told)
    for problem, words in zip(found.problems, told, strict=True):
        assert words in str(problem)
    assert found.patches == ()


@pytest.mark.parametrize("text", ["", "# nothing\n", "{}", "patches:\nvariables:\n", "patches: {}", "patches: []"])
def test_an_empty_overlay_is_one(text: str):
    assert overlay(text).problems == ()
    assert spec(TWO, text).patched == ()


def test_a_patch_that_nothing_fits_is_told_with_the_nearest():
    over = overlay(
        "patches:\n- target: {name: dialy}\n  delete: true\n- patch: {}\n- target: {file: specs/b.yaml}\n  patch: {}\n"
    )
    first, second = over.unmatched([1], ["daily"], ["specs/a.yaml"])
    assert str(first).startswith(
        f"{FILE}:2:11: patches[0].target: no deployment in the spec files fits it; did you mean `daily`?"
    )
    assert "did you mean `specs/a.yaml`?" in second.message
    assert over.unmatched([0, 1, 2], [], []) == []


def test_what_patches_bring_to_one_file_is_bounded():
    many = "deployments:\n" + "".join(f"  - {{name: d{i}, entrypoint: 'f.py:g'}}\n" for i in range(200))
    found = spec(many, f"patches: [{{patch: {{parameters: {json.dumps({str(i): i for i in range(400)})}}}}}]")
    assert "patches bring over 50,000 values to this file" in found.problems[0].message
    assert found.deployments[0].spec is not None
    assert found.deployments[-1].spec is None


@pytest.mark.parametrize("pattern", ["*" * 200, "*a" * 90 + "*b", "[" * 100, "[!", "(?:a+)+$"])
def test_a_hostile_pattern_costs_nothing(pattern: str):
    text = f"deployments: [{{name: {'a' * 190}, entrypoint: 'f.py:g'}}, {{name: {'a' * 100_000}, entrypoint: x}}]\n"
    spec(text, f"patches: [{{target: {{name: {json.dumps(pattern)}}}, delete: true}}]")


def test_an_overlay_that_is_no_file_has_one_problem():
    assert [str(p) for p in broken(FILE, "b", "it is a symbolic link").problems] == [
        f"{FILE}:1:1: it is a symbolic link"
    ]


# --- patched by the overlay is as patched by hand ---------------------------------------------------------------------

NAMES = st.sampled_from(["a", "b", "ab"])
FIELDS = {
    "paused": st.booleans() | st.just("{{ v }}"),
    "tags": st.lists(st.sampled_from(["x", "y"]), max_size=2),
    "parameters": st.dictionaries(
        st.sampled_from("pq"), st.integers(0, 3) | st.dictionaries(st.just("r"), st.integers(0, 2))
    ),
    "concurrency_limit": st.integers(-1, 2),
    "description": st.sampled_from(["d", "{{ v }}"]),
    "work_pool": st.fixed_dictionaries(
        {}, optional={"name": NAMES, "job_variables": st.dictionaries(NAMES, st.integers())}
    ),
    "schedules": st.lists(
        st.sampled_from([{"cron": "0 9 * * *"}, {"cron": "0 0 31 2 *"}, {"interval": 9}]), max_size=2
    ),
}
DEPLOYMENT = st.fixed_dictionaries({"name": NAMES, "entrypoint": st.just("f.py:g")}, optional=FIELDS)
TARGET = st.fixed_dictionaries(
    {}, optional={"name": NAMES | st.just("a*"), "tags": st.lists(st.sampled_from("xy"), max_size=1)}
)
CHANGE = st.fixed_dictionaries({}, optional={k: v | st.none() for k, v in FIELDS.items()})
PATCH = st.tuples(TARGET, CHANGE | st.none()).map(
    lambda drawn: {"target": drawn[0], **({"delete": True} if drawn[1] is None else {"patch": drawn[1]})}
)


def by_hand(raw: dict[str, Any], patches: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The deployment as a person would write it for this environment."""
    done = json.loads(json.dumps(raw))
    for each in patches:
        name, tags = each["target"].get("name"), each["target"].get("tags")
        if name and not (raw["name"] == name or (name == "a*" and raw["name"].startswith("a"))):
            continue
        if tags and not set(tags) & set(raw.get("tags", [])):
            continue
        if each.get("delete"):
            return None
        for key, value in each["patch"].items():
            lay(done, key, value)
    return done


def lay(over: dict[str, Any], key: str, value: Any) -> None:
    if value is None:
        over.pop(key, None)
    elif isinstance(value, dict):
        if not isinstance(over.get(key), dict):
            over[key] = {}
        for inner, each in value.items():
            lay(over[key], inner, each)
    else:
        over[key] = value


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(DEPLOYMENT, max_size=3), st.lists(PATCH, max_size=3), st.sampled_from([True, "text"]))
def test_spec_and_overlay_say_what_the_spec_merged_by_hand_says(deployments, patches, value):
    variables = {"v": value}
    found = spec(json.dumps({"deployments": deployments}), json.dumps({"variables": variables, "patches": patches}))
    merged = [m for m in (by_hand(raw, patches) for raw in deployments) if m is not None]
    expected = spec(json.dumps({"variables": variables, "deployments": merged}))
    assert [(d.name, d.spec) for d in found.deployments] == [(d.name, d.spec) for d in expected.deployments]
    assert sorted({p.message for p in found.problems}) == sorted({p.message for p in expected.problems})
