"""history, diff, revert and show, of versions that a log and git have."""

import json

import pytest
from click.testing import CliRunner
from helpers_logged import Logged

from reconciler.cli import cli
from reconciler.model.errors import ReconcilerError

FLOW = "def f(n: int = 1{more}):\n    return n\n"
DIRECTORIES = [{"git_clone": {"repository": ".", "directories": ["code"]}}]


def specs(*deployments: dict, **fields) -> str:
    listed = deployments or ({"name": "whole"}, {"name": "scoped", "pull": DIRECTORIES})
    return json.dumps({"deployments": [{"entrypoint": "code/f.py:f", **each, **fields} for each in listed]})


class Story(Logged):
    def __call__(self, *words):
        return CliRunner().invoke(cli, ["-C", str(self.path), *words], env={"NO_COLOR": "1"})

    def json(self, *words):
        done = self(*words, "--json")
        assert done.stdout, done.exception
        return json.loads(done.stdout)

    def refused(self, *words) -> str:
        done = self(*words)
        assert isinstance(done.exception, ReconcilerError), done.output
        return str(done.exception)


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """Good; another file; a parameter more; `f/scoped` and `f/whole` are held at what was good."""
    story = Story(tmp_path_factory.mktemp("versions") / "repo")
    story.repo.git("config", "user.name", "Ana")
    story.repo.git("config", "user.email", "ana@example.org")
    good = story.commit({"code/f.py": FLOW.format(more=""), "specs/a.yaml": specs(), "other": "1"}, "good")
    story.commit({"other": "2"}, "beside")
    bad = story.commit({"code/f.py": FLOW.format(more=", m: str = 'x'"), "specs/a.yaml": specs(tags=["t"])}, "bad")
    story.good, story.bad = good, bad
    for name in ("f/whole", "f/scoped"):
        story.hold(name, good[:8])
    return story


def test_history_has_one_line_a_version(told):
    lines = [line.split() for line in told("history", "f/scoped").stdout.splitlines()]
    assert [(line[2], line[4], line[5]) for line in lines[1:]] == [
        (told.good[:8], "1", "quarantined"), (told.bad[:8], "2", "updated"), (told.good[:8], "1", "created"),
    ]  # fmt: skip
    assert [v["what"] for v in told.json("history", "f/whole")] == ["quarantined", "updated", "moved", "created"]


def test_history_with_fields_says_from_and_to(told):
    said = told("history", "f/scoped", "--diff", "--limit", "2").stdout
    assert 'tags: ["t"] → []' in said
    assert 'tags: [] → ["t"]' in said
    assert "bad join (ada)" in said
    assert "Lovelace" in said


def test_diff_tells_fields_parameters_commits_and_files(told):
    said = told("diff", "f/scoped", told.good[:8], "gen:2").stdout
    assert 'parameter m: added, of type string, default "x"' in said
    assert "parameter n" not in said
    assert 'tags: [] → ["t"]' in said
    assert f"{told.bad[:8]} 2023-11-14 Ada Lovelace: bad" in said
    assert [line.strip() for line in said.splitlines()[-2:]] == ["M code/f.py", "M specs/a.yaml"]
    assert "beside" not in said
    assert "beside" in told("diff", "f/whole", "gen:1@" + told.good[:8], "gen:2").stdout


