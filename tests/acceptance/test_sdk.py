"""A repository whose flow uses tasks, hooks, retries and names of its own, served and looked at."""

from helpers_git import Repo
from served import applied, reconciler, served, told

SPEC = """
deployments:
  - {name: nightly, entrypoint: "flows/etl.py:etl", parameters: {day: 3}, tags: [prod]}
  - {name: lost, entrypoint: "flows/etl.py:lost"}
"""
FLOWS = """
import logging, os
from reconciler import exponential_backoff, flow, get_run_logger, runtime, task

log = logging.getLogger(__name__)

@task(retries=1)
def extract(day, seen=[]):
    seen.append(day)
    if len(seen) < 2:
        raise ConnectionError("not yet")
    return list(range(day))

@task
def total(rows):
    log.info("%d rows", len(rows))
    return sum(rows)

@flow
def publish(value):
    return total.submit([value])

@flow(flow_run_name="etl-of-day-{day}", retries=2, retry_delay_seconds=exponential_backoff(backoff_factor=1))
def etl(day: int):
    get_run_logger().info("version %s", runtime.deployment.version)
    return publish(total(extract.submit(day)))

def alert(flow, flow_run, state):
    print("alert:", flow_run.name, state.message)

@flow(on_crashed=[alert], retries=os.cpu_count() and 0)
def lost():
    os.kill(os.getpid(), 9)
"""


def test_a_repository_of_flows_that_use_the_sdk(tmp_path):
    repo = Repo(tmp_path / "repo")
    commit = repo.commit({"specs/s.yaml": SPEC, "flows/etl.py": FLOWS})
    noted = reconciler(repo.path, "validate")
    assert "retries=…) is no literal: `os.cpu_count() and 0` counts as 0 for runs whose process is lost" in noted
    with served(repo.path):
        applied(repo.path, commit)
        etl = reconciler(repo.path, "run", "etl/nightly", "--wait", code=None).split()[0]
        lost = reconciler(repo.path, "run", "lost/lost", "--wait", code=None).split()[0]
        shown = told(repo.path, "show", etl)
        assert (shown["state"], shown["result"], shown["name"]) == ("Completed", 3, "etl-of-day-3")
        lines = [(e["name"], e["kind"], e["state"], e["attempt"]) for e in shown["timeline"]]
        assert lines == [
            ("git_clone", "step", "Completed", 1),
            ("extract-0", "task", "Completed", 2),
            ("total-0", "task", "Completed", 1),
            ("publish-0", "flow", "Completed", 1),
            ("total-1", "task", "Completed", 1),
        ]
        text = reconciler(repo.path, "show", etl)
        assert "extract-0  task  Completed" in text
        assert "\n  total-1  task  Completed" in text
        said = reconciler(repo.path, "logs", etl)
        assert f"INFO    reconciler.flow.etl: version {commit[:8]}" in said
        assert "INFO    flows.etl: 3 rows" in said or "INFO    etl: 3 rows" in said
        assert told(repo.path, "show", lost)["state"] == "Crashed"
        alert = f"alert: {told(repo.path, 'show', lost)['name']} the process ended by signal 9"
        assert alert in reconciler(repo.path, "logs", lost)
