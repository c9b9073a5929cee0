"""The version rule against the git binary, over random histories, revisions and jumps."""

import random
import shutil
import tempfile
from pathlib import Path

import pytest
from helpers_git import EPOCH, Repo
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.git import history
from reconciler.git.history import CUT
from reconciler.git.repository import Repository

NAMES = ["a", "a.b", "a/x", "a/y/z", "a/y/w", "b", "b/100644 c", "b/é", "b/z", "c/d/e/f", "c/d", "*", ":x", "a b"]
SCOPES = {
    name: (name,) for name in [*NAMES, "a/y", "c", ".", "nothing", "b/100644", "*/x", "c/d/e", ":(top)a", "a/x/below"]
} | {"two": ("a/x", "c"), "three": ("nothing", "b/z", "a.b")}


def make(path: Path, seed: int, commits: int) -> tuple[Repo, list[str]]:
    """A random history with merges (any parent first), roots, empty commits, deletions, type changes and renames."""
    rng = random.Random(seed)
    repo = Repo(path, bare=True)
    files: list[dict[str, tuple[str, str]]] = []
    stream = []
    for number in range(commits):
        parents = rng.sample(range(number), min(number, rng.choice([1, 1, 1, 1, 2, 2, 3]))) if number else []
        if number and rng.random() < 0.5:
            parents = [number - 1, *[p for p in parents if p != number - 1]][:3]
        if rng.random() < 0.04:
            parents = []
        tree = dict(files[rng.choice(parents)]) if parents else {}
        for _ in range(rng.choice([0, 1, 1, 1, 2, 3])):
            change(rng, tree)
        files.append(tree)
        lines = [f"commit refs/heads/b{number}", f"mark :{number + 1}", f"committer T <t@t> {EPOCH + number} +0000"]
        lines += [f"data 2\nm{number % 10}"]
        lines += [f"{'merge' if i else 'from'} :{p + 1}" for i, p in enumerate(parents)] + ["deleteall"]
        for name, (mode, text) in tree.items():
            lines += [f'M {mode} inline "{name}"', f"data {len(text)}", text]
        stream.append("\n".join(lines))
    marks = path / "marks"
    repo.git("fast-import", "--quiet", f"--export-marks={marks}", input=("\n".join(stream) + "\n").encode())
    ids = dict(line.split() for line in marks.read_text().splitlines())
    return repo, [ids[f":{n + 1}"] for n in range(commits)]


def change(rng: random.Random, tree: dict[str, tuple[str, str]]) -> None:
    name = rng.choice(NAMES)
    if tree and rng.random() < 0.3:
        gone = rng.choice(sorted(tree))
        moved = tree.pop(gone)
        if rng.random() < 0.4:
            put(tree, name, moved)
        return
    put(tree, name, (rng.choice(["100644", "100644", "100755", "120000"]), rng.choice("pqrs")))


def put(tree: dict[str, tuple[str, str]], name: str, value: tuple[str, str]) -> None:
    """A name replaces what lies above and below it, as on disk."""
    for other in list(tree):
        if other.startswith(name + "/") or name.startswith(other + "/"):
            del tree[other]
    tree[name] = value


@pytest.fixture
def folder():
    path = Path(tempfile.mkdtemp())
    yield path
    shutil.rmtree(path)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(seed=st.integers(0, 10_000), commits=st.integers(1, 30))
def test_every_answer_is_gits_on_any_history_and_after_any_jump(folder, seed, commits):
    repo, ids = make(folder / f"{seed}-{commits}", seed, commits)
    rng = random.Random(seed)
    with Repository.open(repo.path) as ours:
        revision = rng.choice(ids)
        known = history.newest(ours, revision, SCOPES)
        for _ in range(3):
            assert known == {name: repo.newest(revision, *paths) for name, paths in SCOPES.items()}
            for _ in range(3):
                after = rng.choice(ids)
                moved = history.advance(ours, revision, after, {n: (SCOPES[n], known[n]) for n in SCOPES})
                assert all(known[name] != answer for name, answer in moved.items())
                known, revision = known | moved, after
                assert known == history.newest(ours, revision, SCOPES)


@pytest.mark.parametrize("seed", range(3))
def test_a_pass_that_lists_no_paths_gives_the_same_answers(folder, seed, monkeypatch):
    _repo, ids = make(folder / "r", seed, 25)
    monkeypatch.setattr(history, "_FEW_PATHS", 0)
    with Repository.open(folder / "r") as ours:
        whole = {commit: history.newest(ours, commit, SCOPES) for commit in ids}
        for before in ids[::3]:
            for after in ids:
                known = {name: (SCOPES[name], whole[before][name]) for name in SCOPES}
                assert whole[before] | history.advance(ours, before, after, known) == whole[after]


@pytest.mark.parametrize("seed", range(4))
def test_a_shallow_clone_answers_like_the_full_one_or_says_cut(folder, seed):
    repo, ids = make(folder / "full", seed, 25)
    repo.git("update-ref", "refs/heads/tip", ids[-1])
    shallow = Repo(folder / "shallow", bare=True)
    shallow.git("fetch", "-q", "--depth=4", f"file://{repo.path}", "tip")
    with Repository.open(repo.path) as full, Repository.open(shallow.path) as ours:
        truth = history.newest(full, ids[-1], SCOPES)
        answers = history.newest(ours, ids[-1], SCOPES)
        whole = list(history.line(full, ids[-1])) == list(history.line(ours, ids[-1]))
    known = {name: answer for name, answer in answers.items() if answer is not CUT}
    assert known == {name: truth[name] for name in known}
    assert (CUT in answers.values()) is not whole


@pytest.mark.parametrize("seed", range(4))
def test_a_merge_base_is_one_of_gits(folder, seed):
    made, ids = make(folder / str(seed), seed, 25)
    rng = random.Random(seed)
    with Repository.open(made.path, trust_owner=True) as repo:
        for _ in range(10):
            one, other = rng.choice(ids), rng.choice(ids)
            below = [set(made.git("rev-list", name).split()) for name in (one, other)]
            best = made.git("merge-base", "--all", one, other).split() if below[0] & below[1] else [None]
            assert history.merge_base(repo, one, other) in best


@pytest.mark.parametrize("seed", range(4))
def test_the_commits_that_move_a_scope_are_those_git_lists(folder, seed):
    made, ids = make(folder / str(seed), seed, 25)
    rng = random.Random(seed)
    with Repository.open(made.path, trust_owner=True) as repo:
        for paths in rng.sample(sorted(SCOPES.values()), 8):
            line = made.git("rev-list", "--first-parent", rng.choice(ids)).split()
            before = rng.choice(line)
            asked = ("log", "--first-parent", "--format=%H", f"{before}..{line[0]}", "--", *paths)
            wanted = [name for name in made.git("--literal-pathspecs", *asked).split() if name in line]
            assert history.moving(repo, before, line[0], paths, 1000) == wanted
