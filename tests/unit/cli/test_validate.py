"""The `validate` verb: what lies in the work tree is judged by the code that judges commits, with the same words."""

import os

import pytest

from reconciler.daemon.view import FILE_LIMIT

FLOW = "def hello(name: str = 'x'):\n    '''Say hello.'''\n"


@pytest.fixture
def tree(verbs, spec):
    verbs.repo.write({"flows/f.py": FLOW, "specs/a.yaml": spec()})
    return verbs


def test_what_is_sound_is_exit_0(tree):
    done = tree("validate")
    assert (done.exit_code, done.stdout) == (0, "1 deployment without fault, 0 problems\n")
    assert tree.json("validate") == {"problems": [], "notes": []}


HOSTILE = {
    "no entrypoint": "deployments: [{name: x}]\n",
    "unknown key": "deployments: [{name: x, entrypoint: 'flows/f.py:hello', tag: [a]}]\n",
    "duplicate key": "deployments: []\ndeployments: []\n",
    "twin": "deployments: [{name: main, entrypoint: 'flows/f.py:hello'}]\n",
    "case twin": "deployments: [{name: MAIN, entrypoint: 'flows/f.py:hello'}]\n",
    "no such flow": "deployments: [{name: x, entrypoint: 'flows/f.py:nope'}]\n",
    "out of the repository": "deployments: [{name: x, entrypoint: '../f.py:hello'}]\n",
    "wrong parameter": "deployments: [{name: x, entrypoint: 'flows/f.py:hello', parameters: {name: 1}}]\n",
    "unknown pool": "deployments: [{name: x, entrypoint: 'flows/f.py:hello', work_pool: {name: proces}}]\n",
    "impossible cron": "deployments: [{name: x, entrypoint: 'flows/f.py:hello', schedules: [{cron: '0 0 31 2 *'}]}]\n",
    "unknown step": "deployments: [{name: x, entrypoint: 'flows/f.py:hello', pull: [{git_clon: {}}]}]\n",
    "tabs": "deployments:\n\t- name: x\n",
    "not utf-8": b"deployments: [\xff]\n",
    "brackets": "[" * 40_000,
    "too large": b"# " + b"x" * FILE_LIMIT,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_it_says_what_plan_says_once_it_is_committed(tree, text):
    tree.repo.write({"specs/b.yaml": text})
    told = tree.json("validate")
    assert told["problems"]
    assert tree("validate").exit_code == 1
    tree.repo.commit()
    plan = tree.json("plan")
    assert told == {"problems": plan["problems"], "notes": plan["notes"]}


def test_links_are_not_followed_out_of_the_tree(tree, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/x.yaml").write_text("deployments: [{name: secret}]\n")
    (tree.path / "specs/link.yaml").symlink_to(tmp_path / "out/x.yaml")
    (tree.path / "specs/folder.yaml").symlink_to(tmp_path / "out")
    (tree.path / "specs/deeper").symlink_to(tmp_path / "out")
    os.mkfifo(tree.path / "specs/fifo.yaml")
    told = tree.json("validate")
    assert [p["file"] for p in told["problems"]] == ["specs/deeper", "specs/folder.yaml", "specs/link.yaml"]
    (tree.path / "specs/fifo.yaml").unlink()
    tree.repo.commit()
    assert tree.json("plan")["problems"] == told["problems"]
    assert tree.json("validate", str(tree.path / "specs/link.yaml"))["problems"][0]["file"] == "specs/link.yaml"


def test_a_file_is_judged_among_its_siblings_and_told_alone(tree, spec):
    tree.repo.write({"specs/b.yaml": spec(), "specs/bad.yaml": "x: 1\n"})
    told = tree.json("validate", str(tree.path / "specs/b.yaml"))
    assert {p["file"] for p in told["problems"]} == {"specs/b.yaml"}
    assert "declared in specs/a.yaml too" in told["problems"][0]["message"]
    tree.repo.write({"specs/b.yaml": None})
    assert tree("validate", str(tree.path / "specs/a.yaml")).exit_code == 0


@pytest.mark.parametrize("part", ["", "specs", "specs/a.yaml"])
def test_no_repository_is_needed(tmp_path, tree, spec, part):
    place = tmp_path / "plain"
    (place / "specs").mkdir(parents=True)
    (place / "flows").mkdir()
    (place / "specs/a.yaml").write_text(spec())
    (place / "flows/f.py").write_text(FLOW)
    assert tree("-C", str(tmp_path), "validate", str(place / part)).stdout == "1 deployment without fault, 0 problems\n"
    (place / "specs/a.yaml").write_text(spec(entrypoint="flows/f.py:nope"))
    told = tree("-C", str(tmp_path), "validate", str(place / part))
    assert told.exit_code == 1
    assert told.stdout.startswith("problem specs/a.yaml:2:")


def test_a_draft_elsewhere_is_judged_alone(tree, tmp_path, spec):
    (tmp_path / "draft.yaml").write_text(spec())
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows/f.py").write_text(FLOW)
    (tmp_path / "other.yaml").write_text("x: 1\n")
    assert tree("-C", str(tmp_path), "validate", str(tmp_path / "draft.yaml")).exit_code == 0
    tree.repo.write({"drafts/d.yaml": spec(entrypoint="flows/f.py:nope")})
    (problem,) = tree.json("validate", str(tree.path / "drafts/d.yaml"))["problems"]
    assert problem["file"] == "drafts/d.yaml"


def test_nothing_to_check_is_said(verbs, tmp_path):
    assert "no deployments in specs" in verbs("validate").stdout
    assert "no such file or folder" in str(verbs("validate", "nope.yaml").exception)
    assert "not a git repository" in str(verbs("-C", str(tmp_path), "validate").exception)


def test_a_bare_repository_has_no_work_tree(tmp_path, verbs):
    verbs.repo.git("init", "-q", "--bare", str(tmp_path / "bare"))
    assert "has no work tree" in str(verbs("-C", str(tmp_path / "bare"), "validate").exception)


PAUSED = "patches: [{patch: {paused: true}}]\n"


@pytest.fixture
def envs(tree):
    tree.repo.write({"specs/env/prod.yaml": PAUSED, "specs/env/staging.yml": "variables: {v: s}\n"})
    return tree


def test_the_files_are_read_as_none_and_as_each_environment(envs):
    assert envs("validate").stdout == "1 deployment without fault, 0 problems; environments: prod, staging\n"
    envs.repo.write(
        {"specs/env/prod.yaml": "patches: [{target: {name: mian}, patch: {}}]\n", "specs/env/x.yaml": "a: [\n"}
    )
    told = envs("validate")
    assert (told.exit_code, told.stdout.splitlines()) == (1, [
        "problem specs/env/prod.yaml:1:20: patches[0].target: no deployment in the spec files fits it; did you mean `main`?; until one does everything stays as it is",  # noqa: E501
        "problem specs/env/x.yaml:2:1: not YAML: did not find expected node content while parsing a flow node",
        "1 deployment without fault, 2 problems; environments: prod, staging, x",
    ])  # fmt: skip
    assert envs("validate", "--env", "staging").exit_code == 0
    assert envs("validate", str(envs.path / "specs/env/staging.yml")).stdout.endswith(
        "0 problems; environments: staging\n"
    )
    assert envs("validate", str(envs.path / "specs/env/x.yaml")).exit_code == 1


def test_a_problem_of_one_environment_names_it_and_one_of_all_is_told_once(envs):
    text = "deployments: [{name: b, entrypoint: 'flows/f.py:hello', VERSION, PAUSED}]\n"
    envs.repo.write({"specs/b.yaml": text.replace("VERSION", "version: '{{ v }}'").replace("PAUSED", "paused: 3")})
    told = [p["message"] for p in envs.json("validate")["problems"]]
    assert len(told) == 2
    assert told[0].startswith("nothing gives a value for {{ v }}")
    assert told[1].startswith("must be true or false")
    text = text.replace("VERSION", "description: '{{ v | default(\"x\") }}'").replace(", PAUSED", "")
    envs.repo.write({"specs/b.yaml": text, "specs/env/staging.yml": "variables: {v: [1]}\n", "specs/env/prod.yaml": ""})
    (one,) = envs.json("validate")["problems"]
    assert one["message"].endswith("(as staging)")


def test_nothing_in_env_and_secrets_is_a_spec(envs):
    envs.repo.write({
        "specs/secrets/a.yaml": "deployments: [\n", "specs/secrets/deep/b.yml": "x: !tag\n",
        "specs/env/deep/prod.yaml": "nonsense: [\n", "specs/env/readme.txt": "x",
    })  # fmt: skip
    assert envs.json("validate") == {"problems": [], "notes": []}
    missing = envs("validate", "--env", "prdo")
    assert missing.exit_code == 1
    assert "no specs/env/prdo.yaml; did you mean `prod`?" in str(missing.exception)


@pytest.mark.parametrize("env", ["prod", "staging", ""])
def test_validate_and_plan_agree_in_an_environment(envs, env):
    text = "deployments: [{name: b, entrypoint: 'flows/f.py:hello', parameters: {name: '{{ v }}', n: 1}}]\n"
    envs.repo.write({"specs/b.yaml": text})
    told = envs.json("validate", "--env", env)
    assert told["problems"]
    envs.repo.commit()
    plan = envs.json("plan", "--env", env)
    assert told == {"problems": plan["problems"], "notes": plan["notes"]}
