"""Finding, opening and reading a repository, against the real git."""

import os
import shutil
import zlib

import pytest
from helpers_git import Repo

from reconciler.git.objects import TooLargeError
from reconciler.git.repository import Repository
from reconciler.model.errors import AccessError, NotFoundError, SourceUnavailableError


@pytest.fixture
def repo(tmp_path):
    made = Repo(tmp_path / "r")
    for n in range(4):
        made.commit({"a": str(n), "sub/b": str(n)}, f"change {n}\n\nbody {n}")
    return made


@pytest.mark.parametrize(
    "place", ["", "sub", ".git", "../wt", "../wt/sub", "../wt/.git", ".git/worktrees/wt", ".git/refs"]
)
def test_it_is_found_from_anywhere_and_linked_worktrees_share_what_is_common(repo, place):
    repo.git("worktree", "add", "-q", "-b", "side", str(repo.path.parent / "wt"))
    linked = "wt" in place
    with Repository.open(repo.path / place) as ours:
        assert ours.common_dir == repo.path / ".git"
        assert ours.work_tree == (repo.path.parent / "wt" if linked else repo.path)
        assert ours.head_branch() == ("side" if linked else "main")
        assert ours.resolve("HEAD") == repo.head()


def test_a_bare_one_has_no_work_tree_and_a_separate_git_dir_keeps_its_own(tmp_path):
    bare = Repo(tmp_path / "b.git", bare=True)
    with Repository.open(bare.path) as ours:
        assert (ours.work_tree, ours.git_dir, ours.head_branch(), ours.branch("main")) == (
            None,
            bare.path,
            "main",
            None,
        )
    (tmp_path / "w").mkdir()
    Repo(tmp_path / "w", init=False).git("init", "-q", f"--separate-git-dir={tmp_path / 'elsewhere'}")
    with Repository.open(tmp_path / "w") as ours:
        assert (ours.work_tree, ours.git_dir) == (tmp_path / "w", tmp_path / "elsewhere")


@pytest.mark.parametrize("content", [None, "gitdir: /nowhere\n", "nonsense\n", "gitdir: a\0b\n"])
def test_what_is_no_repository_is_said_in_one_message(tmp_path, content):
    if content is not None:
        (tmp_path / ".git").write_text(content)
    with pytest.raises(SourceUnavailableError, match=str(tmp_path)):
        Repository.open(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_another_users_repository_is_refused_unless_trusted(repo):
    os.chown(repo.path / ".git", 12345, -1)
    with pytest.raises(AccessError, match="uid 12345"):
        Repository.open(repo.path)
    Repository.open(repo.path, trust_owner=True).close()


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("[core]\nrepositoryformatversion = 7\n", "format version 7"),
        ("[core]\nrepositoryformatversion = 1\n[extensions]\nfancy = true\n", "extension fancy"),
        ("[core\n", "cannot be read"),
    ],
)
def test_a_format_that_is_not_understood_is_refused(repo, lines, words):
    (repo.path / ".git/config").write_text(lines)
    with pytest.raises(SourceUnavailableError, match=words):
        Repository.open(repo.path)


def test_a_configuration_that_would_run_programs_or_include_files_is_only_read(repo, tmp_path):
    trap = tmp_path / "ran"
    for key in ("core.fsmonitor", "core.sshCommand", "core.pager", "filter.x.smudge", "remote.origin.uploadpack"):
        repo.git("config", key, f"touch {trap}")
    repo.git("config", "remote.origin.url", "https://example.org/r.git")
    head = repo.head()
    with (repo.path / ".git/config").open("a") as config:
        config.write("[include]\n\tpath = /dev/zero\n")
    with Repository.open(repo.path) as ours:
        assert ours.remotes() == {"origin": "https://example.org/r.git"}
        assert ours.commit(head).subject == "change 3"
    assert not trap.exists()


