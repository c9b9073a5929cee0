"""One repository served twice, as staging and as prod: what each does when the overlays change, break and go."""

import json
from pathlib import Path
from typing import Any

import pytest
from helpers_git import Repo
from served import ENV, deployments, reconciler, told

FLOW = "from reconciler import flow\n\n\n@flow\ndef load(n: int = 1, region: str = 'x') -> int:\n    return n\n"
SPEC = """\
variables: {region: none}
deployments:
  - {name: a, entrypoint: "flows/load.py:load", parameters: {region: "{{ region }}"}}
  - {name: b, entrypoint: "flows/load.py:load"}
  - {name: c, entrypoint: "flows/load.py:load"}
"""
PROD = """\
variables: {region: eu}
patches:
  - {target: {name: b}, patch: {parameters: {n: 2}}}
  - {target: {name: c}, delete: true}
"""
STAGING = "patches:\n  - {patch: {paused: true}}\n"


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    made = Repo(tmp_path / "repo")
    made.commit({
        "flows/load.py": FLOW, "specs/load.yaml": SPEC,
        "specs/env/prod.yaml": PROD, "specs/env/staging.yaml": STAGING,
        "specs/secrets/token.yaml": "sops: {deployments: [}\n", "specs/env/notes/deep.yaml": "no: [spec\n",
    })  # fmt: skip
    return made


def serve(repo: Repo, env: str | None, *more: str, code: int = 0, state: str | None = None) -> None:
    """One look in the state directory of an environment."""
    options = ("--env", env) if env is not None else ()
    reconciler(
        repo.path,
        "--state-dir",
        str(place(repo, state or env or "none")),
        "serve",
        "--once",
        *options,
        *more,
        code=code,
    )


def place(repo: Repo, name: str) -> Path:
    return repo.path.parent / name


def at(repo: Repo, name: str, *words: str) -> Any:
    return told(repo.path, "--state-dir", str(place(repo, name)), *words)


def applied(repo: Repo, name: str) -> dict[str, Any]:
    return {row["deployment"]: row for row in at(repo, name, "status")}


def test_two_environments_of_one_repository_go_their_own_ways(repo: Repo) -> None:
    serve(repo, "prod")
    serve(repo, "staging")
    prod, staging = applied(repo, "prod"), applied(repo, "staging")
    assert [prod.keys(), staging.keys()] == [{"load/a", "load/b"}, {"load/a", "load/b", "load/c"}]
    assert {row["health"] for row in staging.values()} == {"Paused"}
    assert at(repo, "prod", "show", "load/a")["spec"]["parameters"] == {"region": "eu"}

    repo.commit({"specs/env/prod.yaml": PROD.replace("n: 2", "n: 3")})
    (change,) = at(repo, "prod", "plan")["changes"]
    assert (change["deployment"], change["diff"]) == ("load/b", [{"field": "parameters.n", "from": 2, "to": 3}])
    assert change["reason"] == "parameters.n changed in specs/load.yaml with specs/env/prod.yaml"
    assert at(repo, "staging", "plan")["changes"] == []
    serve(repo, None, state="prod")
    serve(repo, None, state="staging")
    found = applied(repo, "prod")
    assert [found[n]["generation"] for n in ("load/a", "load/b")] == [1, 2]
    newest = repo.newest("HEAD", "specs/load.yaml", "specs/env/prod.yaml")
    assert {row["spec_commit"] for row in found.values()} == {newest}
    assert applied(repo, "staging")["load/a"]["spec_commit"] != newest


