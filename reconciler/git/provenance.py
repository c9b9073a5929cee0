"""Where a commit comes from, as people follow it: version_info and links to the forge. Called by the daemon and web."""

from dataclasses import dataclass

from reconciler.git.repository import Repository
from reconciler.git.url import normalise, parse, redact
from reconciler.model.errors import InvalidRequestError

SIMPLE = "prefect:simple"
GITHUB, GITLAB, BITBUCKET, AZURE, GIT = "vcs:github", "vcs:gitlab", "vcs:bitbucket", "vcs:azuredevops", "vcs:git"
VERSION_TYPES = (SIMPLE, GITHUB, GITLAB, BITBUCKET, AZURE, GIT)

_HOSTS = {"github.com": GITHUB, "gitlab.com": GITLAB, "bitbucket.org": BITBUCKET, "dev.azure.com": AZURE}
_PREFIXES = {"github.": GITHUB, "gitlab.": GITLAB, "bitbucket.": BITBUCKET}
_TREE = {GITHUB: "{}/tree/{}", GITLAB: "{}/-/tree/{}", BITBUCKET: "{}/src/{}", AZURE: "{}?version=GC{}"}


@dataclass(frozen=True, slots=True)
class _Project:
    """A repository on a forge."""

    kind: str
    """The version type its host speaks for; GIT for a host that is not known."""
    web: str
    """Its page, without a trailing slash; empty where the address is a path."""
    path: str
    """`owner/name`."""


def version_info(
    repo: Repository, commit: str, *, branch: str | None, version_type: str | None = None, label: str | None = None
) -> tuple[dict[str, str], str | None]:
    """type, version, commit_sha, message, branch, repository and url of a commit, and a note where a type did not fit.

    `version_type` restricts the detection and decides what a self-hosted host is. Without a match the version stays
    the label or the first 8 of the commit; repository and url are then empty.
    """
    info = {
        "type": SIMPLE,
        "version": label or commit[:8],
        "commit_sha": commit,
        "message": repo.commit(commit).subject,
        "branch": branch or "",
        "repository": "",
        "url": "",
    }
    remote = main_remote(repo)
    project = _project(remote) if remote else None
    if version_type == SIMPLE or (version_type is None and project is None):
        return info, None
    if remote is None or project is None:
        return info, f"version_type {version_type}: this repository has no remote that could say where it is"
    kind = version_type or project.kind
    if kind not in VERSION_TYPES:
        return info, f"version_type {kind!r} is not known: {', '.join(VERSION_TYPES)}"
    if kind not in (GIT, project.kind) and (project.kind != GIT or not project.web):
        return info, f"version_type {kind}: the remote is {redact(remote)}, which is not one"
    named = project.path if kind in (GITHUB, GIT) else project.path.rpartition("/")[2]
    url = _link(_TREE, kind, project, commit) or redact(remote)
    return info | {"type": kind, "repository": named, "url": url}, None


def main_remote(repo: Repository) -> str | None:
    """The URL of `origin`, else of the first remote by name; None without one."""
    remotes = repo.remotes()
    return remotes.get("origin") or next((remotes[name] for name in sorted(remotes)), None)


def _link(pages: dict[str, str], kind: str, project: _Project, commit: str) -> str | None:
    if kind not in pages or not project.web:
        return None
    if kind == BITBUCKET and not project.web.startswith("https://bitbucket.org/"):
        return _bitbucket_server(project, commit)
    return pages[kind].format(project.web, commit)


def _bitbucket_server(project: _Project, commit: str) -> str:
    """The self-hosted product: /scm/KEY/name to clone, /projects/KEY/repos/name to look."""
    owner, _, name = project.path.removeprefix("scm/").rpartition("/")
    root = project.web.removesuffix(project.path)
    return f"{root}projects/{owner}/repos/{name}/commits/{commit}"


def _project(remote: str) -> _Project | None:
    try:
        at = parse(remote)
        canonical = normalise(remote)
    except InvalidRequestError:
        return None
    if at.scheme == "file":
        return _Project(GIT, "", at.path.rstrip("/").removesuffix("/.git").rpartition("/")[2].removesuffix(".git"))
    place, _, path = canonical.partition("/")
    name = place.partition(":")[0]
    kind = _HOSTS.get(name) or next((word for prefix, word in _PREFIXES.items() if name.startswith(prefix)), GIT)
    # A port of ssh says nothing about the pages; one of http does.
    web = f"{'http' if at.scheme == 'http' else 'https'}://{place if at.scheme in ('http', 'https') else name}/{path}"
    return _Project(kind, web, path.rpartition("/_git/")[2] if kind == AZURE else path)
