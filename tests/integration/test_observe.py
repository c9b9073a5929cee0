"""The observer over real repositories: what it says step by step is what a fresh one says, whatever happened before."""

import random
from dataclasses import replace
from pathlib import Path

import pytest
from helpers_git import Repo

from reconciler.daemon.observe import Observer
from reconciler.daemon.reading import BASE, Elsewhere, Environment, still_says
from reconciler.daemon.view import FILE_LIMIT
from reconciler.daemon.words import words
from reconciler.git.repository import Repository
from reconciler.model.errors import SourceUnavailableError
from reconciler.model.ids import canonical, digest

FLOW = 'from reconciler import flow\n\n\n@flow(name="{name}")\ndef main(n: int = {n}):\n    """Say {n}."""\n'


def spec(*names: str, **fields) -> str:
    lines = ["deployments:"]
    for name in names:
        lines += [f"  - name: {name}", f"    entrypoint: {fields.get('entrypoint', 'flows/one.py:main')}"]
        lines += [f"    work_pool: {{name: {fields['pool']}}}"] if fields.get("pool") else []
        lines += [f"    tags: [{fields['tag']}]"] if fields.get("tag") else []
        if fields.get("directories"):
            lines += [
                "    pull:",
                "      - git_clone:",
                "          repository: .",
                f"          directories: [{fields['directories']}]",
            ]
        if fields.get("branch"):
            lines += [
                "    pull:",
                "      - git_clone:",
                "          repository: .",
                f"          branch: {fields['branch']}",
            ]
    return "\n".join(lines) + "\n"


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    repo = Repo(tmp_path / "repo")
    repo.commit({"flows/one.py": FLOW.format(name="one", n=1), "flows/two.py": FLOW.format(name="two", n=2)})
    return repo


def fresh(specs: str = "specs", env: Environment = BASE) -> Observer:
    def resolve(source) -> Elsewhere:
        raise SourceUnavailableError(f"{source.repository} cannot be reached")

    return Observer(specs, words(), lambda url: url == ".", resolve, env=env)


def said(observer: Observer, repo: Repo, head: str | None = None, applied: str | None = None):
    with Repository.open(repo.path) as opened:
        return observer.desired(opened, head or repo.head(), applied)


def shown(observer: Observer, desired) -> dict:
    """All that a desired state says, as one value; specs where they are at hand."""
    return {
        "revision": [desired.revision, desired.tree, desired.whole_commit],
        "deployments": {
            n: [d.where, d.line, d.digest, d.spec_commit, d.source.json()]
            for n, d in sorted(desired.deployments.items())
        },
        "broken": sorted(desired.broken),
        "problems": [p.json() for p in desired.problems],
        "notes": [n.json() for n in desired.notes],
        "pools": desired.pools,
        "unsure": desired.unsure,
    }


def step(kept: Observer, repo: Repo, applied: str | None = None):
    """What the kept observer says now, after comparing it with a fresh one."""
    desired = said(kept, repo, applied=applied)
    other = fresh(kept._dir.path, kept._env)
    expected = shown(other, said(other, repo))
    assert shown(kept, desired) == expected
    for name in desired.deployments.values():
        assert name.digest in kept.specs or name.digest in _APPLIED, f"the spec of {name.name} is nowhere"
        if name.digest in kept.specs:
            assert digest(desired.specs[name.digest]) == name.digest
    return desired


_APPLIED: set[str] = set()


@pytest.fixture(autouse=True)
def _nothing_applied():
    _APPLIED.clear()


def settle(observer: Observer, desired) -> None:
    """The loop applied it: the specs that the plan named are in the store."""
    _APPLIED.update(d.digest for d in desired.deployments.values())
    observer.settled()


