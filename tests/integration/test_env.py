"""One repository served twice, as staging and as prod: what each does when the overlays change, break and go."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from helpers_git import Repo
from served import COMMAND, ENV

from reconciler.cli import cli
from reconciler.daemon import config, state_dir, wiring

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


def serve(repo: Repo, env: str | None, state: str | None = None, **flags: Any) -> int:
    """One look, by a daemon in this process, in the state directory of an environment; its exit code."""
    prepared = state_dir.prepare(place(repo, state or env or "none"), allow_network_fs=False)
    daemon = wiring.build(repo.path, prepared, config.load(prepared.root, {"env": env, **flags}))
    daemon.start()
    daemon.stop_when_idle()
    daemon.run()
    return daemon.exit_code


def place(repo: Repo, name: str) -> Path:
    return repo.path.parent / name


def verb(repo: Repo, name: str, *words: str) -> str:
    return CliRunner().invoke(cli, ["-C", str(repo.path), "--state-dir", str(place(repo, name)), *words]).stdout


def at(repo: Repo, name: str, *words: str) -> Any:
    return json.loads(verb(repo, name, *words, "--json") or "null")


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
    assert serve(repo, None, state="prod") == 0
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
    assert serve(repo, None, state="prod") == 1
    held = applied(repo, "prod")
    kept = ("deployment", "source_commit", "spec_commit", "generation")
    assert [[row[k] for k in kept] for row in held.values()] == [[row[k] for k in kept] for row in before.values()]
    assert {row["health"] for row in held.values()} == {"Invalid"}
    plan = at(repo, "prod", "plan")
    assert (plan["changes"], {p["file"] for p in plan["problems"]}) == ([], {"specs/env/prod.yaml"})
    repo.commit({"specs/env/prod.yaml": "patches: [{patch: {tags: [t]}}]\n"})
    assert serve(repo, None, state="prod") == 0
    assert [(n, row["health"]) for n, row in applied(repo, "prod").items()] == [("load/a", "Healthy")]


def test_a_patch_that_makes_one_invalid_breaks_that_one_only(repo: Repo) -> None:
    serve(repo, "prod")
    repo.commit({"specs/env/prod.yaml": PROD.replace("n: 2", "n: two").replace("eu}", "us}")})
    assert serve(repo, None, state="prod") == 1
    found = applied(repo, "prod")
    assert {n: row["health"] for n, row in found.items()} == {"load/a": "Healthy", "load/b": "Invalid"}
    (problem,) = at(repo, "prod", "plan")["problems"]
    assert (problem["file"], problem["line"], problem["key"]) == (
        "specs/env/prod.yaml",
        3,
        "patches[0].patch.parameters.n",
    )


def test_an_overlay_that_goes_or_was_never_there_changes_nothing(repo: Repo) -> None:
    words = ("-C", str(repo.path), "--state-dir", str(place(repo, "prdo")), "serve", "--once", "--env", "prdo")
    done = subprocess.run([*COMMAND, *words], env=ENV, capture_output=True, text=True, check=False)
    said = "error: there is no environment 'prdo' here: no specs/env/prdo.yaml; did you mean `prod`?\n"
    assert (done.returncode, done.stderr) == (1, f"{said}  known: prod, staging\n")
    serve(repo, "prod")
    before = applied(repo, "prod")
    repo.commit({"specs/env/prod.yaml": None})
    assert serve(repo, None, state="prod") == 1
    after = applied(repo, "prod")
    assert {row["sync"] for row in after.values()} == {"Unknown"}
    assert [r["source_commit"] for r in after.values()] == [r["source_commit"] for r in before.values()]


def test_an_environment_is_kept_until_another_is_named_and_the_guard_holds(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(repo, None)
    assert len(applied(repo, "none")) == 3
    only = "patches: [{delete: true}]\ndeployments: [{name: z, entrypoint: 'flows/load.py:load'}]\n"
    repo.commit({"specs/env/only.yaml": only})
    assert serve(repo, "only", state="none") == 1
    assert set(applied(repo, "none")) == {"load/a", "load/b", "load/c"}
    assert "would prune" in json.dumps(at(repo, "none", "plan")["refused"])
    serve(repo, "", state="none")
    assert {row["sync"] for row in applied(repo, "none").values()} == {"Synced"}
    assert "environment" not in verb(repo, "none", "status")
    monkeypatch.setenv("RECONCILER_ENV", "prod")
    assert "- prune load/c" in verb(repo, "none", "plan")


def test_the_operators_variables_win_and_are_known_to_plan(repo: Repo) -> None:
    serve(repo, "prod", variables=("region=mars",))
    assert at(repo, "prod", "show", "load/a")["spec"]["parameters"] == {"region": "mars"}
    assert at(repo, "prod", "plan")["changes"] == []
    (place(repo, "prod") / "config.toml").write_text('[variables]\nregion = "moon"\n')
    assert [c["diff"][0]["to"] for c in at(repo, "prod", "plan")["changes"]] == ["moon"]
    assert serve(repo, None, state="prod") == 0
    assert at(repo, "prod", "show", "load/a")["spec"]["parameters"] == {"region": "moon"}
