import os
import subprocess
import sys

from reconciler.engine import vault

CHILD = """
import os
from reconciler.engine import vault
free = vault.settle()
print(free, vault.unpack(vault.FD), [name for name in os.environ if "SECRET" in name])
"""


def child(**env: str) -> str:
    whole = {"PYTHONPATH": os.pathsep.join(sys.path), **env}
    return subprocess.run([sys.executable, "-c", CHILD], env=whole, capture_output=True, text=True, check=True).stdout


def test_a_vault_holds_secrets_and_keys_and_nothing_else():
    held = vault.contents({"RECONCILER_SECRET_A": "a", "SOPS_AGE_KEY": "k", "HOME": "/", "RECONCILER_SECRETS": "/s"})
    assert held == {"secrets": {"A": "a"}, "keys": {"SOPS_AGE_KEY": "k"}}


def test_what_was_packed_is_read_as_often_as_wanted():
    fd = vault.pack({"a": "ü"})
    try:
        assert vault.unpack(fd) == vault.unpack(fd) == {"a": "ü"}
    finally:
        os.close(fd)


def test_nothing_is_read_from_what_is_no_vault(tmp_path):
    (tmp_path / "x").write_text("{}")
    with (tmp_path / "x").open() as file:
        assert vault.unpack(file.fileno()) is None
    assert vault.unpack(9999) is None


def test_a_process_that_has_them_in_its_environment_takes_them_out():
    assert child(**dict.fromkeys(["RECONCILER_SECRET_A"], "value")) == "5 {'secrets': {'A': 'value'}, 'keys': {}} []\n"


def test_without_secrets_there_is_no_vault():
    assert child(SOPS_AGE_KEY="k") == "4 None []\n"