A, B = "specs/a.yaml", "specs/b.yaml"
CASES: dict[str, list[dict[str, str | bytes | None]]] = {
    "a twin is removed again": [{A: spec("x")}, {B: spec("x")}, {B: None}],
    "the first of twins is removed": [{A: spec("x"), B: spec("x")}, {A: None}],
    "the second of twins is removed": [{A: spec("x"), B: spec("x")}, {B: None}],
    "a twin is renamed": [{A: spec("x"), B: spec("x")}, {B: spec("y")}],
    "names that differ only in case": [{A: spec("x"), B: spec("X")}, {B: spec("y")}],
    "twins in one file and another": [{A: spec("x", "x"), B: spec("x")}, {B: None}, {A: spec("x")}],
    "twins of both cases in one file": [{A: spec("x", "X")}, {A: spec("X")}, {A: spec("x")}],
    "the pool comes later": [{A: spec("x", pool="big")}, {B: "work_pools: {big: {type: process}}\n"}, {B: None}],
    "the file of the pool is broken": [
        {A: spec("x", pool="big"), B: "work_pools: {big: {type: process}}\n"},
        {B: "work_pools: {big: {type: proces}}\n"},
        {B: "work_pools: {big: ["},
        {B: "work_pools: ["},
        {B: "work_pools: {big: {}}"},
    ],
    "a pool in two files": [
        {A: "work_pools: {big: {type: process}}\n", B: "work_pools: {big: {type: inline}}\n"},
        {A: None},
        {A: "work_pools: {big: {type: process, concurrency_limit: 2}}\n"},
    ],
    "the file moves": [{A: spec("x")}, {A: None, B: spec("x")}],
    "two files swap": [{A: spec("x"), B: spec("y")}, {A: spec("y"), B: spec("x")}],
    "broken and mended": [{A: spec("x"), B: spec("y")}, {A: "deployments: ["}, {A: spec("x", tag="t")}],
    "code breaks and mends": [
        {A: spec("x")},
        {"flows/one.py": "def main(:\n"},
        {"flows/one.py": FLOW.format(name="one", n=5)},
    ],
    "the flow is renamed": [{A: spec("x"), B: spec("y")}, {"flows/one.py": FLOW.format(name="uno", n=1)}],
    "the code is missing, then there": [
        {A: spec("x", entrypoint="flows/new.py:main")},
        {"flows/new.py": FLOW.format(name="new", n=0)},
    ],
    "directories": [
        {A: spec("x", directories="flows"), B: spec("y", directories="other", entrypoint="other/f.py:main")},
        {"other/f.py": FLOW.format(name="f", n=0)},
        {"README": "nothing in scope"},
        {"flows/two.py": "x = 1\n"},
    ],
    "prefect.yaml comes and goes": [{"prefect.yaml": spec("x")}, {A: spec("x")}, {"prefect.yaml": None}],
    "too large": [{A: spec("x")}, {A: "#" * (FILE_LIMIT + 1)}, {A: spec("x")}],
    "not a mapping, not utf-8": [{A: "- 1\n", B: b"\xff\xfe\x00"}, {A: spec("x"), B: spec("y")}],
    "the last spec goes": [{A: spec("x")}, {A: None}],
    "hidden and other files": [{"specs/.hidden/a.yaml": spec("h"), "specs/a.txt": "x", "specs/sub/c.yml": spec("c")}],
}


