import pytest
from helpers_git import Repo

from reconciler.daemon.config import Settings
from reconciler.daemon.sealed import Sealed, mentioned, of_spec
from reconciler.git.repository import Repository

ORDER = {"pull": [], "parameters": {"a": "{{ secret.MINE }}", "b": "{{ secret.YOURS }}"}, "env": {}}


@pytest.mark.parametrize(
    ("preview", "previews", "refused"),
    [
        (False, ("feature/*",), []),
        (True, ("feature/*",), ["YOURS"]),
        (None, ("feature/*",), ["YOURS"]),
        (None, (), []),
    ],
)
def test_a_preview_may_have_the_secrets_that_are_listed(tmp_path, preview, previews, refused):
    sealed = Sealed(Settings(preview=previews, preview_secrets=("MINE",), secrets=("/run/secrets",)), tmp_path)
    said = sealed.said(ORDER, preview=preview, revision="r")
    allowed = [name for name in ("MINE", "YOURS") if name not in refused]
    assert said == {"places": ["/run/secrets"], "refused": refused, "allowed": allowed, "revision": "r"}


def test_an_order_without_references_says_nothing(tmp_path):
    assert (
        Sealed(Settings(), tmp_path).said(
            {"pull": [], "parameters": {"a": "{{ x }}"}, "env": {}}, preview=True, revision=None
        )
        is None
    )


@pytest.mark.parametrize(
    ("env", "names", "found"),
    [
        (None, ["A"], ["a.json", "prod.yaml"]),
        ("prod", ["A"], ["prod.yaml", "a.json"]),
        (None, ["B.inner"], ["b.env"]),
        (None, ["C", "ENC", "prod"], []),
        (None, [], []),
    ],
)
def test_encrypted_files_that_mention_a_name_lie_beside_the_order(tmp_path, env, names, found):
    made = Repo(tmp_path / "repo")
    files = {
        "a.json": '{"A": "ENC[]"}',
        "b.env": "B=ENC[]",
        "prod.yaml": "A: ENC[]",
        "no.txt": "A",
        "sub/x.yaml": "A: 1",
    }
    revision = made.commit({f"specs/secrets/{name}": text for name, text in files.items()})
    made.commit({f"specs/secrets/{name}": None for name in files})
    sealed = Sealed(Settings(env=env), made.path / ".git")
    said = {"revision": revision, "allowed": names}
    (tmp_path / "run").mkdir()
    with Repository.open(made.path) as repo:
        sealed.lay_out(repo, tmp_path / "run", said)
        assert list(sealed.encrypted(repo, made.head(), names)) == []
    assert said["encrypted"] == found
    assert {file.name: file.read_text() for file in (tmp_path / "run").rglob("*.*")} == {n: files[n] for n in found}


def test_a_spec_names_secrets_in_steps_parameters_schedules_and_environment():
    spec = {
        "pull": [
            {"step": "git_clone", "inputs": {"access_token": "{{ secret.NEVER }}"}},
            {"step": "run_shell_script", "inputs": {"env": {"A": "{{ secret.A }}"}}},
        ],
        "parameters": {"b": "{{ secret.B }}"},
        "schedules": [{"parameters": {"c": "{{ secret.C | default(1) }}"}}, {}],
        "work_pool": {"job_variables": {"env": {"D": "{{ secret.D }}"}}},
    }
    what = of_spec(spec, {"env": {"D": "{{ secret.OVERRIDDEN }}", "E": "{{ secret.E }}"}})
    assert mentioned(what) == {"A": True, "B": True, "C": False, "D": True, "E": True}
