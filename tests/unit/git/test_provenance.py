"""version_info and links for the forges, as remotes name them."""

import pytest
from helpers_git import Repo

from reconciler.git import provenance
from reconciler.git.repository import Repository

SHA = "{sha}"


@pytest.fixture
def info(tmp_path):
    repo = Repo(tmp_path / "r")
    sha = repo.commit({"a": "1"}, "Subject line\n\nbody")

    def of(remote, version_type=None, label=None, name="origin"):
        if remote:
            repo.git("remote", "add", name, remote)
        with Repository.open(repo.path) as ours:
            found, note = provenance.version_info(ours, sha, branch="main", version_type=version_type, label=label)
        return {k: v.replace(sha, SHA) for k, v in found.items()}, note

    of.version = sha[:8]
    return of


@pytest.mark.parametrize(
    ("remote", "given", "kind", "repository", "url"),
    [
        ("https://github.com/o/r.git", None, "vcs:github", "o/r", "https://github.com/o/r/tree/{sha}"),
        ("git@github.com:o/r.git", None, "vcs:github", "o/r", "https://github.com/o/r/tree/{sha}"),
        ("ssh://git@gitlab.com:22/g/s/r.git", None, "vcs:gitlab", "r", "https://gitlab.com/g/s/r/-/tree/{sha}"),
        ("https://bitbucket.org/w/r", None, "vcs:bitbucket", "r", "https://bitbucket.org/w/r/src/{sha}"),
        ("git@ssh.dev.azure.com:v3/o/p/r", None, "vcs:azuredevops", "r", "https://dev.azure.com/o/p/_git/r?version=GC{sha}"),
        ("https://u:canary@git.corp/o/r.git", None, "vcs:git", "o/r", "https://git.corp/o/r.git"),
        ("ssh://git@git.corp:2222/o/r.git", "vcs:github", "vcs:github", "o/r", "https://git.corp/o/r/tree/{sha}"),
        ("https://git.corp:8443/o/r.git", "vcs:gitlab", "vcs:gitlab", "r", "https://git.corp:8443/o/r/-/tree/{sha}"),
        ("ssh://git@bb.corp:7999/key/r.git", "vcs:bitbucket", "vcs:bitbucket", "r", "https://bb.corp/projects/key/repos/r/commits/{sha}"),
        ("https://bb.corp/scm/key/r.git", "vcs:bitbucket", "vcs:bitbucket", "r", "https://bb.corp/projects/key/repos/r/commits/{sha}"),
        ("https://gitlab.corp/g/r", None, "vcs:gitlab", "r", "https://gitlab.corp/g/r/-/tree/{sha}"),
        ("https://github.com/o/r", "vcs:git", "vcs:git", "o/r", "https://github.com/o/r"),
        ("/srv/git/r.git", None, "vcs:git", "r", "/srv/git/r.git"),
    ],
)  # fmt: skip
def test_each_forge(info, remote, given, kind, repository, url):
    found, note = info(remote, given)
    assert note is None
    expected = {"version": info.version, "commit_sha": SHA, "message": "Subject line", "branch": "main"}
    assert found == expected | {"type": kind, "repository": repository, "url": url}


@pytest.mark.parametrize(
    ("remote", "given", "words"),
    [
        (None, None, None),
        ("https://github.com/o/r", "prefect:simple", None),
        (None, "vcs:github", "no remote"),
        ("https://u:canary@gitlab.com/o/r", "vcs:github", "the remote is https://gitlab.com/o/r"),
        ("/srv/r", "vcs:github", "the remote is /srv/r"),
        ("https://[::1", "vcs:git", "no remote that could"),
        ("https://github.com/o/r", "vcs:nope", "not known"),
    ],
)
def test_without_a_match_the_version_stays(info, remote, given, words):
    found, note = info(remote, given, label="2.0")
    assert (found["type"], found["version"], found["url"], found["repository"]) == ("prefect:simple", "2.0", "", "")
    assert (words is None) == (note is None)
    assert words is None or words in note
    assert "canary" not in str(note)


def test_another_remote_serves_where_there_is_no_origin(info):
    assert info("git@github.com:o/r", name="upstream")[0]["repository"] == "o/r"