PROD, ENV = "specs/env/prod.yaml", Environment("prod", {"size": 7})
PAUSE = "patches: [{patch: {paused: true}}]\n"
NAMED = "patches: [{target: {name: NAME}, patch: {tags: [p]}}]\n"
OVERLAID: dict[str, list[dict[str, str | bytes | None]]] = {
    "the overlay changes": [
        {A: spec("x"), PROD: ""},
        {PROD: PAUSE},
        {PROD: NAMED.replace("NAME", "x")},
        {A: spec("x")},
    ],
    "the overlay breaks and is mended": [
        {A: spec("x"), PROD: PAUSE},
        {PROD: "patches: ["},
        {B: spec("y")},
        {PROD: PAUSE},
    ],
    "it fits nothing until the spec comes": [
        {A: spec("x"), PROD: NAMED.replace("NAME", "y")},
        {B: spec("y")},
        {B: None},
    ],
    "a variable of it": [{A: spec("x", tag="'{{ t }}'"), PROD: "variables: {t: a}\n"}, {PROD: "variables: {t: b}\n"}],
    "one more there, and one less": [
        {A: spec("x"), PROD: spec("x")},
        {PROD: spec("y")},
        {PROD: spec("y") + "patches: [{target: {name: x}, delete: true}]\n"},
        {A: spec("x", tag="t")},
    ],
    "a pool is patched": [
        {
            A: "work_pools: {big: {}}\n",
            PROD: "patches: [{target: {kind: work_pool, name: b*}, patch: {paused: true}}]\n",
        },
        {A: "work_pools: [{name: big, concurrency_limit: 3}]\n"},
        {PROD: "work_pools: {big: {type: inline}}\n"},
    ],
    "the file cannot be read": [
        {A: spec("x"), PROD: NAMED.replace("NAME", "x")},
        {A: "deployments: ["},
        {A: spec("x")},
    ],
}


@pytest.mark.parametrize(
    ("steps", "env"),
    [*((steps, BASE) for steps in CASES.values()), *((steps, ENV) for steps in OVERLAID.values())],
    ids=[*CASES, *OVERLAID],
)
@pytest.mark.parametrize("restart", [False, True], ids=["kept", "restarted"])
def test_step_by_step_is_like_afresh(repo: Repo, steps, env: Environment, restart: bool):
    observer, cache = fresh(env=env), {}
    for files in steps:
        repo.commit(files)
        desired = step(observer, repo)
        cache.update(observer.unsaved())
        settle(observer, desired)
        if restart:
            observer = fresh(env=env)
            observer.restore({path: text for path, text in cache.items() if text})
            assert shown(observer, step(observer, repo)) == shown(observer, desired)


def test_what_was_refused_has_its_spec_when_it_is_not_any_more(repo: Repo):
    observer = fresh()
    repo.commit({A: spec("x"), B: spec("x")})
    settle(observer, said(observer, repo))
    repo.commit({B: None})
    desired = said(observer, repo)
    assert desired.specs[desired.deployments["one/x"].digest]["name"] == "x"


@pytest.mark.parametrize(("pool", "again"), [("big", False), ("proces", True)], ids=["implicit", "refused"])
def test_a_file_whose_pool_nothing_declares_is_not_read_each_time(repo: Repo, pool: str, again: bool):
    observer = fresh()
    repo.commit({A: spec("x", pool=pool)})
    desired = said(observer, repo)
    assert (list(desired.pools), len(desired.notes), len(desired.problems)) == ([pool] * (not again), not again, again)
    settle(observer, desired)
    repo.commit({"README": "nothing of the specs"})
    assert list(said(observer, repo).pools) == [pool] * (not again)
    assert (A in observer.unsaved()) is again


def link(repo: Repo, path: str, target: str) -> None:
    (repo.path / path).symlink_to(target)


def test_a_symlinked_spec_is_refused_and_a_regular_one_is_read_again(repo: Repo):
    observer = fresh()
    repo.commit({A: spec("x"), "elsewhere.yaml": spec("y")})
    step(observer, repo)
    repo.write({A: None})
    link(repo, A, "../elsewhere.yaml")
    repo.commit()
    assert "symbolic link" in step(observer, repo).problems[0].message
    (repo.path / A).unlink()
    repo.commit({A: spec("x")})
    assert list(step(observer, repo).deployments) == ["one/x"]


def test_a_symlink_in_place_of_the_folder_is_told_and_prunes_nothing(repo: Repo):
    observer = fresh()
    repo.commit({A: spec("x"), "real/a.yaml": spec("x")})
    step(observer, repo)
    repo.write({A: None})
    (repo.path / "specs").rmdir()
    link(repo, "specs", "real")
    repo.commit()
    desired = step(observer, repo)
    assert desired.broken == {"specs"}
    (repo.path / "specs").unlink()
    repo.commit({A: spec("x")})
    assert not step(observer, repo).broken


