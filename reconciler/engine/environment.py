"""What a run sees of the daemon's environment: an allow-list. Called by the pools and by engine/child.py."""

import os
from collections.abc import Iterable, Mapping

_NAMES = frozenset({
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TMPDIR",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
})  # fmt: skip
_PROXIES = frozenset({"http_proxy", "https_proxy", "no_proxy"})


def inherited() -> dict[str, str]:
    """The variables of this process that a run may see. A proxy whose URL holds a user is a secret and stays."""
    return {name: value for name, value in os.environ.items() if _passes(name, value)}


def named(names: Iterable[str]) -> dict[str, str]:
    """The variables of these names that are set in this process."""
    return {name: os.environ[name] for name in names if name in os.environ}


def caller() -> dict[str, str]:
    """All of this process's variables: for a command that its user gives."""
    return dict(os.environ)


def _passes(name: str, value: str) -> bool:
    if name.lower() in _PROXIES:
        return "@" not in value
    return name in _NAMES or name.startswith("LC_")


def apply(declared: Mapping[str, str | None]) -> None:
    """Add what the deployment declares to this process's environment; None removes a variable."""
    for name, value in declared.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
