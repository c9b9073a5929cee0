"""The source scope, read off the pull steps."""

import pytest

from reconciler.core.version import paths, primary, sources
from reconciler.model.plan import Source, SourceKind

K = SourceKind


def clone(**inputs):
    return {"step": "git_clone", "inputs": inputs}


CASES = {
    "the default pull": (None, Source(K.WHOLE)),
    "no clone": ([{"step": "set_working_directory", "inputs": {"directory": "/app"}}], Source(K.NONE)),
    "this repository": ([clone(repository=".")], Source(K.WHOLE)),
    "no repository is this one": ([clone()], Source(K.WHOLE)),
    "no inputs": ([{"step": "git_clone"}], Source(K.WHOLE)),
    "directories": ([clone(directories=["a/", "b"])], Source(K.SCOPE, directories=("a", "b"))),
    "the root among directories": ([clone(directories=["a", "."])], Source(K.WHOLE)),
    "a branch": ([clone(branch="side", directories=["a"])], Source(K.BRANCH, branch="side", directories=("a",))),
    "a commit": ([clone(commit_sha="c" * 40)], Source(K.COMMIT, "c" * 40)),
    "a commit beats a branch": ([clone(commit_sha="c" * 40, branch="side")], Source(K.COMMIT, "c" * 40)),
    "a commit elsewhere": ([clone(repository="u", commit_sha="c")], Source(K.COMMIT, "c", "u")),
    "another repository": ([clone(repository="u", branch="b")], Source(K.FOREIGN, repository="u", branch="b")),
    "the last clone versions": ([clone(repository="u"), clone()], Source(K.WHOLE)),
    "the async name": ([{"step": "agit_clone", "inputs": {"repository": "u"}}], Source(K.FOREIGN, repository="u")),
}


@pytest.mark.parametrize(("pull", "expected"), CASES.values(), ids=CASES)
def test_where_code_comes_from(pull, expected):
    assert primary(sources(pull, lambda url: url == ".")) == expected


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({}, Source(K.WHOLE)),
        ({"directories": ["a"]}, Source(K.SCOPE, directories=("a",))),
        ({"repository": "u"}, Source(K.FOREIGN, repository="u", branch="main")),
    ],
)
def test_a_clone_of_the_tracked_branch_is_of_what_is_read(inputs, expected):
    assert primary(sources([clone(branch="main", **inputs)], lambda url: url == ".", "main")) == expected


def test_a_scope_is_its_directories_and_the_spec_file():
    assert paths(Source(K.SCOPE, directories=("a", "b")), "specs/x.yaml") == ("a", "b", "specs/x.yaml")
    assert paths(Source(K.WHOLE), "specs/x.yaml") == (".",)
    assert paths(Source(K.FOREIGN, directories=("a",)), "specs/x.yaml") == ("a",)
