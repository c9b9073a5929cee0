"""The `init` verb: a first spec and flow that are sound, and never a file overwritten."""

import json

from reconciler.model.errors import ConflictError, SourceUnavailableError


def test_what_it_writes_is_sound_and_plans(verbs):
    done = verbs("init")
    assert done.exit_code == 0
    assert "git add specs flows" in done.stdout
    first, *_ = (verbs.path / "specs/hello.yaml").read_text().splitlines()
    assert first == "# yaml-language-server: $schema=.schema.json"
    assert json.loads((verbs.path / "specs/.schema.json").read_text())["$schema"].endswith("2020-12/schema")
    assert verbs.json("validate") == {"problems": [], "notes": []}
    verbs.repo.commit()
    assert [c["deployment"] for c in verbs.json("plan")["changes"]] == ["hello/main"]


def test_it_never_overwrites(verbs):
    verbs.repo.write({"flows/hello.py": "mine"})
    error = verbs("init").exception
    assert isinstance(error, ConflictError)
    assert "flows/hello.py exists already" in str(error)
    assert (verbs.path / "flows/hello.py").read_text() == "mine"
    assert not (verbs.path / "specs").exists()


def test_a_folder_that_is_a_link_is_not_followed(verbs, tmp_path):
    (tmp_path / "out").mkdir()
    (verbs.path / "specs").symlink_to(tmp_path / "out")
    assert isinstance(verbs("init").exception, ConflictError)
    assert list((tmp_path / "out").iterdir()) == []


def test_outside_of_a_repository_it_refuses(verbs, tmp_path):
    assert isinstance(verbs("-C", str(tmp_path), "init").exception, SourceUnavailableError)
    assert list(tmp_path.iterdir()) == [verbs.path]