@pytest.mark.parametrize("packed", [False, True])
def test_every_kind_of_revision_is_what_git_says(repo, packed):
    repo.branch("team/side", "HEAD~2")
    repo.commit({"c": "1"})
    repo.checkout("main")
    repo.merge("team/side")
    repo.git("tag", "light", "HEAD~1")
    repo.git("tag", "-a", "-m", "x", "heavy", "HEAD^2")
    repo.git("tag", "-a", "-m", "x", "nested", "heavy")
    repo.git("update-ref", "refs/remotes/origin/main", "HEAD~2")
    repo.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main")
    if packed:
        repo.git("gc", "-q")
    head = repo.head()
    names = ["HEAD", "main", "team/side", "light", "heavy", "nested", "origin/main", "origin", head, head[:7]]
    names += [
        "refs/heads/main",
        "HEAD~1",
        "main~2",
        "HEAD^",
        "HEAD^2",
        "HEAD^2~1",
        "heavy^0",
        "main^^",
        head[:9] + "~1",
    ]
    with Repository.open(repo.path) as ours:
        assert {n: ours.resolve(n) for n in names} == {n: repo.head(f"{n}^{{commit}}") for n in names}
        assert ours.branch("main", "origin") == repo.head("origin/main")
        assert ours.branch("nope") is None


@pytest.mark.parametrize(
    "name",
    [
        "",
        "-x",
        "--all",
        "..",
        "main..side",
        "@{1}",
        "main@{1}",
        "@",
        "nope",
        "HEAD~99",
        "HEAD^3",
        "a b",
        "x\ny",
        "../../x",
        "refs/../HEAD",
        "main:a",
        "HEAD^{tree}",
        "1" * 40,
        "dead",
        "~1",
        "config",
        "both",
        "ABCDEF1234",
        "main~" + "9" * 40,
    ],
)
def test_a_name_that_means_nothing_or_two_things_is_not_found(repo, name):
    repo.git("tag", "both", "HEAD~1")
    repo.git("branch", "both", "HEAD")
    with Repository.open(repo.path) as ours, pytest.raises(NotFoundError):
        ours.resolve(name)


def test_an_abbreviation_means_the_commit_and_a_tree_is_no_revision(repo):
    with Repository.open(repo.path) as ours:
        tree = repo.head("HEAD^{tree}")
        for name in (tree, tree[:10]):
            with pytest.raises(NotFoundError, match="names no commit"):
                ours.resolve(name)


def test_a_commit_is_read_in_full_and_leniently(repo):
    repo.git("config", "i18n.commitEncoding", "latin1")
    repo.git("commit", "-q", "--allow-empty", "-F", "-", input="Ünïcode\nsecond line\n\nbody\n".encode("latin1"))
    with Repository.open(repo.path) as ours:
        commit = ours.commit(repo.head())
        assert (commit.subject, commit.author, commit.author_email) == ("Ünïcode", "Ada Lovelace", "ada@example.org")
        assert commit.parents == (repo.head("HEAD~1"),)
        assert commit.tree == repo.head("HEAD^{tree}")
        assert commit.authored_at == commit.committed_at
        assert commit.committed_at.timestamp() == int(repo.git("log", "-1", "--format=%ct"))
        raw = f"tree {commit.tree}\nparent {repo.head('HEAD~1')}\ntree {repo.head('HEAD~1^{tree}')}\nauthor x\n\nodd"
        odd = repo.git("hash-object", "-t", "commit", "-w", "--literally", "--stdin", input=raw.encode())
        assert ours.links(odd) == (commit.tree, commit.parents)
        assert ours.commit(odd).author == "x"


@pytest.mark.parametrize("encoding", ["idna", "undefined", "punycode", "unicode_escape", "zlib", "no such"])
def test_a_commit_in_an_encoding_that_nobody_can_read_is_read_as_utf_8(repo, encoding):
    raw = f"tree {repo.head('HEAD^{tree}')}\nauthor x\nencoding {encoding}\n\nSübject-abc \\x1b"
    odd = repo.git("hash-object", "-t", "commit", "-w", "--literally", "--stdin", input=raw.encode())
    with Repository.open(repo.path) as ours:
        assert ours.commit(odd).subject == "Sübject-abc \\x1b"


