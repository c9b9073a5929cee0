"""Working copies: what is written is what the commit says, and hostile trees write nothing outside."""

import json
import os
import stat

import pytest
from helpers_git import Repo

from reconciler.git import checkout
from reconciler.git.names import link_refusal, refusal
from reconciler.git.repository import Repository
from reconciler.model.errors import InvalidRequestError, NotFoundError, StepError

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"


@pytest.fixture
def repo(tmp_path):
    made = Repo(tmp_path / "r")
    made.write(
        {"run.sh": "#!/bin/sh\n", "pkg/a.py": "a", "pkg/sub/b.py": "b", "x/c": "", "lfs.bin": POINTER, "é\n": "1"}
    )
    (made.path / "run.sh").chmod(0o755)
    (made.path / "pkg/link").symlink_to("../x/c")
    made.commit()
    return made


def on_disk(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir() or p.is_symlink())


def test_the_whole_tree_is_written_verified_and_listed(tmp_path, repo):
    with Repository.open(repo.path) as ours:
        made = checkout.lay_out(ours, repo.head(), tmp_path / "copy")
    assert made.tree == repo.head("HEAD^{tree}")
    assert on_disk(tmp_path / "copy") == sorted(repo.git("ls-files", "-z").rstrip("\0").split("\0"))
    assert repo.git("--work-tree", str(tmp_path / "copy"), "status", "--porcelain") == ""
    for path, mode, size, mtime, inode in made.files:
        status = (tmp_path / "copy" / path).lstat()
        assert (mode, size, mtime, inode) == (status.st_mode, status.st_size, status.st_ctime_ns, status.st_ino)
    assert {p: bool(m & 0o100) for p, m, *_ in made.files}["run.sh"]
    assert made.links == [("pkg/link", "../x/c")]
    assert made.lfs_pointers == ["lfs.bin"]


@pytest.mark.parametrize(
    ("directories", "files"),
    [
        (("pkg/sub",), ["pkg/sub/b.py"]),
        (("./pkg/", "pkg/sub"), ["pkg/a.py", "pkg/link", "pkg/sub/b.py"]),
        (("run.sh", "x"), ["run.sh", "x/c"]),
        (("pkg/a.py", "pkg/link"), ["pkg/a.py", "pkg/link"]),
    ],
)
def test_a_scope_is_exactly_its_folders_and_files(tmp_path, repo, directories, files):
    with Repository.open(repo.path) as ours:
        made = checkout.lay_out(ours, repo.head(), tmp_path / "copy", directories)
    assert on_disk(tmp_path / "copy") == files
    assert made.tree == repo.head("HEAD^{tree}")


@pytest.mark.parametrize("path", ["nope", "pkg/nope", "pkg/a.py/below", "pkg/link/x"])
def test_a_scope_that_the_commit_lacks_is_not_found(tmp_path, repo, path):
    with Repository.open(repo.path) as ours, pytest.raises(NotFoundError, match="is not in commit"):
        checkout.lay_out(ours, repo.head(), tmp_path / "copy", ("x", path))


@pytest.mark.parametrize("path", ["/etc", "../x", "a/../..", "a\0b"])
def test_a_scope_outside_the_repository_is_refused(path):
    with pytest.raises(InvalidRequestError):
        checkout.scope([path])


def test_dot_is_everything_and_order_does_not_name_another_copy():
    assert checkout.scope(["a", "."]) == ()
    assert checkout.copy_name("c" * 40, ("b", "a/")) == checkout.copy_name("c" * 40, ("./a", "b"))
    assert checkout.copy_name("c" * 40) != checkout.copy_name("c" * 40, ("a",))


def test_prepared_copies_are_private_and_have_a_manifest_beside_them(tmp_path, repo):
    folder = tmp_path / "ready"
    with Repository.open(repo.path) as ours:
        first, second = (checkout.prepare(ours, repo.head(), (), folder) for _ in range(2))
    assert first != second
    assert first.name.startswith(checkout.copy_name(repo.head()) + "-")
    manifest = json.loads((folder / f"{first.name}.json").read_text())
    assert manifest.keys() == {"commit", "tree", "directories", "files", "links", "lfs", "submodules"}
    path, mode, size, mtime, inode = next(f for f in manifest["files"] if f[0] == "é\n")
    status = (first / path).lstat()
    assert (mode, size, mtime, inode) == (status.st_mode, status.st_size, status.st_ctime_ns, status.st_ino)
    assert first.stat().st_mode & 0o077 == 0
    assert (first / "x/c").stat().st_ino != (second / "x/c").stat().st_ino


def test_a_copy_that_fails_leaves_nothing_that_looks_usable(tmp_path, repo):
    (repo.path / "bad").symlink_to("/etc/passwd")
    repo.commit()
    with Repository.open(repo.path) as ours, pytest.raises(StepError, match=r"'bad'.*absolute path"):
        checkout.prepare(ours, repo.head(), (), tmp_path / "ready")
    assert list((tmp_path / "ready").iterdir()) == []


