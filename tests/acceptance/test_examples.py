"""Each folder of examples/ does what its README says: copied, committed, served by a real daemon."""

import json
import shutil
from pathlib import Path

import pytest
from helpers_git import Repo
from served import ROOT, applied, deployments, reconciler, served, told, until

EXAMPLES = ROOT / "examples"


@pytest.fixture
def example(request: pytest.FixtureRequest, tmp_path: Path) -> Repo:
    """The folder that the test names, as a repository with one commit."""
    shutil.copytree(EXAMPLES / request.param, tmp_path / "repo")
    repo = Repo(tmp_path / "repo")
    repo.commit(message="First")
    return repo


def run(repo: Path, deployment: str, *words: str) -> tuple[str, dict[str, object]]:
    """A run's output and what `show` says of it, once it Completed."""
    ident = reconciler(repo, "run", deployment, *words, "--wait").split()[0]
    return reconciler(repo, "logs", ident), told(repo, "show", ident)


@pytest.mark.parametrize("example", ["01-hello-on-a-schedule"], indirect=True)
def test_01_a_schedule_runs_unasked_and_the_other_names_its_mornings(example: Repo) -> None:
    with served(example.path):
        applied(example.path, example.head())
        (done, *_) = until(lambda: told(example.path, "runs", "--state", "Completed"), "a run by schedule")
        assert (done["trigger"], done["parameters"], done["tags"]) == ("schedule", {"name": "Ada"}, ["example"])
        assert reconciler(example.path, "logs", done["id"]) == "Hello, Ada!\n"
        schedules = told(example.path, "show", "hello/often")["schedules"]
    assert {s["id"] for s in schedules} >= {"mornings"}


@pytest.mark.parametrize("example", ["02-parameters-of-every-json-type"], indirect=True)
def test_02_parameters_keep_their_types_and_one_that_does_not_fit_is_refused(example: Repo) -> None:
    with served(example.path):
        applied(example.path, example.head())
        said, shown = run(example.path, "report/weekly")
        assert "'2026-11' limit=100 threshold=0.25 draft=False owner=None" in said
        assert "Format.CHART short" in said
        assert "from 02 November 2026, 5 days" in said
        assert shown["result"]["regions"] == ["north", "south"]  # type: ignore[index]
        said, shown = run(example.path, "report/weekly", "-p", "limit=5", "-p", 'regions=["east"]', "-p", "title=12")
        assert said.startswith("'12' limit=5")
        before = len(told(example.path, "runs"))
        reconciler(example.path, "run", "report/weekly", "-p", "limit=many", code=2)
        assert len(told(example.path, "runs")) == before


@pytest.mark.parametrize("example", ["03-monorepo-with-directories"], indirect=True)
def test_03_a_commit_to_one_directory_leaves_the_others_version_alone(example: Repo) -> None:
    first = example.head()
    with served(example.path):
        applied(example.path, first)
        second = example.commit({"sales/prices.py": "EACH = 7\n"}, "Raise prices")
        applied(example.path, second)
        found = deployments(example.path)
        assert (found["sales/team"]["source_commit"], found["stock/team"]["source_commit"]) == (second, first)
        said, shown = run(example.path, "sales/team", "-p", "items=2")
        assert (said, shown["result"]) == ("2 items sold for 14\n", 14)
        said, shown = run(example.path, "stock/team")
        assert (said, shown["version"]) == ("shelf A: 12 boxes\n", first[:8])


@pytest.mark.parametrize("example", ["04-shell-step"], indirect=True)
def test_04_a_steps_output_feeds_the_next_and_the_flow_reads_what_it_wrote(example: Repo) -> None:
    with served(example.path):
        applied(example.path, example.head())
        said, shown = run(example.path, "build/shell")
    year = str(shown["result"])
    assert year.isdigit()
    assert said.endswith(f"5 words: made in the year {year}\n")


def test_05_a_flow_in_another_repository_runs_at_the_commit_that_was_resolved(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES / "05-flow-in-another-repository", tmp_path / "five")
    code, ours = Repo(tmp_path / "five/code"), Repo(tmp_path / "five/deployments")
    first = code.commit(message="Code")
    ours.commit(message="Deployments")
    with served(ours.path, "--interval", "1s"):
        applied(ours.path, ours.head())
        assert deployments(ours.path)["clean/nightly"]["source_commit"] == first
        said, shown = run(ours.path, "clean/nightly", "-p", "table=users")
        assert (said, shown["source_commit"]) == ("cleaned users\n", first)
        second = code.commit({"clean.py": "def clean(table: str = 'orders'):\n    print('swept', table)\n"})
        until(lambda: deployments(ours.path)["clean/nightly"]["source_commit"] == second, "the other one's move")
        assert run(ours.path, "clean/nightly")[0] == "swept orders\n"


@pytest.mark.parametrize("folder", sorted(p.name for p in EXAMPLES.iterdir()))
def test_every_example_is_tested_and_explains_itself(folder: str) -> None:
    assert f"def test_{folder[:2]}_" in Path(__file__).read_text("utf-8")
    assert 5 <= len((EXAMPLES / folder / "README.md").read_text("utf-8").splitlines()) <= 25


def test_this_repositorys_own_specs_plan_and_serve_in_a_fresh_clone(tmp_path: Path) -> None:
    ours = Repo(tmp_path / "clone")
    for folder in ("specs", "examples"):
        shutil.copytree(ROOT / folder, ours.path / folder)
    ours.commit(message="A clone")
    planned = json.loads(reconciler(ours.path, "plan", "--json", code=3))
    assert (planned["problems"], planned["refused"]) == ([], None)
    reconciler(ours.path, "serve", "--once")
    found = deployments(ours.path)
    assert found
    assert {row["sync"] for row in found.values()} == {"Synced"}
    with served(ours.path):
        said, _ = run(ours.path, "self-check/daily")
    assert said.endswith(": 0 problems\n")
