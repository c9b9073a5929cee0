"""Verbs in this process, on a repository made by the real git."""

import json

import pytest
from click.testing import CliRunner
from helpers_git import Repo

from reconciler.cli import cli

SPEC = "deployments:\n  - {{name: {name}, entrypoint: '{entrypoint}', tags: [{tags}]}}\n"


class Verbs:
    """A repository and the verbs on it."""

    def __init__(self, path):
        self.repo = Repo(path)
        self.path = path

    def __call__(self, *words):
        return CliRunner().invoke(cli, ["-C", str(self.path), *words])

    def json(self, *words):
        done = self(*words, "--json")
        assert done.stdout, done.exception
        return json.loads(done.stdout)


@pytest.fixture
def verbs(tmp_path):
    return Verbs(tmp_path / "repo")


@pytest.fixture
def spec():
    def text(name="main", entrypoint="flows/f.py:hello", tags=""):
        return SPEC.format(name=name, entrypoint=entrypoint, tags=tags)

    return text
