"""Objects made by hand, against what git itself says of them."""

import pytest
from helpers_git import Repo

from reconciler.git.objects import BLOB
from reconciler.git.repository import Repository
from reconciler.git.tree import DIRECTORY, FILE
from reconciler.git.writing import Person, Writing, entry
from reconciler.model.errors import SourceUnavailableError


@pytest.mark.parametrize("count", [2, 100], ids=["files", "a pack"])
def test_git_reads_what_is_written_and_so_do_we_at_once(tmp_path, count):
    repo = Repo(tmp_path / "r")
    parent = repo.commit({"x": "1"})
    with Repository.open(repo.path) as ours:
        writing = Writing(ours)
        blobs = {b"%03d" % n: writing.put(BLOB, b"%d" % n) for n in range(count)}
        inner = writing.tree({name: (FILE, entry(name, FILE, bytes.fromhex(blob))) for name, blob in blobs.items()})
        # A folder is ordered as if its name ended in a slash.
        names = {b"a": (DIRECTORY, inner), b"a-b": (FILE, blobs[b"000"])}
        top = writing.tree({n: (mode, entry(n, mode, bytes.fromhex(sha))) for n, (mode, sha) in names.items()})
        made = writing.commit(top, parent, Person("Ada", "a@example.org"), "1700000000 +0100", "why\n\n")
        assert not ours.has(made)
        writing.finish()
        assert ours.commit(made).tree == top
        writing.finish()  # again adds nothing
    repo.git("fsck", "--strict")
    assert len(repo.git("ls-tree", "-r", made).splitlines()) == count + 1
    assert repo.git("log", "-1", "--format=%an %P %ad %B", "--date=raw", made) == f"Ada {parent} 1700000000 +0100 why\n"


def test_a_repository_that_cannot_be_written_is_told(tmp_path):
    repo = Repo(tmp_path / "r")
    repo.commit({"x": "1"})
    with Repository.open(repo.path) as ours:
        writing = Writing(ours)
        name = writing.put(BLOB, b"new")
        (repo.path / ".git/objects" / name[:2]).write_text("in the way")
        with pytest.raises(SourceUnavailableError, match="nothing can be written to the repository"):
            writing.finish()
