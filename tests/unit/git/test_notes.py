"""Notes as the git binary reads them: layouts, other writers, and what cannot be written."""

import threading

import pytest
from helpers_git import Repo

from reconciler.git import notes
from reconciler.git.repository import Repository
from reconciler.model.errors import ConflictError, SourceUnavailableError

AT = 1_700_000_000


def put(repo, blocks, opened=None):
    return notes.write(opened or (lambda: Repository.open(repo.path)), blocks, AT, lambda: None)


def shown(repo, commit):
    return repo.git("notes", "--ref=reconciler", "show", commit)


def test_git_shows_a_block_and_only_it_is_replaced(tmp_path):
    repo = Repo(tmp_path / "r")
    head = repo.commit({"a": "1"})
    assert put(repo, {head: "etl/d: 1 run, 1 Failed"}) == 1
    assert "    reconciler:\n      etl/d: 1 run, 1 Failed" in repo.git("log", "--notes=reconciler")
    repo.git("notes", "--ref=reconciler", "append", "-m", "looked into it\n  at length", head)
    assert put(repo, {head: "etl/d: 2 runs, 2 Failed\nx/y: 1 run"}) == 1
    assert shown(repo, head) == ("reconciler:\n  etl/d: 2 runs, 2 Failed\n  x/y: 1 run\n\nlooked into it\n  at length")
    before = repo.head("refs/notes/reconciler")
    assert put(repo, {head: "etl/d: 2 runs, 2 Failed\nx/y: 1 run"}) == 0
    assert repo.head("refs/notes/reconciler") == before
    repo.git("fsck", "--strict")


@pytest.mark.parametrize(
    ("there", "after"),
    [
        (b"", b"reconciler:\n  new\n"),
        (b"a person", b"a person\n\nreconciler:\n  new\n"),
        (b"above\n\nreconciler:\n  old\n  older\nbelow\n", b"above\n\nreconciler:\n  new\nbelow\n"),
        (b"reconciler: is a word\n", b"reconciler: is a word\n\nreconciler:\n  new\n"),
        (b"\xff\0", b"\xff\0\n\nreconciler:\n  new\n"),
    ],
)
def test_a_block_is_laid_into_any_note(there, after):
    assert notes.laid(there, "new") == after
    assert notes.laid(after, "new") == after


def history(repo, many):
    """Commits made at once; their ids."""
    one = "commit refs/heads/many\ncommitter A <a@example.org> {} +0000\ndata 1\nx\n"
    repo.git("fast-import", "--quiet", input="".join(one.format(AT + n) for n in range(many)).encode())
    return repo.git("rev-list", "many").split()


def test_thousands_of_notes_are_found_by_git_and_by_us_in_each_others_layout(tmp_path):
    repo = Repo(tmp_path / "r")
    commits = history(repo, 2000)
    assert put(repo, {c: f"first {c}" for c in commits[:300]}) == 300
    assert put(repo, {c: f"first {c}" for c in commits}) == 1700
    listed = repo.git("notes", "--ref=reconciler", "list").splitlines()
    assert sorted(line.split()[1] for line in listed) == sorted(commits)
    repo.git("notes", "--ref=reconciler", "append", "-m", "git writes the tree in its own layout", commits[0])
    assert put(repo, {c: f"second {c}" for c in commits[::7]}) == len(commits[::7])
    assert len(repo.git("notes", "--ref=reconciler", "list").splitlines()) == 2000
    assert shown(repo, commits[7]) == f"reconciler:\n  second {commits[7]}"
    assert shown(repo, commits[8]) == f"reconciler:\n  first {commits[8]}"
    assert "its own layout" in shown(repo, commits[0])
    repo.git("fsck", "--strict")


def test_what_another_writes_at_the_same_moment_survives(tmp_path):
    repo = Repo(tmp_path / "r")
    mine, theirs = repo.commit({"a": "1"}), repo.commit({"a": "2"})
    put(repo, {mine: "one"})
    looks = []

    class Overtaken(Repository):
        """A person notes something between our look at the ref and our swap of it."""

        def commit(self, name):
            found = super().commit(name)
            if not looks:
                looks.append(name)
                repo.git("notes", "--ref=reconciler", "add", "-m", "by hand", theirs)
            return found

    assert put(repo, {mine: "two"}, lambda: Overtaken.open(repo.path)) == 1
    assert (shown(repo, mine), shown(repo, theirs)) == ("reconciler:\n  two", "by hand")


def test_many_writers_at_once_lose_nothing(tmp_path):
    repo = Repo(tmp_path / "r")
    commits = history(repo, 6)
    pause = threading.Event()
    told = []

    def work(commit):
        told.append(notes.write(lambda: Repository.open(repo.path), {commit: "x"}, AT, lambda: pause.wait(0.02)))

    threads = [threading.Thread(target=work, args=(commit,)) for commit in commits[:4]]
    for thread in threads:
        thread.start()
    for commit in commits[4:]:
        repo.git("notes", "--ref=other", "add", "-m", "y", commit)
    for thread in threads:
        thread.join()
    assert told == [1] * 4
    assert len(repo.git("notes", "--ref=reconciler", "list").splitlines()) == 4


def test_a_commit_of_another_repository_is_left_out(tmp_path):
    repo = Repo(tmp_path / "r")
    repo.commit({"a": "1"})
    assert put(repo, {"a" * 40: "x", repo.head("HEAD:a"): "a blob"}) == 0
    assert repo.git("for-each-ref", "refs/notes") == ""


def test_a_note_too_large_to_be_ours_is_left_as_it_is(tmp_path):
    repo = Repo(tmp_path / "r")
    head = repo.commit({"a": "1"})
    (tmp_path / "long").write_text("x" * (notes.MOST_BYTES + 1))
    repo.git("notes", "--ref=reconciler", "add", "-F", str(tmp_path / "long"), head)
    assert put(repo, {head: "x"}) == 0


def test_a_lock_that_stays_and_a_ref_that_cannot_be_are_told(tmp_path):
    repo = Repo(tmp_path / "r")
    head = repo.commit({"a": "1"})
    lock = repo.path / ".git/refs/notes/reconciler.lock"
    lock.parent.mkdir()
    lock.touch()
    with pytest.raises(ConflictError, match="held or moved by others"):
        put(repo, {head: "x"})
    lock.unlink()
    lock.parent.rmdir()
    lock.parent.touch()
    with pytest.raises(SourceUnavailableError, match="cannot be changed"):
        put(repo, {head: "x"})


def test_a_ref_that_leads_to_a_branch_never_moves_it(tmp_path):
    repo = Repo(tmp_path / "r")
    head = repo.commit({"a": "1"})
    repo.git("symbolic-ref", "refs/notes/reconciler", "refs/heads/main")
    with pytest.raises(SourceUnavailableError, match="leads to another ref"):
        put(repo, {head: "x"})
    assert repo.head("main") == head


def test_sha256_works_and_reftable_is_refused(tmp_path):
    repo = Repo(tmp_path / "r", init=False)
    repo.path.mkdir()
    repo.git("init", "-q", "--object-format=sha256")
    head = repo.commit({"a": "1"})
    assert put(repo, {head: "x"}) == 1
    assert shown(repo, head) == "reconciler:\n  x"
    repo.git("fsck", "--strict")
    repo.git("config", "core.repositoryFormatVersion", "1")
    repo.git("config", "extensions.refStorage", "reftable")
    with pytest.raises(SourceUnavailableError, match="reftable"):
        put(repo, {head: "y"})
