"""Trees compared by raw bytes, against git and against hostile bytes."""

import random
from contextlib import suppress

import pytest
from helpers_git import Repo
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.git import tree
from reconciler.git.repository import Repository
from reconciler.model.errors import SourceUnavailableError

MODES = [b"100644", b"100755", b"40000", b"120000", b"160000", b"100664"]


def raw(entries):
    ordered = sorted(entries, key=lambda e: e[1] + b"/" if e[0] == b"40000" else e[1])
    return b"".join(mode + b" " + name + b"\0" + sha for mode, name, sha in ordered)


def plainly(before, after):
    """The same answer by parsing everything."""
    keys = [{(n, m == tree.DIRECTORY): (m, s) for n, m, s in tree.entries(side, 20)} for side in (before, after)]
    names = sorted(keys[0].keys() | keys[1].keys(), key=lambda k: k[0] + b"/" if k[1] else k[0])
    return [(k[0], keys[0].get(k), keys[1].get(k)) for k in names if keys[0].get(k) != keys[1].get(k)]


def hostile(rng, count):
    """Names and ids made of what an entry's start looks like."""
    names = {
        rng.choice([b"100644 ", b"40000 x", b"f", b"7 7", b"1" * 9]) * rng.choice([1, 1, 2, 600]) + b"%05d" % n
        for n in range(count)
    }
    piece = [b"100644 a", b"\0", b"7 ", b"z", b"40000 \0"]
    return [(rng.choice(MODES), name, b"".join(rng.choice(piece) for _ in range(20))[:20]) for name in sorted(names)]


@pytest.mark.parametrize("seed", range(12))
def test_hostile_names_and_ids_never_shift_an_entry(seed):
    rng = random.Random(seed)
    before = hostile(rng, 700 if seed % 2 else 60)
    for _ in range(10):
        after = list(before)
        for _ in range(rng.choice([0, 1, 1, 3, 20])):
            at = rng.randrange(len(after))
            mode, name, sha = after[at]
            after[at : at + 1] = rng.choice(
                [[], [(mode, name, sha[:19] + bytes([sha[19] ^ 1]))], [(rng.choice(MODES), name, sha)],
                 [after[at], (b"100644", name + b"x", sha)]]
            )  # fmt: skip
        assert list(tree.changes(raw(before), raw(after), 20)) == plainly(raw(before), raw(after))
        for mode, name, sha in rng.sample(before, 20):
            found = tree.find(raw(before), name, 20)
            assert found is not None
            assert found[1] == sha, mode


NAME = st.binary(min_size=1, max_size=6).filter(lambda b: b"\0" not in b and b"/" not in b)
ENTRIES = st.dictionaries(NAME, st.tuples(st.sampled_from(MODES), st.sampled_from([b"a" * 20, b"\0" * 20, b"7 " * 10])))


@settings(max_examples=100, deadline=None)
@given(ENTRIES, ENTRIES)
def test_any_two_trees(left, right):
    before, after = (raw([(m, n, s) for n, (m, s) in side.items()]) for side in (left, right))
    assert list(tree.changes(before, after, 20)) == plainly(before, after)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.binary(max_size=200))
def test_malformed_bytes_end_in_an_answer_or_a_value_error(before, after):
    with suppress(ValueError):
        list(tree.changes(before, after, 20))


@pytest.fixture
def repo(tmp_path):
    return Repo(tmp_path / "r")


def test_diff_walk_and_lookup_are_gits_through_type_changes_and_odd_names(repo):
    one = repo.commit({"a": "1", "d/x": "1", "d/y/z": "1", "é\n": "1", "same/s": "1"})
    repo.write({"a": None, "d/x": None})
    repo.commit({"a/now/dir": "2", "d/x/now": "2", "é\n": "2", "new": "2"})
    (repo.path / "link").symlink_to("a")
    (repo.path / "new").chmod(0o755)
    two = repo.commit()
    with Repository.open(repo.path) as ours:
        trees = [ours.commit(c).tree for c in (one, two)]
        for before, after in [trees, trees[::-1], [None, trees[1]], [trees[0], None], [trees[0], trees[0]]]:
            empty = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
            listed = repo.git("diff-tree", "-r", "-z", "--no-renames", before or empty, after or empty).split("\0")
            told = {}
            for words, path in zip(listed[::2], listed[1::2], strict=False):
                old_mode, new_mode, old, new, _kind = words.lstrip(":").split()
                told[path] = ((int(old_mode, 8), old), (int(new_mode, 8), new))
            nothing = (0, "0" * 40)
            mine = {}
            for path, old, new in tree.diff(ours, before, after):
                was, now = mine.get(path, (nothing, nothing))
                mine[path] = ((old.mode, old.id) if old else was, (new.mode, new.id) if new else now)
            assert mine == told
        listed = repo.git("ls-tree", "-r", "-z", two).rstrip("\0").split("\0")
        paths = [line.partition("\t")[2] for line in listed]
        assert [entry.path for entry in tree.walk(ours, trees[1])] == paths
        assert [e.path for e in tree.walk(ours, trees[1], "d")] == [p for p in paths if p.startswith("d/")]
        assert [e.path for e in tree.walk(ours, trees[1], "new")] == ["new"]
        assert list(tree.walk(ours, trees[1], "nothing")) == []
        for path in [*paths, "d", "d/x", "a/now"]:
            found = tree.lookup(ours, trees[1], path)
            assert found is not None
            assert found.id == repo.head(f"{two}:{path}")
        assert [tree.lookup(ours, trees[1], path) for path in ("a/now/dir/x", "nope", "d/nope", "A")] == [None] * 4


def test_a_deep_tree_and_a_tree_bomb_end_in_an_error(repo):
    blob = bytes.fromhex(repo.git("hash-object", "-w", "--stdin", input=b"x"))
    deep, bomb = blob, blob
    mode = b"100644"
    for _ in range(150):
        deep = bytes.fromhex(repo.tree(mode + b" d\0" + deep))
        mode = b"40000"
    mode = b"100644"
    for _ in range(8):
        bomb = bytes.fromhex(repo.tree(raw([(mode, b"%d" % n, bomb) for n in range(20)])))
        mode = b"40000"
    with Repository.open(repo.path) as ours:
        for act in (
            lambda: list(tree.walk(ours, deep.hex())),
            lambda: list(tree.diff(ours, None, deep.hex())),
            lambda: list(tree.walk(ours, bomb.hex())),
        ):
            with pytest.raises(SourceUnavailableError, match="more than"):
                act()
        bad = repo.tree(b"100644 x\0short")
        with pytest.raises(SourceUnavailableError, match="malformed"):
            list(tree.diff(ours, bad, None))
