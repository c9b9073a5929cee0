"""Submodules: found from the tree, addressed as git addresses them, refused when hostile."""

import pytest
from helpers_git import Repo

from reconciler.git.repository import Repository
from reconciler.git.submodules import DEPTH, MOST, Rules, Submodule, every, listed, paths, resolve
from reconciler.model.errors import NotFoundError, StepError

HOSTS = {"example.com"}
AT = "a" * 40
BASE = "https://example.com/org/app.git"


def module(path: str, address: str, name: str | None = None) -> str:
    return f'[submodule "{name or path}"]\n\tpath = {path}\n\turl = {address}\n'


def record(repo: Repo, links: dict[str, str], text: str | bytes | None) -> str:
    """Commit submodules without cloning them, and a `.gitmodules`; the commit's tree."""
    repo.write({".gitmodules": text} if text is not None else {})
    repo.git("add", "-A")
    for path, commit in links.items():
        repo.git("update-index", "--add", "--cacheinfo", f"160000,{commit},{path}")
    repo.git("commit", "-q", "--allow-empty", "-m", "x")
    return repo.head("HEAD^{tree}")


@pytest.fixture
def repo(tmp_path):
    return Repo(tmp_path / "app")


def found(repo: Repo, tree: str, *, base: str = BASE, local: bool = True) -> list[Submodule]:
    with Repository.open(repo.path) as opened:
        return list(listed(opened, tree, base, local=local, hosts=HOSTS))


def test_each_has_the_commit_of_the_tree_and_the_address_of_the_list(repo):
    text = module("libs/a", "../a.git") + module("b", "ssh://git@example.com/org/b") + module("gone", "../x")
    tree = record(repo, {"libs/a": AT, "b": "b" * 40, "unlisted": AT}, text)
    assert found(repo, tree) == [
        Submodule("libs/a", AT, "https://example.com/org/a.git"),
        Submodule("b", "b" * 40, "ssh://git@example.com/org/b"),
    ]


@pytest.mark.parametrize(
    ("address", "base", "place"),
    [
        ("../lib.git", "https://example.com/org/app.git", "https://example.com/org/lib.git"),
        ("../../x/lib/", "https://example.com/org/app/", "https://example.com/x/lib"),
        ("./lib", "https://example.com/org/app.git", "https://example.com/org/app.git/lib"),
        ("../lib", "git@example.com:org/app.git", "git@example.com:org/lib"),
        ("../lib", "git@example.com:app.git", "git@example.com:lib"),
        ("../lib", "ssh://git@example.com/org/app", "ssh://git@example.com/org/lib"),
        ("../lib", "/srv/git/app", "/srv/git/lib"),
        ("../lib", "https://user:secret@example.com/org/app", "https://example.com/org/lib"),
        ("https://example.com/x", "anything", "https://example.com/x"),
    ],
)
def test_relative_addresses_start_from_that_of_the_repository(address, base, place):
    assert resolve(address, base) == place


@pytest.mark.parametrize(
    ("address", "base"), [("../../../../x", BASE), ("../../x", "git@example.com:app"), ("../../../x", "/srv/app")]
)
def test_they_do_not_climb_out_of_it(address, base):
    with pytest.raises(StepError, match="climbs out of"):
        resolve(address, base)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("ext::sh -c evil", "no transport helper"),
        ("--upload-pack=evil", "may not begin with a dash"),
        ("http://example.com/x", "only https, ssh or a path"),
        ("https://evil.example/x", "host evil.example is not on the allow-list"),
        ("https://token@example.com/x", "may not hold a user name"),
        ("ssh://-oProxyCommand=evil/x", "no valid host"),
        ('"https://example.com/a\\nb"', "control characters"),
    ],
)
def test_a_hostile_address_is_refused(repo, address, message):
    with pytest.raises(StepError, match=message) as told:
        found(repo, record(repo, {"a": AT}, module("a", address)))
    assert "token" not in str(told.value)


@pytest.mark.parametrize("address", ["/home/someone/secrets", "file:///home/someone/secrets"])
def test_a_repository_elsewhere_names_no_folder_of_this_machine(repo, address):
    tree = record(repo, {"a": AT}, module("a", address))
    with pytest.raises(StepError, match="may not name a folder of this machine"):
        found(repo, tree, local=False)
    assert len(found(repo, tree)) == 1


