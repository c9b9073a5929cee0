"""Where placeholders stand: in the deployment's own lines, else in what it shares; the overlay first."""

import pytest
from helpers_git import Repo

from reconciler.daemon import places
from reconciler.daemon.places import Stands
from reconciler.git.repository import Repository

SPEC = """\
definitions:
  shared: &shared {a: "{{ $SHARED }}"}
deployments:
  - name: one
    parameters:
      x: "{{ $OWN }}"
  - name: two
    parameters:
      <<: *shared
      # not here: $OWN
      x: in {{$OWN}}!
  - name: three
    parameters: {x: "{{ $OVER | default(1) }}", y: "{{ out.y }}"}
"""


@pytest.fixture
def found(tmp_path):
    repo = Repo(tmp_path / "repo")
    commit = repo.commit({"specs/a.yaml": SPEC, "specs/env/prod.yaml": "x: 1\ny: '{{ $OVER }}'\n"})

    def look(line, name, env=None, file="specs/a.yaml", at=commit):
        with Repository.open(repo.path) as opened:
            return places.found(opened, "specs", at, Stands(file, line, env), [name]).get(name)

    return look


@pytest.mark.parametrize(
    ("line", "name", "env", "place"),
    [
        (4, "$OWN", None, "specs/a.yaml:6"),
        (7, "$OWN", "prod", "specs/a.yaml:11"),
        (7, "$SHARED", None, "specs/a.yaml:2"),
        (12, "$OVER", None, "specs/a.yaml:13"),
        (12, "$OVER", "prod", "specs/env/prod.yaml:2"),
        (12, "out.y", "gone", "specs/a.yaml:13"),
        (99, "$OWN", None, "specs/a.yaml:6"),
        (4, "$NOWHERE", None, None),
    ],
)
def test_a_name_is_found_where_it_stands(found, line, name, env, place):
    assert found(line, name, env) == place


def test_what_cannot_be_read_has_no_place(found):
    assert found(1, "$OWN", file="specs/gone.yaml") is None
    assert found(1, "$OWN", at="0" * 40) is None


def test_only_what_has_no_fallback_is_looked_for():
    spec = {
        "parameters": {"a": "{{ $A }}", "b": "{{ $B | default(1) }}"},
        "work_pool": {"job_variables": {"env": {"C": "{{ secret.C }}"}}},
        "pull": [{"step": "run_shell_script", "inputs": {"script": "{{ $D }} {{ $A }}"}}],
    }
    assert places.named(spec) == ["$A", "secret.C", "$D"]
