"""Parcels: a small source as one file, written out as git says, or refused."""

import hashlib
import os
import subprocess

import pytest

from reconciler.engine.copies import lay_out, unwrap
from reconciler.git import parcel
from reconciler.git.repository import Repository
from reconciler.model.errors import NotFoundError, ReconcilerError


@pytest.fixture
def source(tmp_path):
    """A repository with a script, a link and a folder; answers it open and its commit."""
    folder = tmp_path / "repo"
    (folder / "pkg/deep").mkdir(parents=True)
    (folder / "flow.py").write_bytes(b"def main(): pass\n")
    (folder / "empty").touch()
    (folder / "pkg/deep/näme.txt").write_bytes(b"\0\n\xff")
    (folder / "pkg/tool.sh").write_text("#!/bin/sh\n")
    (folder / "pkg/tool.sh").chmod(0o755)
    (folder / "link").symlink_to("pkg/tool.sh")
    return commit(folder)


def commit(folder):
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "--allow-empty", "-m", "x"]):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@example.com", *words], cwd=folder, check=True)
    found = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, check=True, capture_output=True, text=True)
    return Repository.open(folder), found.stdout.strip()


def stored(folder, data):
    name = hashlib.sha256(data).hexdigest()
    (folder / name).write_bytes(data)
    return name


def test_what_is_written_out_is_what_was_committed(source, tmp_path):
    repo, name = source
    path = tmp_path / stored(tmp_path, parcel.wrap(repo, name, ()))
    manifest = unwrap(str(path), tmp_path / "work")
    assert (manifest["commit"], manifest["tree"]) == (name, repo.commit(name).tree)
    folders = [tmp_path / "repo", tmp_path / "work"]
    subprocess.run(["diff", "-r", "--no-dereference", "--exclude=.git", *folders], check=True)
    assert os.access(tmp_path / "work/pkg/tool.sh", os.X_OK)
    assert not os.access(tmp_path / "work/flow.py", os.X_OK) or os.geteuid() == 0


def test_a_scope_is_all_that_is_written(source, tmp_path):
    repo, name = source
    inputs = {"commit": name, "git_dir": "-", "parcel": stored(tmp_path, parcel.wrap(repo, name, ("pkg/deep",)))}
    lay_out(str(tmp_path), tmp_path / "work/below", inputs)
    assert [p.name for p in (tmp_path / "work").rglob("*") if p.is_file()] == ["näme.txt"]


@pytest.mark.parametrize(
    "files",
    [{f"{n}.txt": "" for n in range(parcel.MOST_ENTRIES + 1)}, {"big": "x" * (parcel.MOST_BYTES + 1)}],
    ids=["many", "large"],
)
def test_a_large_source_is_none(tmp_path, files):
    folder = tmp_path / "repo"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    with pytest.raises(ReconcilerError, match=r"more than|too large"):
        parcel.wrap(*commit(folder), ())


def test_a_link_out_of_the_tree_and_a_missing_folder_are_refused(source, tmp_path):
    with pytest.raises(NotFoundError, match="nowhere"):
        parcel.wrap(*source, ("nowhere",))
    (tmp_path / "repo/out").symlink_to("/etc/passwd")
    with pytest.raises(ReconcilerError, match="symlink"):
        parcel.wrap(*commit(tmp_path / "repo"), ())


@pytest.mark.parametrize(
    "change", [lambda d: d[:-1] + b"x", lambda d: d[:-1], lambda _: b""], ids=["byte", "cut", "empty"]
)
def test_a_parcel_that_is_not_as_it_was_made_is_none(source, tmp_path, change):
    data = parcel.wrap(*source, ())
    name = stored(tmp_path, data)
    (tmp_path / name).write_bytes(change(data))
    assert unwrap(str(tmp_path / name), tmp_path / "work") is None
    assert not (tmp_path / "work").exists()
    assert unwrap(str(tmp_path / "gone"), tmp_path / "work") is None