@pytest.mark.parametrize("broken", ["patches: [", "varibles: {}\n", PROD + "  - {target: {name: bb}, patch: {}}\n"])
def test_a_broken_overlay_holds_everything_as_it_is(repo: Repo, broken: str) -> None:
    serve(repo, "prod")
    before = applied(repo, "prod")
    repo.commit(
        {
            "specs/env/prod.yaml": broken,
            "specs/load.yaml": SPEC.partition("  - {name: b")[0],
            "flows/load.py": FLOW + "#\n",
        }
    )
    serve(repo, None, state="prod", code=1)
    held = applied(repo, "prod")
    kept = ("deployment", "source_commit", "spec_commit", "generation")
    assert [[row[k] for k in kept] for row in held.values()] == [[row[k] for k in kept] for row in before.values()]
    assert {row["health"] for row in held.values()} == {"Invalid"}
    plan = at(repo, "prod", "plan")
    assert (plan["changes"], {p["file"] for p in plan["problems"]}) == ([], {"specs/env/prod.yaml"})
    repo.commit({"specs/env/prod.yaml": "patches: [{patch: {tags: [t]}}]\n"})
    serve(repo, None, state="prod")
    assert [(n, row["health"]) for n, row in applied(repo, "prod").items()] == [("load/a", "Healthy")]


def test_a_patch_that_makes_one_invalid_breaks_that_one_only(repo: Repo) -> None:
    serve(repo, "prod")
    repo.commit({"specs/env/prod.yaml": PROD.replace("n: 2", "n: two").replace("eu}", "us}")})
    serve(repo, None, state="prod", code=1)
    found = applied(repo, "prod")
    assert {n: row["health"] for n, row in found.items()} == {"load/a": "Healthy", "load/b": "Invalid"}
    (problem,) = at(repo, "prod", "plan")["problems"]
    assert (problem["file"], problem["line"], problem["key"]) == (
        "specs/env/prod.yaml",
        3,
        "patches[0].patch.parameters.n",
    )


def test_an_overlay_that_goes_or_was_never_there_changes_nothing(repo: Repo) -> None:
    serve(repo, "prdo", code=1)
    assert at(repo, "prdo", "status") in (None, [])
    serve(repo, "prod")
    before = applied(repo, "prod")
    repo.commit({"specs/env/prod.yaml": None})
    serve(repo, None, state="prod", code=1)
    after = applied(repo, "prod")
    assert {row["sync"] for row in after.values()} == {"Unknown"}
    assert [r["source_commit"] for r in after.values()] == [r["source_commit"] for r in before.values()]


def test_an_environment_is_kept_until_another_is_named_and_the_guard_holds(repo: Repo) -> None:
    serve(repo, None)
    assert len(applied(repo, "none")) == 3
    only = "patches: [{delete: true}]\ndeployments: [{name: z, entrypoint: 'flows/load.py:load'}]\n"
    repo.commit({"specs/env/only.yaml": only})
    serve(repo, "only", state="none", code=1)
    assert set(applied(repo, "none")) == {"load/a", "load/b", "load/c"}
    assert "would prune" in json.dumps(at(repo, "none", "plan")["refused"])
    serve(repo, "", state="none")
    assert {row["sync"] for row in applied(repo, "none").values()} == {"Synced"}
    state = ("--state-dir", str(place(repo, "none")))
    assert "environment" not in reconciler(repo.path, *state, "status")
    told_by_env = reconciler(repo.path, *state, "plan", env={**ENV, "RECONCILER_ENV": "prod"}, code=3)
    assert "- prune load/c" in told_by_env


def test_the_operators_variables_win_and_are_known_to_plan(repo: Repo) -> None:
    serve(repo, "prod", "--variable", "region=mars")
    assert at(repo, "prod", "show", "load/a")["spec"]["parameters"] == {"region": "mars"}
    assert at(repo, "prod", "plan")["changes"] == []
    (place(repo, "prod") / "config.toml").write_text('[variables]\nregion = "moon"\n')
    assert [c["diff"][0]["to"] for c in at(repo, "prod", "plan")["changes"]] == ["moon"]
    serve(repo, None, state="prod")
    assert at(repo, "prod", "show", "load/a")["spec"]["parameters"] == {"region": "moon"}
    assert deployments(repo.path) == {}