@pytest.mark.parametrize(
    ("mode", "name"),
    [(b"40000", n) for n in (b".git", b".GIT", b"git~1", b"GIT~1", ".g\u200cit".encode(), b".git ", b".git.", b"..")]
    + [(b"40000", b".git::$INDEX_ALLOCATION"), (b"100644", b"..\\evil"), (b"100644", b".git\\hooks"), (b"100644", b".")]
    + [(b"100644", b"../up"), (b"100644", b"/abs"), (b"40000", b""), (b"100644", b"n" * 300), (b"120000", b".git")],
)
def test_a_hostile_name_is_refused_and_nothing_escapes(tmp_path, repo, mode, name):
    inner = repo.head("HEAD:x") if mode == b"40000" else repo.head("HEAD:pkg/a.py")
    evil = repo.commit_tree(repo.tree(mode + b" " + name + b"\0" + bytes.fromhex(inner)))
    with Repository.open(repo.path) as ours, pytest.raises(StepError):
        checkout.lay_out(ours, evil, tmp_path / "out/copy")
    (tmp_path / "out").mkdir()
    with Repository.open(repo.path) as ours, pytest.raises(StepError):
        checkout.lay_out(ours, evil, tmp_path / "out/copy")
    assert on_disk(tmp_path / "out") == []


def test_a_link_and_a_folder_of_one_name_write_nothing_through_the_link(tmp_path, repo):
    link = repo.git("hash-object", "-w", "--stdin", input=b"x")
    folder = repo.head("HEAD:pkg/sub")
    both = b"120000 l\0" + bytes.fromhex(link) + b"40000 l\0" + bytes.fromhex(folder)
    evil = repo.commit_tree(repo.tree(both + b"40000 x\0" + bytes.fromhex(repo.head("HEAD:x"))))
    with Repository.open(repo.path) as ours, pytest.raises(StepError, match="File exists"):
        checkout.lay_out(ours, evil, tmp_path / "copy")


def test_a_submodule_is_an_empty_folder_and_told(tmp_path, repo):
    tree = repo.tree(b"160000 sub\0" + bytes.fromhex(repo.head()))
    with Repository.open(repo.path) as ours:
        made = checkout.lay_out(ours, repo.commit_tree(tree), tmp_path / "copy")
    assert made.submodules == ["sub"]
    assert stat.S_ISDIR((tmp_path / "copy/sub").lstat().st_mode)


def test_bytes_that_are_not_the_commits_are_never_laid_out(tmp_path, repo):
    blob, other = repo.head("HEAD:pkg/a.py"), repo.head("HEAD:pkg/sub/b.py")
    objects = repo.path / ".git/objects"
    file = objects / blob[:2] / blob[2:]
    file.chmod(0o644)
    file.write_bytes((objects / other[:2] / other[2:]).read_bytes())
    with Repository.open(repo.path) as ours, pytest.raises(StepError, match="does not hash to its name"):
        checkout.lay_out(ours, repo.head(), tmp_path / "copy")


def test_a_tree_bomb_a_deep_tree_and_too_many_bytes_are_refused(tmp_path, repo, monkeypatch):
    at = bytes.fromhex(repo.head("HEAD:x"))
    for _ in range(120):
        at = bytes.fromhex(repo.tree(b"40000 d\0" + at))
    wide = bytes.fromhex(repo.head("HEAD:x"))
    for _ in range(6):
        wide = bytes.fromhex(repo.tree(b"".join(b"40000 %02d\0" % n + wide for n in range(10))))
    monkeypatch.setattr(checkout, "ENTRY_LIMIT", 500)
    with Repository.open(repo.path) as ours:
        with pytest.raises(StepError, match="levels of folders"):
            checkout.lay_out(ours, repo.commit_tree(at.hex()), tmp_path / "deep")
        with pytest.raises(StepError, match="more than 500 files"):
            checkout.lay_out(ours, repo.commit_tree(wide.hex()), tmp_path / "wide")
        monkeypatch.setattr(checkout, "BYTES_LIMIT", 20)
        with pytest.raises(StepError, match="too large"):
            checkout.lay_out(ours, repo.head(), tmp_path / "bytes")


@pytest.mark.parametrize(
    "name", [b"a", b".gitignore", b".github", b"git~x", b"a b", "é".encode(), b"a\\b", b"..a", b"x."]
)
def test_a_plain_name_is_written(name):
    assert refusal(name) is None


@pytest.mark.parametrize(
    ("folder", "target", "fine"),
    [
        ("", b"a/b", True), ("a/b", b"../../c", True), ("", b"./a", True), ("a", b"..", True),
        ("", b"..", False), ("a", b"../..", False), ("a/b", b"../../../c", False), ("", b"/etc", False),
        ("", b"a/..", False), ("a/b", b"c/../../x", False), ("", b".git/config", False), ("", b"", False),
    ],
)  # fmt: skip
def test_links_stay_inside(folder, target, fine):
    assert (link_refusal(folder, target) is None) is fine


def test_the_umask_of_the_process_is_kept(tmp_path, repo):
    before = os.umask(0o077)
    try:
        with Repository.open(repo.path) as ours:
            made = checkout.lay_out(ours, repo.head(), tmp_path / "copy")
    finally:
        os.umask(before)
    assert {stat.S_IMODE(mode) for _path, mode, *_ in made.files} == {0o600, 0o700}
