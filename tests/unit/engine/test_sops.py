import os
from pathlib import Path

import helpers_sops
import pytest

from reconciler.engine.sops import Encrypted


@pytest.fixture
def bench(tmp_path, monkeypatch):
    """An encrypted file, `sops` on the PATH, and the key's place."""
    key, file = tmp_path / "key.txt", tmp_path / "all.yaml"
    helpers_sops.new_key(key)
    file.write_text(helpers_sops.encrypted({"TOKEN": "the value"}, key))
    helpers_sops.install(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return file, {"SOPS_AGE_KEY_FILE": str(key)}


def test_a_value_is_decrypted(bench):
    file, keys = bench
    assert Encrypted([file], keys).value("TOKEN") == ("the value", "")


def test_a_file_that_does_not_mention_a_name_is_not_decrypted(bench):
    file, _ = bench
    assert Encrypted([file], {}).value("OTHER") == (None, "the encrypted files all.yaml")


def test_the_next_file_is_tried(bench, tmp_path):
    file, keys = bench
    broken = tmp_path / "a.json"
    broken.write_text("TOKEN")
    assert Encrypted([broken, file], keys).value("TOKEN")[0] == "the value"


def test_without_its_key_the_reason_is_what_sops_says(bench):
    value, why = Encrypted([bench[0]], {}).value("TOKEN")
    assert value is None
    assert why.startswith("the encrypted files all.yaml (all.yaml: `sops` ended with 1: Failed to get the data key")


def test_a_key_that_sops_repeats_is_not_told(bench):
    keys = {"SOPS_AGE_KEY_FILE": "/nowhere/Failed to get"}
    file = bench[0]
    helper = Path(os.environ["PATH"].partition(":")[0], "sops")
    helper.write_text('#!/bin/sh\necho "no key in $SOPS_AGE_KEY_FILE" >&2; exit 2\n')
    assert "no key in ***" in Encrypted([file], keys).value("TOKEN")[1]


@pytest.mark.parametrize("printed", ["nothing", "[]", "[" * 100_000])
def test_what_sops_prints_is_not_trusted(bench, printed):
    Path(os.environ["PATH"].partition(":")[0], "sops").write_text(f"#!/bin/sh\necho '{printed}'\n")
    assert Encrypted([bench[0]], {}).value("TOKEN")[0] is None


def test_without_sops_that_is_the_reason(bench, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "the program `sops`, which decrypts it, is not on the PATH" in Encrypted([bench[0]], {}).value("TOKEN")[1]