@pytest.mark.parametrize(
    "text",
    [
        module("../../outside", "https://evil.example/x") + module("/etc", "ext::x") + module(".git/hooks", "ext::x"),
        module("a\\r", "https://example.com/x"),
        '[submodule "../../x"]\n\tpath = b\n\turl = ext::x\n\tupdate = !evil\n',
        '[submodule "a"]\n\tpath = a\n',
        "",
        None,
    ],
    ids=["paths elsewhere", "carriage return", "a name that climbs", "no address", "empty", "no list"],
)
def test_what_the_tree_does_not_hold_means_nothing(repo, text):
    assert found(repo, record(repo, {"a": AT}, text)) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[submodule\npath", "is not a list of submodules"),
        (b"\x00\xff[", "is not a list of submodules"),
        ("#" * (300 * 1024), "bytes"),
        ("".join(f'[submodule "{n}"]\n\tx = 1\n' for n in range(1100)), "more than 1000 sections"),
    ],
)
def test_a_list_that_is_none_is_refused(repo, text, message):
    tree = record(repo, {"a": AT}, text)
    with pytest.raises(StepError, match=message):
        found(repo, tree)
    with Repository.open(repo.path) as opened:
        assert paths(opened, tree) == []


def test_a_list_that_is_a_link_is_refused(repo):
    repo.commit({"other": module("a", "https://example.com/x")})
    target = bytes.fromhex(repo.git("hash-object", "-w", "--stdin", input=b"other"))
    tree = repo.tree(b"120000 .gitmodules\0" + target + b"160000 a\0" + bytes.fromhex(AT))
    with pytest.raises(StepError, match="not a regular file"):
        found(repo, tree)


def test_too_many_are_refused(repo):
    names = [f"m{n}" for n in range(MOST + 1)]
    tree = record(repo, dict.fromkeys(names, AT), "".join(module(name, "../x") for name in names))
    with pytest.raises(StepError, match=f"more than {MOST} submodules"):
        found(repo, tree)


def below(repo: Repo, tree: str, bring, directories=()):
    with Repository.open(repo.path) as opened:
        rules = Rules(HOSTS, bring, local=True, directories=directories)
        return [(m.path, m.commit) for m, _ in every(opened, tree, str(repo.path), rules)]


def test_nested_ones_come_after_their_parents_and_only_in_the_folders_asked_for(repo, tmp_path):
    inner, lib = Repo(tmp_path / "inner"), Repo(tmp_path / "lib")
    deep = inner.commit({"x": "1"})
    record(lib, {"deep": deep}, module("deep", "../inner"))
    tree = record(repo, {"libs/a": lib.head(), "b": deep}, module("libs/a", "../lib") + module("b", "../inner"))
    bring = lambda address, _commit: tmp_path / address.rpartition("/")[2]  # noqa: E731
    assert below(repo, tree, bring) == [("libs/a", lib.head()), ("libs/a/deep", deep), ("b", deep)]
    assert below(repo, tree, bring, ("libs",)) == [("libs/a", lib.head()), ("libs/a/deep", deep)]


def test_levels_are_bounded(repo, tmp_path):
    commit = Repo(tmp_path / "r0").commit({"x": "1"})
    for n in range(1, DEPTH + 2):
        record(made := Repo(tmp_path / f"r{n}"), {"d": commit}, module("d", f"../r{n - 1}"))
        commit = made.head()
    tree = record(repo, {"d": commit}, module("d", f"../r{DEPTH + 1}"))
    with pytest.raises(StepError, match=f"more than {DEPTH} levels"):
        below(repo, tree, lambda address, _: tmp_path / address.rpartition("/")[2])


def test_what_is_not_to_be_had_is_told_with_its_place(repo):
    def bring(address, commit):
        raise NotFoundError("no such commit")

    tree = record(repo, {"libs/a": AT}, module("libs/a", "../lib"))
    with pytest.raises(NotFoundError, match=r"submodule 'libs/a' at aaaaaaaaaaaa: no such commit") as told:
        below(repo, tree, bring)
    assert told.value.message.startswith("submodule")