@pytest.mark.parametrize("packed", [False, True])
def test_a_blob_past_the_limit_is_refused_by_its_size_without_being_unpacked(repo, packed):
    big = repo.commit({"big": b"\0" * 30_000_000, "near": b"\0" * 30_000_000 + b"x", "small": "s"})
    if packed:
        repo.git("gc", "-q")
    with Repository.open(repo.path) as ours:
        for name in ("big", "near"):
            with pytest.raises(TooLargeError, match=r"30,000,00[01] bytes, more than the limit of 1,000") as caught:
                ours.blob(repo.head(f"{big}:{name}"), 1000)
            assert caught.value.size >= 30_000_000
        assert ours.blob(repo.head(f"{big}:small"), 1) == b"s"
        assert len(ours.blob(repo.head(f"{big}:near"), 1 << 25)) == 30_000_001


def test_missing_damaged_and_mistaken_objects_are_a_source_that_cannot_answer(repo):
    blob = repo.head("HEAD:a")
    file = repo.path / ".git/objects" / blob[:2] / blob[2:]
    with Repository.open(repo.path) as ours:
        for act in (lambda: ours.blob("0" * 40, 9), lambda: ours.commit(blob), lambda: ours.tree_bytes("zz"),
                    lambda: ours.blob(repo.head(), 1 << 20)):  # fmt: skip
            with pytest.raises(SourceUnavailableError):
                act()
        for content in (b"", b"junk", zlib.compress(b"blob 5\0abc"), zlib.compress(b"blob x\0")):
            file.chmod(0o644)
            file.write_bytes(content)
            with pytest.raises(SourceUnavailableError, match="cannot be read"):
                ours.blob(blob, 100)
        assert not ours.has("0" * 40)
        assert ours.has(repo.head())


def test_packs_that_gc_replaces_and_fetches_that_add_are_seen_by_an_open_repository(repo):
    with Repository.open(repo.path) as ours:
        for n in range(3):
            repo.git("repack", "-q", "-a", "-d")
            assert ours.commit(repo.head()).tree
            new = repo.commit({"n": str(n)})
            assert ours.has(new)
            assert ours.blob(repo.head("HEAD:n"), 9) == b"%d" % n


def test_borrowed_objects_shallow_and_sha256_repositories_are_read(tmp_path, repo):
    borrowed, shallow, wide = (tmp_path / name for name in ("borrowed", "shallow", "wide"))
    repo.git("clone", "-q", "-s", str(repo.path), str(borrowed))
    repo.git("clone", "-q", "--depth=2", f"file://{repo.path}", str(shallow))
    with Repository.open(borrowed) as ours:
        assert ours.blob(repo.head("HEAD:a"), 9) == b"3"
        assert ours.shallow() == frozenset()
    with Repository.open(shallow) as ours:
        assert ours.shallow() == {repo.head("HEAD~1")}
        with pytest.raises(NotFoundError, match="no parent"):
            ours.resolve("HEAD~2")
    wide.mkdir()
    other = Repo(wide, init=False)
    other.git("init", "-q", "--object-format=sha256")
    head = other.commit({"x": "1"})
    with Repository.open(wide) as ours:
        assert (len(head), ours.resolve("main"), ours.blob(other.head("HEAD:x"), 9)) == (64, head, b"1")


def test_a_partial_clone_is_opened_and_says_what_is_missing(tmp_path, repo):
    repo.git("config", "uploadpack.allowFilter", "true")
    repo.git("clone", "-q", "--bare", "--filter=blob:none", f"file://{repo.path}", str(tmp_path / "p"))
    with Repository.open(tmp_path / "p") as ours:
        assert ours.commit(repo.head()).subject == "change 3"
        with pytest.raises(SourceUnavailableError, match="missing"):
            ours.blob(repo.head("HEAD~1:a"), 9)


def test_a_repository_that_vanishes_is_unavailable(repo):
    with Repository.open(repo.path) as ours:
        head = repo.head()
        shutil.rmtree(repo.path)
        assert ours.branch("main") is None
        with pytest.raises(SourceUnavailableError):
            ours.commit(head)
