"""A file written for Prefect, served as it is: what its placeholders stand for in a run, or what is missing."""

from helpers_acceptance import ended, start
from helpers_daemon import Daemon
from helpers_git import Repo

FLOW = """\
import os
from reconciler import flow

@flow
def load_all(who: str = "", n: int = 0, many: list | None = None):
    return [who, n, many, os.environ.get("SEEN"), os.path.basename(os.getcwd())]
"""
FILE = """\
name: '{{ $PROJECT }}'
prefect-version: 3.0
x-env: &env {SEEN: 'in {{ $LANG_OF_TEAM }}'}
build:
- prefect_docker.deployments.steps.build_docker_image: {id: img, image_name: x, tag: y}
pull: &pull
- prefect.deployments.steps.git_clone:
    id: clone
    repository: .
    branch: '{{ $GITHUB_REF_NAME }}'
    credentials: '{{ prefect.blocks.github-credentials.mine }}'
- prefect.deployments.steps.run_shell_script: {id: said, script: 'echo {{ $LANG_OF_TEAM }}'}
- prefect.deployments.steps.set_working_directory: {directory: '/opt/prefect/{{ clone.directory }}/flows'}
work_pools: {docker-pool: {type: process}}
definitions:
  pool: &pool {name: docker-pool, work_queue_name: fast, job_variables: {image: '{{ img.image }}', env: *env}}
deployments:
- name: whole
  version: '{{ img.tag }}'
  entrypoint: ./f.py:load_all
  parameters: {who: '{{ said.stdout }}', n: '{{ $COUNT | default(7) }}', many: ['{{ $LANG_OF_TEAM }}', text]}
  work_pool: *pool
- name: parameter
  entrypoint: f.py:load_all
  parameters: {many: ['{{ $NOWHERE }}']}
  work_pool: *pool
- name: variable
  entrypoint: f.py:load_all
  work_pool: {name: docker-pool, job_variables: {env: {SEEN: '{{ $NOWHERE }}'}}}
- name: step
  entrypoint: flows/f.py:load_all
  pull: [{git_clone: {repository: .}}, {run_shell_script: {script: 'echo {{ $NOWHERE }}'}}]
- name: checked
  entrypoint: f.py:load_all
  parameters: {who: '{{ $LANG_OF_TEAM }}'}
  parameter_openapi_schema: &schema {properties: {who: {type: string, maxLength: 3}}}
- name: unchecked
  entrypoint: f.py:load_all
  parameters: {who: '{{ $LANG_OF_TEAM }}'}
  parameter_openapi_schema: *schema
  enforce_parameter_schema: false
- name: elsewhere
  entrypoint: f.py:load_all
  work_pool: {name: kubernetes-pool}
"""


def test_a_file_for_prefect_is_served_as_it_is(tmp_path):
    repo = Repo(tmp_path / "repo")
    repo.commit({"flows/f.py": FLOW, "prefect.yaml": FILE})
    with Daemon(repo, env={"LANG_OF_TEAM": "python", "RECONCILER_PASS_ENV": "LANG_OF_TEAM"}):
        run = ended(repo.path, start(repo.path, "load-all/whole"))
        assert (run["state"], run["result"]) == ("Completed", ["python", 7, ["python", "text"], "in python", "flows"])
        failed = {
            name: ended(repo.path, start(repo.path, f"load-all/{name}")) for name in ("parameter", "variable", "step")
        }
        assert {run["state"] for run in failed.values()} == {"Failed"}
        missing = "nothing gives a value for {{ $NOWHERE }} (prefect.yaml:"
        said = {
            "parameter": "parameter many: ",
            "variable": "job variable env.SEEN: ",
            "step": "pull step 1 (run_shell_script) failed: ",
        }
        lines = [number for number, line in enumerate(FILE.split("\n"), 1) if "$NOWHERE" in line]
        for (name, what), line in zip(said.items(), lines, strict=True):
            assert f"{what}{missing}{line})" in failed[name]["reason"]
        checked = ended(repo.path, start(repo.path, "load-all/checked"))
        assert checked["reason"] == "parameter 'who': expected at most 3 characters"
        unchecked = ended(repo.path, start(repo.path, "load-all/unchecked"))
        assert unchecked["result"][0] == "python"
