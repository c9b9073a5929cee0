"""What every step in the folder promises, and what a spec may say of each."""

import dataclasses
import inspect
import subprocess
import sys

import pytest

from reconciler import plugins, steps
from reconciler.model.errors import UnknownWordError
from reconciler.steps import Step, short

WORDS = plugins.words(steps)


@pytest.mark.parametrize("word", WORDS)
def test_a_step_documents_each_of_its_inputs(word):
    kind = plugins.load(steps, Step, word)
    assert inspect.getdoc(kind)
    made = steps.schema(f"prefect.deployments.steps.{word}")
    assert set(made["properties"]) == {f.name for f in dataclasses.fields(kind)}
    assert all(p["description"] for p in made["properties"].values())
    assert made["additionalProperties"] is False


@pytest.mark.parametrize("word", WORDS)
def test_the_half_that_acts_needs_the_standard_library_only(word):
    code = (
        f"import sys, reconciler.steps.{word}\n"
        "ours = {'reconciler'} | sys.stdlib_module_names\n"
        "print([n for n in sys.modules if n.partition('.')[0] not in ours and not n.startswith(('__', '_'))])"
    )
    answer = subprocess.run([sys.executable, "-S", "-c", code], check=True, capture_output=True, text=True)
    assert answer.stdout.strip() == "[]"


@pytest.mark.parametrize("word", WORDS)
def test_an_unknown_input_is_told(word):
    ((_, message),) = [p for p in steps.check(word, {"nonsense_input": 1}) if p[0] == ("nonsense_input",)]
    assert message.startswith("unknown input; it takes ")


@pytest.mark.parametrize(
    ("word", "inputs"),
    [
        ("git_clone", {"repository": "https://example.com/a.git", "branch": "main", "id": "clone", "requires": "x"}),
        ("agit_clone", {"repository": ".", "commit_sha": "a" * 40, "directories": ["a", "b/c"]}),
        ("git_clone", {"repository": "{{ r }}", "include_submodules": "{{ s }}", "access_token": "{{ secret.T }}"}),
        ("git_clone", {"repository": ".", "directories": "{{ list }}", "commit_sha": "{{ sha }}"}),
        ("prefect.deployments.steps.set_working_directory", {"directory": "/a"}),
        ("run_shell_script", {"script": "ls", "env": {"A": "1"}, "shell": True}),
        ("pip_install_requirements", {"directory": "{{ clone.directory }}", "stream_output": False}),
        ("git_clone", {"repository": ".", "include_submodules": True}),
        ("my_package.steps.fetch_data", {"anything": [1]}),
    ],
)
def test_a_good_step_has_no_problem(word, inputs):
    assert list(steps.check(word, inputs)) == []


REFUSED = "a secret must not be written in a spec: refer to it, as in '{{ secret.NAME }}'"

MISPLACED = "may not name a secret: it shows to others, or is needed before the run"


@pytest.mark.parametrize(
    ("word", "inputs", "problems"),
    [
        ("git_clon", {}, [((), "unknown pull step 'git_clon'; did you mean 'git_clone'?; known: " + ", ".join(WORDS))]),
        (
            "prefect_aws.deployments.steps.pull_from_s3",
            {},
            [((), f"unknown pull step 'prefect_aws.deployments.steps.pull_from_s3'; known: {', '.join(WORDS)}")],
        ),
        ("git_clone", {}, [((), "the input 'repository' is missing")]),
        (
            "pip_install_requirements",
            {"requirements_file": "a\nb"},
            [(("requirements_file",), "the name of a file is expected")],
        ),
        ("git_clone", {"repository": ".", "brunch": "x"}, [(("brunch",), "unknown input; did you mean 'branch'?")]),
        ("git_clone", {"repository": 5}, [(("repository",), "expected a valid string")]),
        ("git_clone", {"repository": ".", "directories": ["a", 5]}, [(("directories", 1), "expected a valid string")]),
        (
            "git_clone",
            {"repository": ".", "include_submodules": "yes"},
            [(("include_submodules",), "expected a valid boolean")],
        ),
        ("git_clone", {"repository": ".", "access_token": "ghp_x"}, [(("access_token",), REFUSED)]),
        (
            "git_clone",
            {"repository": "{{ secret.R }}"},
            [((), f"`repository` {MISPLACED}; `access_token`, `credentials` may")],
        ),
        ("run_shell_script", {"script": "curl {{ secret.T }}"}, [((), f"`script` {MISPLACED}; `env` may")]),
        ("set_working_directory", {"directory": "{{ secret.D }}"}, [((), f"`directory` {MISPLACED}")]),
        ("git_clone", {"repository": ".", "credentials": {"token": "x"}}, [(("credentials",), REFUSED)]),
        (
            "git_clone",
            {"repository": ".", "branch": "b", "commit_sha": "a" * 40},
            [(("commit_sha",), "either branch or commit_sha, not both")],
        ),
        (
            "git_clone",
            {"repository": ".", "commit_sha": "abc"},
            [(("commit_sha",), "a commit's full id: 40 (or 64) hex digits in lower case")],
        ),
        ("git_clone", {"repository": ".", "branch": "-x"}, [(("branch",), "a branch's name does not start with '-'")]),
        (
            "git_clone",
            {"repository": ".", "clone_directory_name": "../x"},
            [(("clone_directory_name",), "the name of a folder below the run's own: no '..', no leading '/'")],
        ),
        (
            "git_clone",
            {"repository": ".", "directories": ["/a"]},
            [(("directories",), "'/a' does not lie in the repository")],
        ),
        ("run_shell_script", {"script": "ls", "env": {"A": 1}}, [(("env", "A"), "expected a valid string")]),
        ("set_working_directory", {"directory": None}, [(("directory",), "expected a valid string")]),
    ],
)
def test_a_bad_step_is_told_where_and_what_to_do(word, inputs, problems):
    assert list(steps.check(word, inputs)) == problems


def test_a_secret_is_not_repeated_in_a_problem():
    assert "ghp_x" not in repr(list(steps.check("git_clone", {"repository": 5, "access_token": "ghp_x"})))


def test_the_schema_of_an_unknown_step_is_refused():
    with pytest.raises(UnknownWordError):
        steps.schema("nothing")


@pytest.mark.parametrize(
    "word", ["git_clone", "prefect.deployments.steps.git_clone", "prefect.projects.steps.git_clone_project"]
)
def test_long_names_are_known(word):
    assert short(word) == "git_clone"
