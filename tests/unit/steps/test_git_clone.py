"""Where git_clone lays a repository out. What it lays out is the engine's and git's business."""

import pytest

from reconciler.model.errors import StepError
from reconciler.steps import Context
from reconciler.steps.git_clone import GitClone


@pytest.mark.parametrize(
    ("inputs", "folder"),
    [
        ({}, "."),
        ({"repository": "https://example.com/org/tools.git"}, "tools"),
        ({"repository": "https://example.com/org/tools/", "branch": "a/b"}, "tools-a-b"),
        ({"repository": "git@example.com:tools.git"}, "tools"),
        ({"repository": ".", "git_dir": "/home/me/shop/.git"}, "shop"),
        ({"repository": ".", "git_dir": "/srv/shop.git"}, "shop"),
        ({"repository": "x", "branch": "b", "clone_directory_name": "here/now"}, "here/now"),
    ],
)
def test_the_folder_follows_from_the_inputs(tmp_path, inputs, folder):
    asked = []
    context = Context(tmp_path, tmp_path, {}, lambda target, given: asked.append((target, given)), lambda *_: None)
    assert GitClone.act(inputs, context) == {"directory": str(tmp_path / folder)}
    assert asked == [(tmp_path / folder, inputs)]


@pytest.mark.parametrize("name", ["..", "/etc", "a/../../b"])
def test_a_folder_elsewhere_is_refused_in_the_run_too(tmp_path, name):
    with pytest.raises(StepError):
        GitClone.act({"clone_directory_name": name}, Context(tmp_path, tmp_path, {}, lambda *_: None, lambda *_: None))


@pytest.mark.parametrize(
    ("repository", "keys"),
    [
        ("https://user:secret@example.com/x", ["repository"]),
        ("https://secret@example.com/x", ["repository"]),  # a token is given as the user too
        ("https://{{ user }}:{{ token }}@example.com/x", []),
        ("git@example.com:x.git", []),
    ],
)
def test_a_password_in_the_address_is_a_problem_that_does_not_repeat_it(repository, keys):
    found = list(GitClone(repository=repository).problems())
    assert [key for key, _ in found] == keys
    assert "secret" not in str(found)
