# ruff: noqa: E501 - one case, one line
"""Files written for Prefect load as they are, or say where and why not; each form of public files, in files of ours."""

import os
import re
from pathlib import Path

import pytest
from helpers_prefect import judged, lay_out

D = "deployments:\n- name: d\n  entrypoint: flows/f.py:load_all\n"
CLONE = "pull:\n- prefect.deployments.steps.git_clone:\n    id: clone\n    repository: .\n    branch: main\n"

LOADS = {
    "nothing but a name": (D, []),
    "null everywhere": (
        "name: null\nprefect-version: null\nbuild: null\npush: null\npull: null\n" + D
        + "  version: null\n  tags: null\n  description: null\n  schedule: null\n  schedules: null\n  flow_name: null\n"
        "  parameters: null\n  concurrency_limit: null\n  work_pool:\n    name: null\n    work_queue_name:\n"
        "    job_variables:\n", [],
    ),
    "empty lists, mappings and texts": (
        "build: []\npush: {}\npull:\n" + D + "  schedule: {}\n  schedules: {}\n  tags: []\n  flow_name: ''\n"
        "  version: ''\n  work_pool: {}\n  triggers: []\n  sla: {}\n", [],
    ),
    "a version that is a number, Windows lines, a byte order mark": (
        "\ufeff" + ("prefect-version: 3.0\n" + D + "  parameters: null\n").replace("\n", "\r\n"), [],
    ),
    "a legacy schedule": (D + "  schedule: {cron: '0 2 * * *', timezone: Europe/Rome, day_or: true, active: true}\n", []),
    "a legacy schedule with nothing in it": (D + "  schedule: {cron: null, timezone: null}\n", []),
    "a legacy list of schedules": (D + "  schedule:\n  - {interval: 600, anchor_date: 2021-01-01T00:00:00}\n", []),
    "every kind of schedule": (
        D + "  schedules:\n  - {cron: 0 9 * * MON-FRI, timezone: '', slug: a}\n"
        "  - {rrule: 'FREQ=WEEKLY;BYDAY=MO;UNTIL=20400730T040000Z', timezone: UTC}\n"
        "  - {interval: 3600, anchor_date: '2024-01-01 00:00:00+00:00', timezone: America/Sao_Paulo, active: false}\n", [],
    ),
    "keys that an older CLI wrote in schedules": (
        D + "  schedules:\n  - {cron: 0 0 * * *, max_active_runs: 1, catchup: false, flow_run_name: x, parameters: {a: 1}}\n",
        ["limit", "none, latest or all", "does not name its runs"],
    ),
    "keys of a deployment that mean nothing": (
        D + "  working_dir: /srv\n  env: {A: b}\n  job_variables: {x: 1}\n  work_queue_name: q\n"
        "  global_concurrency_limit_identifiers: [x]\n  is_schedule_active: true\n  infra_overrides: {a: 1}\n",
        ["private directory", "job_variables: {env", "under `work_pool`", "under `work_pool`", "concurrency_limit",
         "paused", "job_variables: ..."],
    ),
    "anchors, merge keys and areas of one's own": (
        "x-env: &env {A: '1'}\n.hidden: 1\n_base: &base\n  tags: [x]\ndefaults: &more {description: text}\n"
        "definitions:\n  tags: &tags [a, b]\n" + D + "  <<: [*base, *more]\n  tags: *tags\n"
        "  work_pool: {job_variables: {env: {<<: *env, B: '2'}}}\n",
        ["`definitions` is the place"],
    ),
    "a file's own version, and schedules for their anchors": (
        "version: 1.0.0\nschedules: &daily\n- cron: 0 2 * * *\n" + D + "  schedules: *daily\n",
        ["in the list `deployments`", "in the list `deployments`"],
    ),
    "placeholders in what only people read": (
        "name: '{{ $PROJECT }}'\nprefect-version: '{{ $VERSION }}'\n" + D, ["has no effect", "has no effect"],
    ),
    "build and push": (
        "build:\n- prefect_docker.deployments.steps.build_docker_image: {id: img, image_name: x, tag: '{{ h.stdout }}'}\n"
        "push:\n- prefect_docker.deployments.steps.push_docker_image: {image_name: '{{ img.image_name }}'}\n" + D
        + "  version: '{{ img.tag }}'\n  work_pool: {job_variables: {env: {TAG: '{{ img.tag }}'}}}\n",
        ["continuous integration", "continuous integration", "the source commit is the version", "kept as it is"],
    ),
    "a version from the environment of CI": (D + "  version: '{{ $GITHUB_SHA }}'\n", ["the source commit is the version"]),
    "a clone that CI's variables choose": (
        CLONE.replace("main", "'{{ $GITHUB_REF_NAME }}'") + "- prefect.deployments.steps.set_working_directory:\n"
        "    directory: '{{ clone.directory }}'\n" + D, ["the branch is the recorded one"],
    ),
    "a pinned commit from CI": (
        CLONE.replace("branch: main", "commit_sha: '{{ $CI_COMMIT_SHA }}'") + D, ["the commit is the recorded one"],
    ),
    "blocks for a clone": (
        CLONE.replace("branch: main", "credentials: '{{ prefect.blocks.github-credentials.mine }}'") + D,
        ["blocks do not exist here"],
    ),
    "a secret block": (
        D + "  parameters: {a: '{{ prefect.blocks.secret.api-key }}'}\n"
        "  work_pool: {job_variables: {env: {K: '{{prefect.blocks.secret.api-key.value}}'}}}\n",
        ["read as {{ secret.api-key }}", "read as {{ secret.api-key }}"],
    ),
    "old names of steps": (
        "pull:\n- prefect.projects.steps.git_clone_project: {repository: .}\n"
        "- prefect.projects.steps.pip_install_requirements: {requirements_file: requirements.txt}\n" + D,
        ["`git_clone`", "`pip_install_requirements`"],
    ),
    "one step without a list": ("pull:\n  prefect.deployments.steps.set_working_directory: {directory: flows}\n"
        + D.replace("flows/f", "flows/f"), ["from elsewhere"]),
    "code in an image": (
        "pull:\n- prefect.deployments.steps.set_working_directory: {directory: /opt/prefect/app}\n" + D,
        ["a folder of an image: here it is this repository"],
    ),
    "a pool of containers that lives on a server": (
        D + "  work_pool: {name: docker-pool, job_variables: {image: 'x:y'}}\n",
        ["work pool docker-pool is declared nowhere", "has no effect in a pool of type process"],
    ),
    "no pull steps at all": ("pull: []\n" + D, ["runs take the code from elsewhere"]),
    "a folder of the run's environment": (
        "pull:\n- prefect.deployments.steps.set_working_directory: {directory: '{{ $WORK_DIR }}'}\n" + D,
        ["runs take the code from elsewhere"],
    ),
    "an absolute folder before that of a clone": (
        CLONE.replace("    branch: main\n", "") + "- prefect.deployments.steps.set_working_directory:\n"
        "    directory: /opt/prefect/{{ clone.directory }}/\n" + D, ["what stands before it is left out"],
    ),
    "job variables of a pool of Docker": (
        "work_pools: {docker-pool: {type: process}}\n" + D + "  work_pool:\n    name: docker-pool\n    work_queue_name: fast\n"
        "    type: docker\n    job_variables: {image: 'x:y', image_pull_policy: Never, auto_remove: true, networks: [a],\n"
        "      volumes: ['/a:/b'], network_mode: host, cap_add: [NET_RAW], secretName: s, cpu_request: 500m, env: {A: b}}\n",
        ["a work pool's type", *["has no effect in a pool of type process"] * 9],
    ),
    "tags as text, a folder written for Windows": (
        D.replace("flows/f", "flows\\f") + "  tags: etl\n", ["separated by /"],
    ),
    "a flow's function for its name": (D + "  flow_name: load_all\n", ["contradicts the code"]),
    "a pool that lives on a server": (
        D + "  work_pool: {name: my-pool, work_queue_name: any}\n",
        ["work pool my-pool is declared nowhere: its runs go to processes of this host; declare it to say otherwise: `wo"],
    ),
    **{
        f"the folder it was deployed from: {folder}": (
            f"pull:\n- prefect.deployments.steps.set_working_directory:\n    directory: '{folder}'\n" + D, [folder_note],
        )
        for folder in ("/home/me/app", "/Users/me/app", "C:\\Users\\me\\app", "E:/app", "/workspaces/app", "~/app", ".")
        for folder_note in ["the folder it was deployed from"]
    },
    "the folder it was deployed from, and more steps": (
        "pull:\n- prefect.deployments.steps.set_working_directory: {id: here, directory: /home/me/app}\n"
        "- prefect.deployments.steps.pip_install_requirements: {directory: '{{ here.directory }}'}\n" + D,
        ["the folder it was deployed from"],
    ),
    "a bucket that the file itself fills": (
        "push:\n- prefect_aws.deployments.steps.push_to_s3: {id: push, bucket: b, folder: f}\npull:\n"
        "- prefect_aws.deployments.steps.pull_from_s3: {id: pull, bucket: '{{ push.bucket }}'}\n" + D,
        ["continuous integration", "what `push` uploads is this repository"],
    ),
    "triggers of every kind": (
        D + "  triggers:\n  - {enabled: true, match: {prefect.resource.id: a}, expect: [x], parameters: {p: '{{ event.id }}'}}\n"
        "  - {type: compound, require: all, within: 3600, triggers: [{type: event, expect: [a]}]}\n"
        "  - {posture: Proactive, within: 60, match_related: {prefect.resource.role: flow}, expect: x,\n"
        "     parameters: {p: {template: '{{ event.id }}', __prefect_kind: jinja}}}\n", ["triggers have no effect yet"],
    ),
    "a module and its function": (D.replace("flows/f.py:", "flows.f:"), []),
    "limits in both forms": (D + "  concurrency_limit: {limit: 1, collision_strategy: CANCEL_NEW}\n", []),
}  # fmt: skip