def test_a_submodule_in_place_of_a_spec_is_refused(repo: Repo):
    observer = fresh()
    repo.commit({A: spec("x")})
    head = repo.head()
    step(observer, repo)
    repo.git("rm", "-q", "--cached", A)
    repo.git("update-index", "--add", "--cacheinfo", f"160000,{head},{A}")
    repo.git("commit", "-q", "-m", "submodule")
    desired = step(observer, repo)
    assert "submodule" in desired.problems[0].message
    assert desired.broken == {A}


def test_a_branch_is_followed_though_the_tracked_one_stays(repo: Repo):
    observer = fresh()
    repo.commit({A: spec("x", branch="side")})
    repo.branch("side")
    first = repo.commit({"flows/one.py": FLOW.format(name="one", n=7)})
    repo.checkout("main")
    assert said(observer, repo).deployments["one/x"].source.commit == first
    assert observer.looks_elsewhere
    repo.checkout("side")
    second = repo.commit({"flows/one.py": FLOW.format(name="one", n=8)})
    repo.checkout("main")
    assert step(observer, repo).deployments["one/x"].source.commit == second
    repo.git("branch", "-D", "side")
    assert said(observer, repo).deployments["one/x"].source.commit == second  # the last answer stays


def test_a_failure_of_git_leaves_what_was_read(repo: Repo):
    observer = fresh()
    repo.commit({A: spec("x")})
    before = shown(observer, said(observer, repo))
    with pytest.raises(SourceUnavailableError):
        said(observer, repo, "f" * 40)
    assert shown(observer, said(observer, repo)) == before


@pytest.mark.parametrize("text", [b"{}", b'{"format": 0, "specs": "specs"}', b'{"format": 1, "specs": "other"}'])
def test_what_another_format_kept_is_as_good_as_nothing(repo: Repo, text: bytes):
    repo.commit({A: spec("x")})
    observer = fresh()
    observer.restore({"": text, A: b"not looked at", B: b"gone since"})
    assert observer.revision is None
    assert list(step(observer, repo).deployments) == ["one/x"]
    assert observer.unsaved()[B] == b""  # else its deployments would be back at the next start


@pytest.mark.parametrize(("seed", "env"), [*((seed, BASE) for seed in range(6)), *((seed, ENV) for seed in range(4))])
def test_random_histories(repo: Repo, seed: int, env: Environment):
    """Commits, merges, resets and restarts at random: after each, the same as afresh."""
    rng = random.Random(seed)
    if env.name:
        repo.commit({PROD: PAUSE})
    observer, cache, heads, applied = fresh(env=env), {}, [repo.head()], None
    files = [f"specs/{n}.yaml" for n in "abcd"] + ["prefect.yaml", "specs/deep/e.yml"]
    codes = ["flows/one.py", "flows/two.py", "flows/three.py"]
    for _ in range(14):
        change: dict[str, str | bytes | None] = {}
        for _ in range(rng.choice((1, 1, 2, 3))):
            if rng.random() < 0.3:
                name = rng.choice(("one", "two", "one-more"))
                change[rng.choice(codes)] = rng.choice((FLOW.format(name=name, n=rng.randint(0, 3)), "def main(:\n"))
            else:
                change[rng.choice(files)] = _random_file(rng)
            if env.name and rng.random() < 0.3:
                change[PROD] = _random_overlay(rng)
        gone = [p for p in change if rng.random() < 0.2 and p != PROD and (repo.path / p).exists()]
        repo.commit({**change, **dict.fromkeys(gone)})
        if rng.random() < 0.2:
            repo.reset(rng.choice(heads))
        heads.append(repo.head())
        desired = step(observer, repo, applied)
        assert (desired.rewound_from is not None) == (applied is not None and not _descends(repo, applied))
        _like_git(repo, desired)
        cache.update(observer.unsaved())
        if rng.random() < 0.7:
            applied = desired.revision
            settle(observer, desired)
        if rng.random() < 0.3 and applied == desired.revision:
            observer = fresh(env=env)
            observer.restore({path: text for path, text in cache.items() if text})


