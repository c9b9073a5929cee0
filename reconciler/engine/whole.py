"""Files that appear whole or not at all, whatever others put in the way. Called by the engine and the daemon.

The folders of runs are written by what runs there too: a name that is expected there may be a pipe, on which an open
would wait for ever, or a link to elsewhere. So a draft is always a new file.
"""

import os
from pathlib import Path


def put(folder: str | Path, name: str, data: bytes) -> None:
    """Have `name` in a folder hold just this, by rename. Raises OSError; what stood there before stays then."""
    draft = f"{folder}/.{name}.{os.getpid()}"
    file = fresh(draft)
    try:
        try:
            while data:
                data = data[os.write(file, data) :]
        finally:
            os.close(file)
        os.replace(draft, f"{folder}/{name}")  # noqa: PTH105 - a path as text: this is on every run's way
    except OSError:
        os.unlink(draft)  # noqa: PTH108 - same
        raise


def fresh(path: str) -> int:
    """A descriptor of a new and empty file, in the place of whatever is there. Raises OSError."""
    how = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(path, how, 0o600)
    except FileExistsError:
        os.unlink(path)  # noqa: PTH108 - as above
        return os.open(path, how, 0o600)
