"""The address of a repository: its parts, equality, redaction, permission. Called by provenance, remote, daemon."""

import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from reconciler.git.repository import Repository
from reconciler.model.errors import InvalidRequestError, ReconcilerError

_DEFAULT_PORTS = {"https": 443, "http": 80, "ssh": 22, "git": 9418, "git+ssh": 22, "ssh+git": 22}
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(?=://)")
_TRANSPORT = re.compile(r"[A-Za-z0-9+.-]+::")
_SCP = re.compile(r"(?:(?P<user>[^@/:\s]+)@)?(?P<host>\[[0-9A-Fa-f:.]+\]|[^@/:\s]+):(?P<path>.+)", re.DOTALL)
_USERINFO = re.compile(r"(?<=://)[^/\s]*@")
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]*")


@dataclass(frozen=True, slots=True)
class Address:
    """The parts of a repository's address."""

    scheme: str
    """`https`, `ssh` (also for the scp form), `file` (also for a path), or another."""
    user: str
    password: bool
    host: str
    """Lower case; empty for a path."""
    port: int | None
    """None where it is the scheme's default."""
    path: str
    """Decoded; without surrounding slashes, except that a path on this machine stays as given."""


def parse(url: str) -> Address:
    """Raises InvalidRequestError, which does not repeat the text, when it is no address."""
    if not url or any(ord(c) < 0x20 or ord(c) == 0x7F for c in url):  # noqa: PLR2004 - control characters
        raise InvalidRequestError("the repository's address is empty or has control characters in it")
    scheme = _SCHEME.match(url)
    if scheme is None:
        return _path_or_scp(url)
    try:
        parts = urlsplit(url)
        port = parts.port
        host = (parts.hostname or "").lower()
    except ValueError:
        raise InvalidRequestError("the repository's address is not a URL") from None
    name = parts.scheme.lower()
    if name == "file":
        return Address("file", "", password=False, host="", port=None, path=unquote(parts.path))
    return Address(
        scheme=name,
        user=parts.username or "",
        password=parts.password is not None,
        host=host,
        port=None if port == _DEFAULT_PORTS.get(name) else port,
        path=unquote(parts.path).strip("/"),
    )


def normalise(url: str) -> str:
    """A text that is equal for equal repositories: `host[:port]/path`, or an absolute path.

    Scheme, user, scp form, default port, `.git`, trailing slash and the host's case do not count.
    """
    at = parse(url)
    if at.scheme == "file":
        return os.path.normpath(at.path).removesuffix("/.git")
    host, path = _azure(at.host, at.path.removesuffix(".git").rstrip("/"))
    return f"{host}:{at.port}/{path}" if at.port else f"{host}/{path}"


def same(url: str, repo: Repository, base: Path) -> bool:
    """Whether an address names this repository: `.`, one of its remotes' URLs, or its own path (relative to `base`)."""
    if url == ".":
        return True
    try:
        at = parse(url)
    except InvalidRequestError:
        return False
    if at.scheme == "file" and _is_here(base / at.path, repo):
        return True
    return any(_equal(url, remote) for remote in repo.remotes().values())


def host(url: str) -> str | None:
    """The host of an address, lower case; None for a path or what is no address."""
    try:
        return parse(url).host or None
    except InvalidRequestError:
        return None


def own_hosts(repo: Repository) -> frozenset[str]:
    """The hosts of the repository's own remotes: the allow-list when the operator gives none."""
    return frozenset(name for url in repo.remotes().values() if (name := host(url)))


def allowed(url: str, hosts: Collection[str]) -> str | None:
    """Why a repository may not be contacted; None when it may: https, ssh or a path, no secrets, a listed host."""
    if url.startswith("-"):
        return "an address may not begin with a dash"
    if _TRANSPORT.match(url):
        return "only https, ssh or a path may be used, no transport helper"
    try:
        at = parse(url)
    except InvalidRequestError as error:
        return error.message
    if at.scheme == "file":
        return None
    if at.scheme not in ("https", "ssh"):
        return f"only https, ssh or a path may be used, not {at.scheme}"
    if at.password or (at.user and at.scheme == "https"):
        return "an address may not hold a user name or password: keep credentials out of the repository"
    if not _HOST.fullmatch(at.host) or at.user.startswith("-") or not at.path or at.path.startswith("-"):
        return "the address has no valid host and path"
    if at.host not in {name.lower() for name in hosts}:
        return f"host {at.host} is not on the allow-list"
    return None


def redact(text: str) -> str:
    """A text without the user names and passwords of the URLs in it."""
    return _USERINFO.sub("", text)


def _path_or_scp(url: str) -> Address:
    match = _SCP.fullmatch(url)
    if match is None or "/" in url.partition(":")[0]:
        return Address("file", "", password=False, host="", port=None, path=url)
    name = match["host"].strip("[]").lower()
    return Address("ssh", match["user"] or "", password=False, host=name, port=None, path=match["path"].strip("/"))


def _equal(url: str, other: str) -> bool:
    try:
        return normalise(url) == normalise(other)
    except InvalidRequestError:
        return False


def _is_here(path: Path, repo: Repository) -> bool:
    try:
        with Repository.open(path, trust_owner=True) as other:
            return other.common_dir == repo.common_dir
    except (ReconcilerError, OSError):
        return False


def _azure(name: str, path: str) -> tuple[str, str]:
    """Azure DevOps names one repository in four ways."""
    parts = path.split("/")
    if name in ("ssh.dev.azure.com", "vs-ssh.visualstudio.com") and len(parts) == 4:  # noqa: PLR2004 - v3/org/project/repo
        return "dev.azure.com", f"{parts[1]}/{parts[2]}/_git/{parts[3]}"
    if name.endswith(".visualstudio.com") and "_git" in parts:
        kept = [part for part in parts if part != "DefaultCollection"]
        return "dev.azure.com", "/".join([name.partition(".")[0], *kept])
    return name, path