def test_diff_backwards_takes_back(told):
    found = told.json("diff", "f/scoped", "gen:2")  # against what is applied: the one that is held
    assert ([c["subject"] for c in found["taken_back"]], found["commits"]) == (["bad"], [])
    assert found["after"]["source_commit"] == told.good
    assert told("diff", "f/scoped", "gen:1").stdout.endswith("nothing differs\n")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("diff", "f/scoped", "gen:7"), "never had a version 'gen:7'"),
        (("diff", "f/scope", "gen:1"), "did you mean 'f/scoped'?"),
        (("history", "x/y"), "no deployment"),
        (("revert", "f/whole"), "say what is to go back"),
        (("revert", "f/whole", "--path", "x"), "nothing differs at 'x'"),
        (("revert", "f/scoped", "--branch", "a..b"), "'a..b' is no name for a branch"),
        (("revert", "f/scoped", "--branch", "main"), "exists and holds something else"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said(told, words, says):
    assert says in told.refused(*words)


def test_a_scope_of_its_own_goes_back_whole(told):
    before = told.repo.git("rev-parse", "main", "HEAD"), told.repo.git("status", "--porcelain")
    made = told.json("revert", "f/scoped")
    assert (made["restores_spec"], [f["path"] for f in made["files"]]) == (True, ["code/f.py", "specs/a.yaml"])
    assert [each["subject"] for each in made["reverts"]] == ["bad"]
    assert told.repo.git("diff", told.good, made["branch"], "--", "code", "specs") == ""
    assert told.repo.git("diff", "main", made["branch"], "--", "other") == ""
    assert told.repo.git("log", "-1", "--format=%an", made["branch"]) == "Ana"
    assert (told.repo.git("rev-parse", "main", "HEAD"), told.repo.git("status", "--porcelain")) == before
    assert "git push -u origin reconciler/revert-f-scoped-" in told("revert", "f/scoped").stdout


def test_the_whole_repository_goes_back_when_it_is_said(told):
    made = told.json("revert", "f/whole", "--whole")
    assert told.repo.git("diff", told.good, made["branch"]) == ""
    assert [each["subject"] for each in made["reverts"]] == ["bad", "beside"]


def test_bisect_takes_versions_as_history_shows_them(told):
    ends = ("--good", "gen:1", "--bad", f"gen:2@{told.bad[:8]}")
    found = told.json("bisect", "f/scoped", *ends, "--run", f"test $RECONCILER_COMMIT = {told.good}")
    assert (found["good"], found["first_bad"]["commit"]) == (told.good, told.bad)
    assert "--good: 'gen:7' is no" in told.refused("bisect", "f/scoped", "--good", "gen:7", "--bad", "HEAD")


def test_show_at_is_what_git_said_then(told):
    at = told.json("show", "--at", told.good)
    assert [(d["deployment"], d["version"], d["tags"]) for d in at["deployments"]] == [
        ("f/scoped", told.good[:8], []), ("f/whole", told.good[:8], []),
    ]  # fmt: skip
    one = told.json("show", "f/whole", "--at", "main")
    assert (one["spec"]["tags"], one["source_commit"]) == (["t"], told.bad)
    assert "2 deployments" in told("show", "--at", "HEAD~1").stdout
    assert "parameter m" in told("show", "f/whole", "--at", "HEAD").stdout


def test_status_and_show_name_what_is_held_and_what_git_has(told):
    row = {r["deployment"]: r for r in told.json("status", "--health", "quarantined")}["f/scoped"]
    assert row["reason"] == f"held at {told.good[:8]}: bad join (ada); git has {told.bad[:8]}"
    assert f"git has:       {told.bad[:8]}, generation 2 (specs/a.yaml:1)" in told("show", "f/scoped").stdout


def test_a_spec_file_that_moved_goes_back_to_its_place(tmp_path):
    story = Story(tmp_path / "repo")
    story.repo.git("config", "user.name", "Ana")
    story.repo.git("config", "user.email", "ana@example.org")
    good = story.commit({"code/f.py": FLOW.format(more=""), "specs/a.yaml": specs()}, "good")
    story.commit({"specs/a.yaml": None, "specs/b.yaml": specs(tags=["t"])}, "renamed")
    made = story.json("revert", "f/scoped", "--version", good[:8])
    assert [(f["change"], f["path"]) for f in made["files"]] == [("A", "specs/a.yaml"), ("D", "specs/b.yaml")]
    assert made["restores_spec"]


def test_code_that_lies_on_another_branch_is_told(tmp_path):
    story = Story(tmp_path / "repo")
    story.repo.git("config", "user.name", "Ana")
    story.repo.git("config", "user.email", "ana@example.org")
    story.repo.commit({"code/f.py": FLOW.format(more="")})
    story.repo.branch("lib")
    story.repo.commit({"code/f.py": FLOW.format(more=", q: int = 2")}, "lib")
    story.repo.checkout("main")
    elsewhere = {"name": "x", "pull": [{"git_clone": {"repository": ".", "branch": "lib"}}]}
    story.commit({"specs/a.yaml": specs(elsewhere)}, "good")
    story.commit({"specs/a.yaml": specs(elsewhere, tags=["t"])}, "bad")
    said = story("revert", "f/x", "--version", "gen:1").stdout
    assert "its code lies elsewhere (branch lib): revert it there too" in said
    assert "specs/a.yaml" in said
    told = story("diff", "f/x", "gen:1").stdout
    assert "Ada Lovelace: bad" in told
    assert f"(branch lib): {story.repo.head('lib')[:8]} → " in told
