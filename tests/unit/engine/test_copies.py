"""Prepared working copies: taken by rename when untouched, removed when not."""

import json
import os

import pytest

from reconciler.engine.copies import lay_out, take
from reconciler.model.errors import StepError

COMMIT = "a" * 40


def prepare(folder, name="one", commit=COMMIT, directories=()):
    """A prepared copy and its manifest, as git/checkout makes them."""
    copy = folder / name
    (copy / "pkg").mkdir(parents=True)
    (copy / "flow.py").write_text("def main(): pass\n")
    (copy / "pkg" / "a.txt").write_text("a")
    (copy / "link").symlink_to("flow.py")
    files = []
    for path in ("flow.py", "pkg/a.txt"):
        found = (copy / path).lstat()
        files.append([path, found.st_mode, found.st_size, found.st_ctime_ns, found.st_ino])
    manifest = {
        "commit": commit,
        "tree": "t" * 40,
        "directories": list(directories),
        "files": files,
        "links": [["link", "flow.py"]],
        "lfs": [],
    }
    (folder / f"{name}.json").write_text(json.dumps(manifest))
    return copy


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "copies").mkdir()
    (tmp_path / "run").mkdir()
    return tmp_path / "copies"


@pytest.fixture
def target(tmp_path):
    return tmp_path / "run" / "work"


def test_an_untouched_copy_is_moved_and_never_given_twice(folder, target):
    prepare(folder)
    assert take(folder, COMMIT, [], target)["tree"] == "t" * 40
    assert (target / "flow.py").read_text() == "def main(): pass\n"
    assert list(folder.iterdir()) == []
    assert list(target.parent.iterdir()) == [target]
    assert take(folder, COMMIT, [], target.with_name("other")) is None


def rewrite(copy):
    stamp = (copy / "flow.py").lstat()
    (copy / "flow.py").write_text("def evil(): pass\n")
    assert stamp.st_size == (copy / "flow.py").lstat().st_size


def relink(copy):
    (copy / "link").unlink()
    (copy / "link").symlink_to("/etc/passwd")


def replace(copy):
    kept = (copy / "flow.py").lstat()
    (copy / "new").write_text("def evil(): pass\n")
    os.utime(copy / "new", ns=(kept.st_atime_ns, kept.st_mtime_ns))
    (copy / "new").rename(copy / "flow.py")


@pytest.mark.parametrize(
    "touch",
    [
        rewrite,
        relink,
        replace,
        lambda copy: (copy / "flow.py").unlink(),
        lambda copy: (copy / "flow.py").chmod(0o777),
        lambda copy: (copy / "pkg" / "more.py").touch(),
        lambda copy: (copy / "link").unlink(),
        lambda copy: ((copy / "flow.py").unlink(), (copy / "flow.py").mkdir()),
    ],
    ids=["rewritten", "relinked", "replaced", "file gone", "mode", "one more", "link gone", "a folder now"],
)
def test_a_copy_that_was_touched_is_removed_and_the_next_one_taken(folder, target, touch):
    touch(prepare(folder, "one"))
    prepare(folder, "two")
    assert take(folder, COMMIT, [], target)
    assert (target / "flow.py").read_text() == "def main(): pass\n"
    assert list(folder.iterdir()) == []


def test_another_commit_or_scope_stays_where_it_is(folder, target):
    prepare(folder, "one", commit="b" * 40)
    prepare(folder, "two", directories=["pkg"])
    assert take(folder, COMMIT, [], target) is None
    assert take(folder, COMMIT, ["pkg"], target)
    assert sorted(p.name for p in folder.iterdir()) == ["one", "one.json"]


@pytest.mark.parametrize("text", ["", "[]", f'{{"commit": "{COMMIT}"}}', f'"{COMMIT}"'])
def test_a_manifest_that_is_none_is_no_copy(folder, target, text):
    (folder / "bad.json").write_text(text)
    assert take(folder, COMMIT, [], target) is None


def test_a_manifest_without_its_folder_is_dropped(folder, target):
    prepare(folder).rename(folder / "elsewhere")
    assert take(folder, COMMIT, [], target) is None
    assert not (folder / "one.json").exists()


def test_an_order_without_a_commit_is_refused(target):
    with pytest.raises(StepError, match="not resolved"):
        lay_out(None, target, {"repository": "."})
