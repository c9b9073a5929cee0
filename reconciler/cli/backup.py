"""Copy the log, with all state, to one file while the daemon goes on; the copy is verified."""

import os
from pathlib import Path
from typing import Any

import click

from reconciler.cli._fold import fold
from reconciler.cli._log import reading
from reconciler.cli._place import Place
from reconciler.cli._print import plain, print_json, progress, say
from reconciler.model.errors import ChainBrokenError, ConflictError, StoreError
from reconciler.stores import Verified
from reconciler.stores._reader import Reader


@click.command("backup")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Put it in the place of a file that is there.")
@click.option("--json", "as_json", is_flag=True, help="A JSON object.")
@click.pass_obj
def command(obj: dict[str, Any], file: Path, *, force: bool, as_json: bool) -> None:
    """Copy the log, with all state, to FILE: one moment of it, verified, 0600. A daemon goes on meanwhile.

    \b
    To restore: stop the daemon, put FILE where the log was (without log.db-wal and log.db-shm), start it again.
    Working copies, outputs and config.toml are not in it. JSON: {file, events, head, bytes}.
    """
    if not force and os.path.lexists(file):
        raise ConflictError(f"{file} exists", hint="name a new file, or give --force")
    if file.is_dir():
        raise ConflictError(f"{file} is a directory", hint="name a file in it")
    draft = file.with_name(f"{file.name}.part")
    with progress("copying the log"):
        _discard(draft)
        try:
            with reading(Place.of(obj)) as log:
                log.backup(draft)
            found = _verified(draft)
            draft.replace(file)
            _sync(file.absolute().parent)
        except BaseException:
            _discard(draft)
            raise
    made = {"file": str(file), "events": found.events, "head": found.head, "bytes": file.stat().st_size}
    if as_json:
        print_json(made)
    else:
        say(f"{plain(file)}: {made['events']} events, head {made['head']}, {made['bytes']} bytes")


def _verified(draft: Path) -> Verified:
    """What a walk over the copy found. Raises ChainBrokenError; then it is no backup."""
    with Reader.open(draft) as copy:
        found = copy.verify(fold)
    if found.problems:
        raise ChainBrokenError(
            f"the log does not verify, and nor does its copy, which is not kept: {found.problems[0]}",
            hint="`reconciler verify` tells all",
        )
    return found


def _discard(draft: Path) -> None:
    """What an earlier backup that was killed left behind, and what SQLite puts beside it."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        draft.with_name(f"{draft.name}{suffix}").unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    """Make a rename durable. Raises StoreError."""
    try:
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
    except OSError as error:
        raise StoreError(f"{folder} cannot be written: {error.strerror}") from error
