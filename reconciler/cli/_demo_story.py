"""The scenes of the demo: what is committed, what must follow, and the words around it. Called by `demo`."""

from reconciler.cli._demo_stage import Stage
from reconciler.cli._print import plain, say

GREET = '''\
def greet(name: str = "world") -> int:
    """Say hello to somebody."""
    print(f"{word}, {{name}}!")
    return len(name)
'''
COUNT = '''\
def count() -> None:
    """Count to three."""
    print(1, 2, 3)
'''
GREET_SPEC = """\
deployments:
  - name: hello
    entrypoint: flows/greet.py:greet
    parameters:
      name: world
"""
COUNT_SPEC = """\
deployments:
  - name: every-second
    entrypoint: flows/count.py:count
    schedules:
      - interval: 1
"""
HELLO = "greet/hello"
COUNTS = "count/every-second"


def tell(stage: Stage) -> None:
    """Every scene in order. Raises StoryError at the first that does not go as told."""
    _deploy(stage)
    first = _run(stage)
    second = _change(stage, first)
    _break(stage, second)
    _prune(stage)
    _refuse(stage)
    stage.title("Every step is in the log")
    stage.verb("verify")


def _deploy(stage: Stage) -> None:
    stage.title("1. Committing a spec file deploys")
    flow, spec = "flows/greet.py", "specs/greet.yaml"
    stage.write({flow: GREET.format(word="Hello")}, flow)
    stage.write({spec: GREET_SPEC}, spec)
    stage.write({"flows/count.py": COUNT})
    stage.write({"specs/count.yaml": COUNT_SPEC}, "specs/count.yaml")
    seen = stage.commit("Greet people, and count every second")
    created = {e.subject for e in seen if e.type == "DeploymentCreated"}
    stage.expect(created == {HELLO, COUNTS}, f"{HELLO} and {COUNTS} to be created, not {sorted(created)}")


def _run(stage: Stage) -> str:
    stage.title("2. A deployment runs on request and on schedule, at its recorded commit")
    row = stage.run(HELLO, "-p", "name=Ada")
    stage.expect(row["state"] == "Completed", f"the run to complete, not {row['state']}")
    scheduled = stage.completed(COUNTS)
    stage.tell(f"And nobody asked for {scheduled['id']}: {COUNTS}, due {scheduled['due']}, {scheduled['state']}.")
    stage.expect(scheduled["trigger"] == "schedule", f"a run by schedule, not {scheduled['trigger']}")
    return str(row["version"])


def _change(stage: Stage, first: str) -> str:
    stage.title("3. Committing code makes a new version")
    stage.write({"flows/greet.py": GREET.format(word="Good evening")})
    seen = stage.commit("Greet by the time of day")
    stage.expect(seen[-1].data.get("moved") == len([HELLO, COUNTS]), "both deployments to move to the new commit")
    row = stage.run(HELLO, "-p", "name=Ada")
    second = str(row["version"])
    stage.expect(second == str(row["source_commit"])[:8] != first, f"another version than {first}, not {second}")
    said = stage.verb("runs", HELLO)
    stage.expect(first in said and second in said, "each run to name the version it ran at")
    return second


def _break(stage: Stage, version: str) -> None:
    stage.title("4. A broken spec harms nothing")
    spec = "specs/greet.yaml"
    stage.write({spec: GREET_SPEC.replace("entrypoint", "entrypont")}, spec)
    applied = stage.commit("Tidy the spec")[-1]
    problems = applied.data.get("problems") or ()
    for found in problems:
        where = f"{found['file']}:{found['line']}:{found['column']}"
        say(f"      {plain(where)}: {plain(found['key'])}: {plain(found['message'])}")
    stage.expect(bool(problems) and applied.data.get("held") == [HELLO], "the fault to be told, and held back")
    stage.tell("Its last good version stays, and still runs:")
    row = stage.run(HELLO)
    stage.expect(row["version"] == version, f"the run at {version}, not {row['version']}")
    stage.tell("Taken back the way anything in git is:")
    stage.expect(not stage.revert()[-1].data.get("problems"), "no problem to be left")


def _prune(stage: Stage) -> None:
    stage.title("5. What git drops is pruned")
    stage.write({"specs/count.yaml": None})
    stage.commit("Stop counting")
    stage.expect(set(stage.deployments()) == {HELLO}, f"only {HELLO} to be left")
    stage.verb("status")


def _refuse(stage: Stage) -> None:
    stage.title("6. ... but not everything at once, unless a person says so")
    stage.write({"specs/greet.yaml": None})
    refused = stage.commit("Remove the last spec")[-1]
    stage.expect(refused.type == "RevisionRefused", "the revision to be refused")
    revision = refused.data["revision"]
    stage.verb("confirm", revision[:8], "--reason", "the demo is over")
    stage.outcome(revision)
    stage.expect(not stage.deployments(), "nothing to be left")