@pytest.mark.parametrize(("text", "notes"), LOADS.values(), ids=LOADS)
def test_what_prefect_would_run_loads(tmp_path: Path, text: str, notes: list[str]):
    lay_out(tmp_path, text.encode())
    desired = judged(tmp_path)
    assert [str(p) for p in desired.problems] == []
    assert list(desired.deployments) == ["load-all/d"]
    # In the order of the file, but for what stands in one line.
    assert len(desired.notes) == len(notes), [str(n) for n in desired.notes]
    assert all(any(words in n.message for n in desired.notes) for words in notes), [str(n) for n in desired.notes]
    assert all(n.line >= 1 and n.key for n in desired.notes)


SOUND = "- {name: sound, entrypoint: 'flows/f.py:load_all', pull: null}\n"
REFUSED = {
    "a pool that lives on a server, and code in an image": (
        D + "  pull: []\n  work_pool: {name: my-docker-pool}\n" + SOUND, "5:21", "deployments[0].work_pool.name",
        "its `pull` brings no code",
    ),
    "a pool nearly of a declared name": (
        "work_pools: {docker-pool: {}}\n" + D + "  work_pool: {name: docker-pol}\n" + SOUND, "5:21",
        "deployments[0].work_pool.name", "did you mean 'docker-pool'?",
    ),
    "a misspelt job variable of a pool that lives on a server": (
        D + "  work_pool: {name: p, job_variables: {envs: {}}}\n" + SOUND, "4:46",
        "deployments[0].work_pool.job_variables.envs", "did you mean 'env'?",
    ),
    "a pool named by the environment": (
        D + "  work_pool: {name: '{{ $POOL }}'}\n" + SOUND, "4:21", "deployments[0].work_pool.name",
        "the environment is known in a run only, in parameters, job_variables and pull",
    ),
    "code in a bucket": (
        D + "  pull:\n  - prefect_aws.deployments.steps.pull_from_s3:\n      bucket: '{{ push.bucket }}'\n" + SOUND, "5:5",
        "deployments[0].pull[0].prefect_aws.deployments.steps.pull_from_s3", "code comes from git; remove the step",
    ),
    "a block with the code": (
        D + "  pull:\n  - prefect.deployments.steps.pull_with_block: {block_document_name: x}\n" + SOUND, "5:5",
        "deployments[0].pull[0].prefect.deployments.steps.pull_with_block", "code comes from git; remove the step",
    ),
    "a folder of Windows, after a clone": (
        D + "  pull:\n  - git_clone: {repository: .}\n  - set_working_directory: {directory: 'C:\\Users\\me'}\n" + SOUND,
        "6:40", "deployments[0].pull[1].set_working_directory.directory", "a Windows machine",
    ),
    "the deployer's folder, and no such file in this repository": (
        D + "  path: app\n  pull:\n  - set_working_directory: {directory: /home/me/app}\n" + SOUND, "3:15",
        "deployments[0].entrypoint", "there is no regular file 'app/flows/f.py'",
    ),
    "the inputs of a step beside it": (
        D + "  pull:\n  - prefect.deployments.steps.git_clone:\n    repository: x\n" + SOUND, "5:5",
        "deployments[0].pull[0]", "one key, its name, with its inputs below it",
    ),
    "a repository that only a run would know": (
        D + "  pull:\n  - git_clone: {repository: '{{ $REPOSITORY }}'}\n" + SOUND, "5:29",
        "deployments[0].pull[0].git_clone.repository", "looked up when git is read",
    ),
    "another kind of block": (
        D + "  parameters: {a: '{{ prefect.blocks.json.config }}'}\n" + SOUND, "4:19", "deployments[0].parameters.a",
        "Prefect's blocks do not exist here",
    ),
    "a variable of the server": (
        D + "  parameters: {a: '{{ prefect.variables.region }}'}\n" + SOUND, "4:19", "deployments[0].parameters.a",
        "add it to `variables`, or a `| default(...)`",
    ),
    "a filter": (D + "  parameters: {a: '{{ x | upper }}'}\n" + SOUND, "4:19", "deployments[0].parameters.a", "only {{ name }}"),
    "both forms of schedules": (
        D + "  schedule: {cron: 0 2 * * *}\n  schedules: [{cron: 0 2 * * *}]\n" + SOUND, "4:3", "deployments[0].schedule",
        "keep `schedules`",
    ),
    "nothing to run": ("deployments:\n- name: d\n  entrypoint: null\n" + SOUND, "3:15", "deployments[0].entrypoint", "is required"),
    "no function": (
        "deployments:\n- name: d\n  entrypoint: flows/f.py\n" + SOUND, "3:15", "deployments[0].entrypoint",
        "write flows/f.py:function",
    ),
    "two clones": (
        D + "  pull: [{git_clone: {repository: .}}, {git_clone: {repository: 'https://h.invalid/x'}}]\n" + SOUND, "4:9",
        "deployments[0].pull", "only one can version the deployment",
    ),
    "a misspelt key": (D + "  shedules: []\n" + SOUND, "4:3", "deployments[0].shedules", "did you mean `schedules`?"),
    "a misspelt job variable": (
        D + "  work_pool: {job_variables: {envs: {}}}\n" + SOUND, "4:37", "deployments[0].work_pool.job_variables.envs",
        "did you mean 'env'?",
    ),
    "a key twice": (D + "  name: e\n" + SOUND, "4:3", "deployments[0].name", "here twice"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "at", "key", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_work_says_where_and_why_and_leaves_the_rest(
    tmp_path: Path, text: str, at: str, key: str, words: str
):
    lay_out(tmp_path, text.encode())
    (tmp_path / "flows/f.py").parent.mkdir(exist_ok=True)
    (tmp_path / "flows/f.py").write_text("def load_all(a=None): ...\n")
    desired = judged(tmp_path)
    assert [(f"{p.line}:{p.column}", p.key) for p in desired.problems] == [(at, key)], [*map(str, desired.problems)]
    assert words in desired.problems[0].message
    assert list(desired.deployments) == ["load-all/sound"]


WHOLE = {
    "deployments as a mapping": (
        "deployments:\n  schedule:\n    cron: 0 * * * *\n",
        "2:3",
        "starts with `- name: ...`",
    ),
    "a merge conflict": (D + "<<<<<<< HEAD\n  tags: [a]\n=======\n>>>>>>> main\n", "4:1", "a merge conflict"),
    "tabs": ("deployments:\n\t- name: x\n", "2:1", "a tab"),
    "a second document": (D + "---\nx: 1\n", "4:1", "a second document"),
    "a deployment at the top": ("name: x\nentrypoint: flows/f.py:load_all\n", "2:1", "in the list `deployments`"),
}


@pytest.mark.parametrize(("text", "at", "words"), WHOLE.values(), ids=WHOLE)
def test_a_file_that_means_nothing_says_so_once(tmp_path: Path, text: str, at: str, words: str):
    lay_out(tmp_path, text.encode())
    (problem,) = judged(tmp_path).problems
    assert (f"{problem.line}:{problem.column}", words in problem.message) == (at, True), str(problem)


def test_the_line_that_a_note_gives_is_all_that_is_missing(tmp_path: Path):
    text = (D + "  work_pool: {name: docker-pool, work_queue_name: q}\n").encode()
    lay_out(tmp_path, text)
    (note,) = judged(tmp_path).notes
    (line,) = re.findall(r"declare it to say otherwise: `(.*)`", note.message)
    lay_out(tmp_path, text, declares=line)
    desired = judged(tmp_path)
    assert (desired.problems, desired.notes, list(desired.deployments)) == ((), (), ["load-all/d"])


def test_a_pool_of_another_type_is_told_at_the_pool_and_its_deployments_wait(tmp_path: Path):
    lay_out(tmp_path, f"work_pools:\n  k8s: {{type: kubernetes}}\n{D}  work_pool: {{name: k8s}}\n{SOUND}".encode())
    desired = judged(tmp_path)
    (problem,) = desired.problems
    assert (f"{problem.line}:{problem.column}", problem.key) == ("2:15", "work_pools.k8s.type")
    assert "known: inline, process" in problem.message
    assert "type: process" in problem.message
    assert list(desired.deployments) == ["load-all/d", "load-all/sound"]


BESIDE = Path(__file__).parents[2].parent / "shared" / "corpus" / "prefect_yaml"
CORPUS = Path(os.environ.get("RECONCILER_CORPUS") or BESIDE)
AGREED = re.compile(
    r"is required|code comes from git; remove the step|a Windows machine|nothing gives a value for|unknown key"
    r"|there is no regular file|there is no branch|declare it in a spec file|the flow's name is not known|merge conflict"
    r"|one key, its name|keep `schedules`|an unquoted template|must be a list|must be text|comes from a build step"
    r"|belongs to a deployment|the environment is known in a run only|only one can version"
)


@pytest.mark.skipif(not CORPUS.is_dir(), reason="no folder of public files: RECONCILER_CORPUS names one")
def test_public_files_load_or_say_where_and_why(tmp_path: Path):
    for number, path in enumerate(sorted(CORPUS.iterdir())):
        root, text = tmp_path / str(number), path.read_bytes()
        root.mkdir()
        lay_out(root, text)
        first = judged(root)
        lines = {n for p in first.problems for n in re.findall(r"`work_pools: \{(.*)\}`", p.message)}
        lay_out(root, text, declares=f"work_pools: {{{', '.join(sorted(lines))}}}\n")
        desired = judged(root)
        assert all(1 <= p.line <= text.count(b"\n") + 1 and AGREED.search(p.message) for p in desired.problems), (
            path.name
        )
        assert not [p for p in desired.problems if "work pool" in p.message], path.name
        assert bool(desired.deployments) or desired.problems or not re.search(rb"^- |^  - name", text, re.MULTILINE), (
            path.name
        )
