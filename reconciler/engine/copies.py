"""Takes a working copy that was prepared ahead, or lays one out now. Called by git_clone, through the pull.

A small source comes as one file, a parcel (git/parcel.py), which is written out here: it is known by the sha256 that
the order names, so one that is not as it was made is no parcel.

A prepared copy is `<folder>/<name>/` and its manifest `<folder>/<name>.json`:
`{"commit", "tree", "directories", "files": [[path, mode, size, ctime_ns, ino]], "links": [[path, target]], "lfs": []}`.
The tree id in it was computed from the bytes that were written; that nothing was touched since is checked when it is
taken.
"""

import contextlib
import hashlib
import importlib
import json
import os
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from reconciler.engine import marker
from reconciler.model.errors import StepError

Manifest = dict[str, Any]

_PARCEL_BYTES = 1024 * 1024
"""More than any parcel has."""


def lay_out(folder: str | None, target: Path, inputs: Mapping[str, Any], *, python: str | None = None) -> Manifest:
    """A working copy of `inputs["commit"]`, restricted to `directories`, at `target`: prepared, or from git now.

    `python` is the interpreter that has our git door, where it is another one.

    Raises StepError when the order does not say which commit, and what git says when it cannot give it.
    """
    if not inputs.get("commit") or not inputs.get("git_dir"):
        raise StepError("git_clone: the commit was not resolved before the run", hint="see `reconciler plan`")
    if inputs.get("include_submodules") and not isinstance(inputs.get("submodules"), list):
        raise StepError("git_clone: include_submodules must be known before the run", hint="write true or false")
    if folder and inputs.get("parcel") and (manifest := unwrap(f"{folder}/{inputs['parcel']}", target)):
        return manifest
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    manifest = _one(folder, target, inputs, python)
    if inputs.get("include_submodules"):
        _submodules(folder, target, inputs, manifest, python)
    return manifest


def _submodules(folder: str | None, target: Path, inputs: Mapping[str, Any], top: Manifest, python: str | None) -> None:
    """Lay each submodule out in its place, which is an empty folder so far."""
    named = [str(path) for path in top.get("submodules") or ()]
    given = {each["path"] for each in inputs["submodules"]}
    for each in inputs["submodules"]:
        (target / each["path"]).rmdir()
        inner = _one(folder, target / each["path"], {**each, "directories": []}, python)
        named += [f"{each['path']}/{path}" for path in inner.get("submodules") or ()]
    for path in named:
        if path not in given:
            raise StepError(f"git_clone: .gitmodules has no address for the submodule {path!r}")


def _one(folder: str | None, target: Path, inputs: Mapping[str, Any], python: str | None) -> Manifest:
    commit, directories = inputs["commit"], list(inputs.get("directories") or [])
    if folder and (manifest := take(Path(folder), commit, directories, target)):
        return manifest
    if python and python != sys.executable:
        place = {"git_dir": inputs["git_dir"], "target": str(target)}
        fetch = importlib.import_module("reconciler.engine.fetch")
        found: Manifest = fetch.ask(python, {**place, "commit": commit, "directories": directories})
        return found
    return from_git(Path(inputs["git_dir"]), commit, target, directories)


def from_git(git_dir: Path, commit: str, target: Path, directories: list[str]) -> Manifest:
    """The cold path: the one place where a run imports our git door, and only then."""
    checkout = importlib.import_module("reconciler.git.checkout")
    repository = importlib.import_module("reconciler.git.repository").Repository.open(git_dir)
    try:
        manifest = checkout.lay_out(repository, commit, target, tuple(directories))
    finally:
        repository.close()
    modules = manifest.submodules
    return {"commit": manifest.commit, "tree": manifest.tree, "lfs": manifest.lfs_pointers, "submodules": modules}


def unwrap(path: str, target: Path) -> Manifest | None:
    """Write the parcel at `path`, whose name is its sha256, into the new folder `target`; None when there is none."""
    try:
        data = marker.content(path, _PARCEL_BYTES)
    except OSError:
        return None
    if hashlib.sha256(data).hexdigest() != path.rpartition("/")[2]:
        return None
    head, _, rest = data.partition(b"\n")
    manifest: Manifest = json.loads(head)
    if not target.parent.is_dir():
        target.parent.mkdir(mode=0o700, parents=True)
    os.mkdir(target, 0o700)  # noqa: PTH102 - Path's own would cost a fresh fork more than the call
    for name in manifest["folders"]:
        os.mkdir(f"{target}/{name}")  # noqa: PTH102 - same
    at = 0
    for name, mode, size in manifest["files"]:
        _write(f"{target}/{name}", mode, rest[at : at + size])
        at += size
    for name, to in manifest["links"]:
        os.symlink(to, f"{target}/{name}")  # noqa: PTH211 - same
    return manifest


def _write(path: str, mode: int, data: bytes) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        while data:
            data = data[os.write(file, data) :]
    finally:
        os.close(file)


def take(folder: Path, commit: str, directories: Sequence[str], target: Path) -> Manifest | None:
    """Move a prepared copy of this commit to `target` and answer its manifest; None when there is none.

    A copy is claimed by renaming its manifest away, so two runs never share one. A copy in which a single file is not
    as it was prepared is removed, and the next one tried.
    """
    for name, manifest in _prepared(folder, commit, directories):
        claimed = target.parent / f".copy.{os.getpid()}.json"
        try:
            (folder / f"{name}.json").rename(claimed)
        except OSError:
            continue  # another run was quicker, or it lies on another disk
        try:
            (folder / name).rename(target)
        except OSError:
            _remove(folder / name)
            continue
        finally:
            claimed.unlink()
        if untouched(target, manifest):
            return manifest
        _remove(target)
    return None


def _prepared(folder: Path, commit: str, directories: Sequence[str]) -> Iterator[tuple[str, Manifest]]:
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if entry.name.endswith(".json"))
    except OSError:
        return
    for name in names:
        with contextlib.suppress(OSError, ValueError):
            text = (folder / name).read_bytes()
            if commit.encode() in text:
                match json.loads(text):
                    case {"commit": found, "directories": [*scope]} as manifest:
                        if found == commit and set(scope) == set(directories):
                            yield name.removesuffix(".json"), manifest


def untouched(root: Path, manifest: Manifest) -> bool:
    """Whether every file and link is the one that was written, unchanged since, and there is nothing else."""
    try:
        files = {path: (mode, size, ctime, ino) for path, mode, size, ctime, ino in manifest["files"]}
        links = dict(manifest["links"])
        for path, found in _walk(str(root), ""):
            if stat.S_ISLNK(found.st_mode):
                if links.pop(path) != os.readlink(root / path):  # noqa: PTH115 - the text, not a path
                    return False
            elif files.pop(path) != (found.st_mode, found.st_size, found.st_ctime_ns, found.st_ino):
                return False
    except (OSError, ValueError, TypeError, KeyError):
        return False
    return not files and not links


def _walk(folder: str, prefix: str) -> Iterator[tuple[str, os.stat_result]]:
    """Every file and link below a folder, with its lstat; folders themselves count for nothing."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(entry.path, f"{prefix}{entry.name}/")
            else:
                yield prefix + entry.name, entry.stat(follow_symlinks=False)


def _remove(path: Path) -> None:
    importlib.import_module("reconciler.engine.removal").remove(path)  # seldom: it loads three compressors
