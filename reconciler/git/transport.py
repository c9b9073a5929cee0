"""Network clients that end: deadlines, size limits, no prompts, no redirect to another host. Called by remote."""

import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any
from urllib.parse import quote, unquote, urlsplit

import urllib3
from dulwich.client import (
    GitClient,
    HttpGitClient,
    LocalGitClient,
    SSHGitClient,
    SSHVendor,
    SubprocessWrapper,
    get_credentials_from_store,
)
from dulwich.protocol import Protocol

from reconciler.git.url import Address, parse
from reconciler.model.errors import SourceUnavailableError

_BYTES_LIMIT = 8 << 30
_CONNECT_SECONDS = 10.0
_REDIRECTS = 3


class Deadline:
    """Ends one transfer after `seconds`, or past the size limit."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.passed = False
        self._bytes = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._protocols: list[Protocol] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        """The time in which the transfer may go on; whatever it opened is closed behind it."""
        timer = threading.Timer(self.seconds, self._end)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            self._close()

    def kills(self, process: subprocess.Popen[bytes]) -> None:
        """A process that may not outlive the transfer."""
        self._process = process

    def closes(self, protocol: Protocol) -> None:
        """A conversation that the library leaves open when it fails."""
        self._protocols.append(protocol)

    def count(self, size: int, _direction: str = "") -> None:
        """Called for every piece sent or received. Raises TimeoutError, OverflowError."""
        self._bytes += size
        if self.passed:
            raise TimeoutError
        if self._bytes > _BYTES_LIMIT:
            raise OverflowError

    def progress(self, text: bytes) -> None:
        """Called for every word of the other side, which is not shown."""
        self.count(len(text))

    def _end(self) -> None:
        self.passed = True
        if self._process is not None:
            self._process.kill()

    def _close(self) -> None:
        if self._process is not None:
            self._process.kill()
        for protocol in self._protocols:
            with suppress(OSError, ValueError):
                protocol.close()
        if self._process is not None:
            with suppress(OSError, ValueError):
                self._process.communicate()


def connect(url: str, deadline: Deadline) -> tuple[GitClient, str]:
    """A client for an address and the path to ask it for. Raises SourceUnavailableError for unknown schemes."""
    at = parse(url)
    if at.scheme == "file":
        return LocalGitClient(), at.path
    if at.scheme == "ssh":
        return _ssh(url, at, deadline)
    if at.scheme in ("https", "http"):
        return _http(url, at, deadline)
    raise SourceUnavailableError(f"repositories are reached over https, ssh or a path, not {at.scheme}")


def _http(url: str, at: Address, deadline: Deadline) -> tuple[GitClient, str]:
    parts = urlsplit(url)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if not password:
        # The file `~/.git-credentials` that `git credential-store` keeps; nothing is asked for.
        stored = get_credentials_from_store(at.scheme, at.host, user or None)
        user, password = next(stored, (user, password))
    host = f"[{at.host}]" if ":" in at.host else at.host
    base = f"{at.scheme}://{host}{f':{at.port}' if at.port else ''}/"
    timeout = urllib3.Timeout(connect=min(_CONNECT_SECONDS, deadline.seconds), read=deadline.seconds)
    retries = urllib3.Retry(total=_REDIRECTS, connect=0, read=0, status=0, other=0, redirect=_REDIRECTS)
    pool = _OneHost(at.scheme, at.host, timeout=timeout, retries=retries)
    client = HttpGitClient(
        base, pool_manager=pool, username=user or None, password=password or None, report_activity=deadline.count
    )
    return client, "/" + quote(at.path, safe="/~!$&'()*+,;=:@")


class _OneHost(urllib3.PoolManager):
    """Follows a redirect only on the host that was asked for, and never from https to http."""

    def __init__(self, scheme: str, host: str, **options: Any) -> None:
        super().__init__(**options)
        self._scheme = scheme
        self._host = host

    def urlopen(  # type: ignore[override]
        self,
        method: str,
        url: str,
        redirect: bool = True,  # noqa: FBT002 - the signature of urllib3
        **options: Any,
    ) -> urllib3.BaseHTTPResponse:
        to = urlsplit(url)
        if (to.hostname or "").lower() != self._host or to.scheme not in ("https", self._scheme):
            raise urllib3.exceptions.HTTPError("a redirect to another host is not followed")
        return super().urlopen(method, url, redirect, **options)


def _ssh(url: str, at: Address, deadline: Deadline) -> tuple[GitClient, str]:
    if at.host.startswith("-") or at.user.startswith("-"):
        raise SourceUnavailableError("an ssh host or user may not begin with a dash")
    client = _SshClient(at.host, port=at.port, username=at.user or None, vendor=_Ssh(deadline))
    client.deadline = deadline
    # In the scp form a path is relative to the user's home, in a URL it begins at the root.
    rooted = "://" in url or url.partition("]:" if "[" in url else ":")[2].startswith("/")
    return client, f"/{at.path}" if rooted else at.path


class _SshClient(SSHGitClient):
    """Says which conversation it opened."""

    deadline: Deadline

    def _connect(
        self, cmd: bytes, path: str | bytes, protocol_version: int | None = None
    ) -> tuple[Protocol, Callable[[], bool], IO[bytes] | None]:
        opened = super()._connect(cmd, path, protocol_version)
        self.deadline.closes(opened[0])
        return opened


class _Ssh(SSHVendor):
    """The ssh of the machine, which never asks a question and never trusts a host it does not know."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline

    def run_command(  # noqa: PLR0913, PLR0917 - the signature of dulwich
        self,
        host: str,
        command: bytes,
        username: str | None = None,
        port: int | None = None,
        password: str | None = None,  # noqa: ARG002 - never given
        key_filename: str | None = None,  # noqa: ARG002 - ssh's own configuration says
        ssh_command: str | None = None,  # noqa: ARG002 - same
        protocol_version: int | None = None,
    ) -> SubprocessWrapper:
        words = ["ssh", "-x", "-T", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"]
        words += ["-o", f"ConnectTimeout={max(1, int(min(_CONNECT_SECONDS, self._deadline.seconds)))}"]
        words += ["-p", str(port)] if port else []
        if protocol_version is None or protocol_version > 0:
            words += ["-o", f"SetEnv=GIT_PROTOCOL=version={protocol_version or 2}"]
        words += ["--", f"{username}@{host}" if username else host]
        process = subprocess.Popen(
            [*words, command], bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self._deadline.kills(process)
        return SubprocessWrapper(process)
