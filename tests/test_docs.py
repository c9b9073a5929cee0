"""The pages say what is so: their YAML parses, their links exist, and nothing a user can set or type is left out."""

import itertools
import re
from dataclasses import fields
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from served import ROOT, blocks

from reconciler import plugins, pools, schedules, steps
from reconciler.cli import cli
from reconciler.core import overlay
from reconciler.core.parse import parse
from reconciler.daemon.config import Settings
from reconciler.model import errors
from reconciler.model.spec import DeploymentSpec, Schedule
from reconciler.model.state import State

README = (ROOT / "README.md").read_text("utf-8")
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted(ROOT.glob("examples/*/README.md")),
]
YAML = [*ROOT.glob("specs/*.yaml"), *ROOT.glob("examples/**/*.yaml")]
OVERLAYS = [path for path in YAML if path.parent.name == "env"]
SPECS = [path for path in YAML if path not in OVERLAYS]
VERBS = cli.list_commands(click.Context(cli))  # type: ignore[attr-defined]
HELP = CliRunner().invoke(cli, ["--help"]).output


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def check_schedule(rule: object) -> tuple[str, str] | None:
    try:
        schedules.load(rule)  # type: ignore[arg-type]
    except schedules.ScheduleError as error:
        return error.key, str(error)
    return None


def problems(text: str) -> list[str]:
    found = parse(text.encode(), "page.yaml", check_step=steps.check, check_schedule=check_schedule)
    return [*map(str, found.problems), *map(str, found.notes)]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_yaml_on_a_page_is_a_spec_without_problems(page: Path) -> None:
    for block in blocks(page.read_text("utf-8"), "yaml"):
        assert problems(block) == []


def test_the_readme_shows_a_spec() -> None:
    assert len(blocks(README, "yaml")) >= 1


@pytest.mark.parametrize("spec", SPECS, ids=name_of)
def test_a_spec_of_ours_has_no_problems_and_no_notes(spec: Path) -> None:
    assert problems(spec.read_text("utf-8")) == []


@pytest.mark.parametrize("page", OVERLAYS, ids=name_of)
def test_an_overlay_of_ours_has_no_problems(page: Path) -> None:
    assert overlay.read(page.read_bytes(), page.name, "", {}).problems == ()


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_is_in_the_readme_and_explains_itself(verb: str) -> None:
    assert re.search(rf"`{verb}( --\w+)?`", README), f"{verb} is not in the README"
    told = CliRunner().invoke(cli, [verb, "--help"])
    assert told.exit_code == 0
    assert len(told.output.splitlines()) > 3
    assert verb in HELP


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_command_on_a_page_has_a_verb_and_options_that_are_there(page: Path) -> None:
    for block in blocks(page.read_text("utf-8"), "sh"):
        for words in re.findall(r"(?:^|[(;&|])\s*reconciler ([^;|&()#\n]*)", block, re.MULTILINE):
            verb, *rest = itertools.dropwhile(lambda w: w != "--version" and w not in VERBS, words.split())
            known = cli.get_command(click.Context(cli), verb)
            options = {o for p in known.params for o in p.opts} | {"--help", "-h"} if known else set()
            assert {w for w in rest if re.fullmatch(r"--?[a-z][a-z-]*", w)} <= options, words


@pytest.mark.parametrize("setting", [f.name for f in fields(Settings)])
def test_a_setting_is_in_the_readmes_table(setting: str) -> None:
    assert f"| `{setting}` |" in README


def test_the_readmes_table_names_no_setting_that_is_not_there() -> None:
    section = README.split("\n## Settings\n")[1].split("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == {f.name for f in fields(Settings)}


def test_every_exit_code_is_in_the_readme_and_in_the_help() -> None:
    kinds = [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, errors.ReconcilerError)]
    for code in {0, 3} | {kind.exit_code for kind in kinds}:
        assert f"\n| {code} | " in README
        assert re.search(rf"\b{code} ", HELP.split("Exit codes:")[1])


@pytest.mark.parametrize("state", sorted(set(State) - {State.PAUSED, State.SUSPENDED}))
def test_a_state_of_runs_is_in_the_readme(state: str) -> None:
    assert f"`{state}`" in README.split("\n## States\n")[1]


@pytest.mark.parametrize("word", [*plugins.words(steps), *plugins.words(pools), *plugins.words(schedules)])
def test_a_word_of_spec_files_is_in_the_readme(word: str) -> None:
    assert f"`{word}`" in README


@pytest.mark.parametrize("field", DeploymentSpec.model_fields)
def test_a_field_of_deployments_is_in_the_readmes_table(field: str) -> None:
    assert f"`{field}`" in README.split("| field of a deployment |")[1].split("\n\n")[0]


@pytest.mark.parametrize("field", Schedule.model_fields)
def test_a_field_of_schedules_is_in_the_readme(field: str) -> None:
    assert f"`{field}`" in README


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_inside_the_repository_lead_somewhere(page: Path) -> None:
    text = page.read_text("utf-8")
    anchors = {
        re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("#"):
            assert target[1:] in anchors, f"{name_of(page)}: {target}"
        elif "://" not in target:
            assert (page.parent / target).exists(), f"{name_of(page)}: {target}"


def test_the_changelog_has_a_place_for_what_comes() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert re.search(r"^## Unreleased$", text, re.MULTILINE)


def test_contributing_stays_short() -> None:
    assert len((ROOT / "CONTRIBUTING.md").read_text("utf-8").splitlines()) <= 80
