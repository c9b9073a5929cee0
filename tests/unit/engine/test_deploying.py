"""`deploy` and `from_source`: a spec file written where none is, compared where one is, never overwritten."""

import runpy
from pathlib import Path
from typing import Any

import pytest
from helpers_git import Repo

from reconciler.engine import deploying
from reconciler.engine.flows import Flow, flow
from reconciler.model.errors import ConflictError, InvalidRequestError


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repo:
    made = Repo(tmp_path / "repo")
    made.commit({"etl.py": "def load(day: str = ''): pass\n", "README": "x"})
    monkeypatch.chdir(made.path)
    return made


def a_flow(repo: Repo) -> Flow[..., Any]:
    return Flow(runpy.run_path(str(repo.path / "etl.py"))["load"])


def test_what_is_missing_is_written_and_the_next_commands_are_told(repo: Repo, capsys):
    path = a_flow(repo).deploy("nightly", "process", cron="0 3 * * *")
    assert path == repo.path / "specs/load-nightly.yaml"
    said = capsys.readouterr().out
    assert "git add etl.py specs/load-nightly.yaml" in said
    assert repo.git("diff", "--cached", "--name-only") == ""
    assert a_flow(repo).deploy("nightly", "process", cron="0 3 * * *") is None
    assert "says the same" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("deployments:\n  - {name: nightly, entrypoint: 'etl.py:load', tags: [x]}\n", "tags: git says"),
        ("deployments:\n  - {name: nightly, entrypoint: 'etl.py:load', colour: 1}\n", "with problems"),
    ],
    ids=["otherwise", "broken"],
)
def test_a_deployment_that_another_file_declares_is_compared_and_left_alone(repo: Repo, capsys, spec: str, said: str):
    repo.write({"specs/all.yml": spec})
    assert a_flow(repo).deploy("nightly", tags=["y"]) is None
    out = capsys.readouterr().out
    assert "specs/all.yml:2" in out
    assert said in out
    assert (repo.path / "specs/all.yml").read_text() == spec
    assert not (repo.path / "specs/load-nightly.yaml").exists()


def test_a_file_of_that_name_for_something_else_is_never_overwritten(repo: Repo):
    repo.write({"specs/load-nightly.yaml": "deployments: []\n"})
    with pytest.raises(ConflictError, match=r"does not declare load/nightly\n(.|\n)*name: nightly"):
        a_flow(repo).deploy("nightly")
    assert (repo.path / "specs/load-nightly.yaml").read_text() == "deployments: []\n"


def test_images_are_the_business_of_others(repo: Repo, capsys):
    made = a_flow(repo)
    paths = deploying.deploy(
        made.to_deployment("a"), made.to_deployment("b"), work_pool_name="big", image="x:1", push=False
    )
    assert [p.name for p in paths] == ["load-a.yaml", "load-b.yaml"]
    assert "name: big" in paths[0].read_text()
    assert "image: images are made by continuous integration" in capsys.readouterr().out
    with pytest.raises(TypeError, match="no argument 'imaeg'"):
        deploying.deploy(imaeg=1)


def test_source_elsewhere_is_cloned_and_source_here_is_this_repository(repo: Repo, capsys):
    far = flow.from_source("https://example.org/a/b.git", "jobs/x.py:do_it", branch="prod").deploy("d")  # type: ignore[attr-defined]
    assert far is not None
    text = far.read_text()
    assert 'repository: "https://example.org/a/b.git"' in text
    assert "branch: prod" in text
    assert "git add specs/do-it-d.yaml" in capsys.readouterr().out
    near = Flow.from_source(repo.path, "etl.py:load").deploy("e")
    assert "pull" not in near.read_text()


@pytest.mark.parametrize(
    ("source", "entrypoint", "said"),
    [
        ("https://user:secret@example.org/a", "x.py:f", "user name or password"),
        ("https://token@example.org/a", "x.py:f", "user name or password"),
        ("https://example.org/a", "f", "no entrypoint"),
    ],
)
def test_credentials_never_reach_a_file_nor_the_error(source: str, entrypoint: str, said: str):
    with pytest.raises(InvalidRequestError, match=said) as told:
        deploying.from_source(source, entrypoint)
    assert "secret" not in str(told.value)


def test_a_folder_that_git_does_not_have_is_refused(tmp_path: Path):
    with pytest.raises(InvalidRequestError, match="no git repository"):
        deploying.from_source(tmp_path, "x.py:f").to_deployment("d")