def _like_git(repo: Repo, desired) -> None:
    """Commits of specs and scopes are what git says."""
    for declared in desired.deployments.values():
        overlays = {d.overlay for d in desired.deployments.values() if d.file == declared.file and d.overlay}
        assert declared.spec_commit == repo.newest("HEAD", declared.file, *overlays)
        if declared.source.directories:
            scope = (*declared.source.directories, declared.file, *filter(None, [declared.overlay]))
            assert declared.source.commit == repo.newest("HEAD", *scope)


def _random_overlay(rng: random.Random) -> str:
    one = [
        "{target: {name: x}, patch: {tags: [p]}}",
        "{target: {file: 'specs/[ab]*'}, patch: {description: d}}",
        "{target: {name: y}, delete: true}",
        "{target: {name: '[xX]'}, patch: {entrypoint: 'flows/two.py:main'}}",
        "{target: {tags: t}, patch: {concurrency_limit: 0}}",
        "{patch: {paused: true}}",
        "{patch: {pull: null}}",
    ]
    extra = rng.choice(("", "", spec("only"), "work_pools: {big: {type: inline}}\n", "varibles: {}\n"))
    return f"patches: [{', '.join(rng.sample(one, rng.choice((0, 1, 1, 2))))}]\n{extra}"


def _descends(repo: Repo, applied: str) -> bool:
    return repo.git("merge-base", applied, "HEAD") == applied


def _random_file(rng: random.Random) -> str:
    names = rng.sample(("x", "y", "z", "X"), rng.choice((1, 1, 2)))
    if rng.random() < 0.15:
        names.append(names[0])
    entry = rng.choice(("flows/one.py:main", "flows/two.py:main", "flows/three.py:main"))
    fields = rng.choice(({}, {"tag": "t"}, {"directories": "flows"}, {"pool": "big"}, {"pool": "inline"}))
    text = spec(*names, entrypoint=entry, **fields)
    kind = rng.random()
    if kind < 0.1:
        return "deployments: [\n"
    return text + "work_pools: {big: {type: process}}\n" if kind < 0.25 else text


def test_what_is_kept_is_small_and_says_when_nothing_changed(repo: Repo):
    observer = fresh()
    repo.commit({A: spec("x"), B: spec("y")})
    settle(observer, said(observer, repo))
    observer._dirty.clear()
    repo.commit({A: spec("x", tag="t")})
    said(observer, repo)
    kept = observer.unsaved()
    assert set(kept) == {"", A}
    assert still_says(kept[""], "specs", repo.head())
    assert not still_says(kept[""], "specs", "0" * 40)
    assert not still_says(kept[""], "other", repo.head())
    assert not still_says(None, "specs", repo.head())
    assert canonical({}) == b"{}"


def test_a_file_whose_reading_fails_by_a_defect_of_ours_is_told_and_the_others_are_read(repo: Repo, caplog):
    repo.commit({"specs/a.yaml": spec("a"), "specs/b.yaml": spec("b", pool="boom")})
    known = words()

    def check_pool(kind, variables):
        if kind == "boom":
            raise ZeroDivisionError
        return known.check_pool(kind, variables)

    pool = "work_pools: {boom: {type: boom}}\n"
    head = repo.commit({"specs/b.yaml": pool + spec("b", pool="boom")})
    observer = Observer("specs", replace(known, check_pool=check_pool), lambda url: url == ".", lambda _source: None)
    desired = said(observer, repo, head)
    assert desired.deployments.keys() == {"one/a"}
    (problem,) = desired.problems
    assert problem.file == "specs/b.yaml"
    assert "ZeroDivisionError" in problem.message
    assert desired.broken == {"specs/b.yaml"}
    mended = repo.commit({"specs/b.yaml": spec("b")})
    assert said(observer, repo, mended).deployments.keys() == {"one/a", "one/b"}
