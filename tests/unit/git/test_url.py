"""Addresses of repositories: which are the same, which may be contacted, and what is never shown."""

import pytest
from helpers_git import Repo

from reconciler.git import url
from reconciler.git.repository import Repository


@pytest.mark.parametrize(
    "group",
    [
        [
            "https://github.com/o/r",
            "https://GitHub.com/o/r.git",
            "https://github.com:443/o/r/",
            "git@github.com:o/r.git",
            "ssh://git@github.com/o/r.git",
            "ssh://git@github.com:22/o/r",
            "https://user:tok@github.com/o/r",
            "github.com:o/r",
            "http://github.com/o/r",
            "git@github.com:/o/r/",
        ],
        [
            "https://dev.azure.com/org/p/_git/r",
            "git@ssh.dev.azure.com:v3/org/p/r",
            "https://org@dev.azure.com/org/p/_git/r",
            "https://org.visualstudio.com/p/_git/r",
            "https://org.visualstudio.com/DefaultCollection/p/_git/r",
        ],
        ["/srv/r", "/srv/r/", "file:///srv/r", "/srv/x/../r", "/srv/r/.git"],
        ["https://git.corp:8443/a/b", "https://git.corp:8443/a/b.git"],
        ["https://gitlab.com/g/s/r"],
        ["https://github.com/O/r"],
    ],
)
def test_equal_addresses_and_no_others_are_equal(group):
    assert len({url.normalise(text) for text in group}) == 1
    assert url.normalise(group[0]) not in {url.normalise("https://github.com/o/other"), url.normalise("/srv/other")}


HOSTS = {"github.com", "Git.corp"}


@pytest.mark.parametrize(
    "text",
    [
        "https://github.com/o/r",
        "git@github.com:o/r.git",
        "ssh://git@git.corp:2222/o/r",
        "../other",
        "/srv/r",
        "file:///srv/r",
    ],
)
def test_https_ssh_and_paths_on_the_list_are_allowed(text):
    assert url.allowed(text, HOSTS) is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("https://evil.org/o/r", "host evil.org is not on the allow-list"),
        ("https://github.com.evil.org/o/r", "not on the allow-list"),
        ("https://github.com@evil.org/o/r", "user name"),
        ("https://tok@github.com/o/r", "user name"),
        ("https://u:canary@github.com/o/r", "user name"),
        ("ssh://u:canary@github.com/o/r", "user name"),
        ("http://github.com/o/r", "not http"),
        ("git://github.com/o/r", "not git"),
        ("ftp://github.com/o/r", "not ftp"),
        ("ext::sh -c id", "transport helper"),
        ("fd::17", "transport helper"),
        ("-oProxyCommand=id", "dash"),
        ("--upload-pack=id", "dash"),
        ("ssh://-oProxyCommand=id/x", "no valid host"),
        ("ssh://-l@github.com/x", "no valid host"),
        ("-x@github.com:o", "dash"),
        ("git@github.com:-x", "no valid host"),
        ("https://github.com", "no valid host"),
        ("https:///o/r", "no valid host"),
        ("https://[::1/x", "not a URL"),
        ("https://github.com:99999/x", "not a URL"),
        ("https://github.com/a\nb", "control characters"),
        ("", "empty"),
    ],
)
def test_everything_else_is_refused_with_a_reason_that_keeps_secrets(text, why):
    said = url.allowed(text, HOSTS)
    assert said is not None
    assert why in said
    assert "canary" not in said


def test_userinfo_is_redacted_wherever_a_url_stands():
    text = "cannot reach https://u:canary@h/r and ssh://canary@h/r, https://a@canary@h/r"
    assert url.redact(text) == "cannot reach https://h/r and ssh://h/r, https://h/r"


def test_this_repository_is_dot_a_remotes_address_or_its_own_path(tmp_path):
    repo = Repo(tmp_path / "r")
    repo.git("remote", "add", "origin", "git@github.com:o/r.git")
    repo.git("remote", "add", "weird", "https://[::1")
    Repo(tmp_path / "other")
    with Repository.open(repo.path) as ours:
        yes = [".", "https://github.com/o/r", "./", "../r", str(repo.path), f"file://{repo.path}"]
        no = ["https://github.com/o/x", "../other", "../nowhere", "https://[", "x\ny", ""]
        assert [url.same(text, ours, repo.path) for text in yes + no] == [True] * len(yes) + [False] * len(no)
        assert url.own_hosts(ours) == {"github.com"}
