"""Secrets from the daemon's environment on their way to runs: a file without a name, on a descriptor.

Called by the pools, which start templates and keepers, by entry.py, and by engine/child.py in the run. So none is in
an argument, an environment, a file, or in the memory of a run that does not name it.
"""

import fcntl
import json
import os
from collections.abc import Mapping
from typing import Any

FD = 4
_NAME = "reconciler-vault"
SECRET = "RECONCILER_SECRET_"  # noqa: S105 - the beginning of a name
_KEYS = ("SOPS_", "AWS_", "AZURE_", "GOOGLE_", "VAULT_", "GNUPGHOME", "XDG_CONFIG_HOME")
"""What `sops` finds its keys by."""
ENCRYPTED = "secrets"
"""The folder of encrypted files, beside the specs and in the directory of an attempt."""
TYPES = {".yaml": "yaml", ".yml": "yaml", ".json": "json", ".env": "dotenv"}
"""What `sops` calls such a file, by its suffix."""
_MOST = 4 << 20


def contents(environment: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """What of an environment a vault holds: `secrets` by name, and `keys`, the variables for `sops`."""
    return {
        "secrets": {k.removeprefix(SECRET): v for k, v in environment.items() if k.startswith(SECRET)},
        "keys": {k: v for k, v in environment.items() if k.startswith(_KEYS)},
    }


def make() -> int | None:
    """A descriptor of the vault of this process's environment; None where there is nothing for one."""
    held = contents(os.environ)
    if not any(held.values()):
        return None
    fd = pack(held)
    high = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 2 * FD)  # out of the way of those that a child is given
    os.close(fd)
    return high


def pack(held: Any) -> int:
    """A descriptor of a file without a name that holds this JSON."""
    fd = os.memfd_create(_NAME)
    os.write(fd, json.dumps(held).encode())
    return fd


def unpack(fd: int) -> Any:
    """What `pack` put there, None for anything else; read as often as wanted."""
    try:
        if not os.readlink(f"/proc/self/fd/{fd}").startswith(f"/memfd:{_NAME}"):  # noqa: PTH115 - the text
            return None
        return json.loads(os.pread(fd, _MOST, 0))
    except (OSError, ValueError):
        return None


def settle() -> int:
    """Have the vault on its descriptor, whether it came so or in the environment; the first one that is free to close.

    Called by a template at its start, before it closes what it does not know. No run inherits the variables.
    """
    if unpack(FD) is not None:
        return FD + 1
    own = contents(os.environ)["secrets"]
    if not own:
        return FD
    fd = make()
    assert fd is not None  # noqa: S101 - there are secrets
    os.dup2(fd, FD, inheritable=False)
    os.close(fd)
    for name in own:
        del os.environ[SECRET + name]
    return FD + 1
