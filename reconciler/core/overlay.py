"""The overlay of one environment: variables, and patches of what spec files say. Called by core/parse, daemon/spec_row.

It is data as the spec files are: bounded, every fault told with its place. With a fault in it nobody knows what it
meant, so nothing is read through it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Final

from pydantic import ValidationError

from reconciler.core._document_marks import Path, dotted
from reconciler.core._parse_findings import Findings
from reconciler.core._parse_keys import OLD, nearest
from reconciler.core._parse_messages import explain
from reconciler.core.document import NOTHING, Document, load
from reconciler.core.merge_patch import given, merge, size
from reconciler.model.overlay import OverlayDocument, Patch
from reconciler.model.plan import Json, Problem
from reconciler.model.spec import DeploymentSpec, WorkPool

DEPLOYMENT: Final = "deployment"
POOL: Final = "work_pool"
_KNOWN: Final = {
    DEPLOYMENT: [*DeploymentSpec.model_fields, *OLD["deployment"], "schedule"],
    POOL: list(WorkPool.model_fields),
}
_EXTRA: Final = ("deployments", "work_pools")
"""Sections of a spec file: what exists in this environment only."""
_LISTS: Final = ("schedules", "schedule", "triggers", "sla", "pull")
"""Lists that may be written as a single mapping: replaced like lists."""
_LONGEST: Final = 1_000
"""Characters of a name or path that a glob is tried on."""


@dataclass(frozen=True, slots=True)
class Patched:
    """A deployment or work pool as the overlay leaves it."""

    data: Json
    deleted: bool = False
    by: tuple[int, ...] = ()
    """The indexes of the patches whose target it fits."""
    origins: Mapping[Path, Path] = field(default_factory=dict)
    """Paths in the data → paths in the overlay that decide their value or absence."""
    size: int = 0
    """Values that patches brought."""


@dataclass(frozen=True)
class Overlay:
    """One environment; with nothing in it, the spec files as they are."""

    file: str = ""
    blob: str = ""
    """The id of its bytes."""
    variables: Mapping[str, Json] = field(default_factory=dict)
    """Over those of every spec file."""
    own: frozenset[str] = frozenset()
    """The variables among them whose value this file gives."""
    patches: tuple[Patch, ...] = ()
    problems: tuple[Problem, ...] = ()
    document: Document = NOTHING

    def patched(self, raw: Json, kind: str, name: Json, file: str) -> Patched:
        """A deployment or work pool of a spec file, as written there, with every patch whose target it fits."""
        data, by, spent = raw, [], 0
        origins: dict[Path, Path] = {}
        for index, each in enumerate(self.patches):
            if not _fits(each, raw, kind, name, file):
                continue
            by.append(index)
            if each.delete or each.patch is None:
                return Patched(data, deleted=True, by=tuple(by))
            spent += size(each.patch)
            data = _older_forms(data, each.patch)
            for path in given(data, each.patch):
                origins[path] = ("patches", index, "patch", *path)
            data = merge(data, each.patch)
        return Patched(data, by=tuple(by), origins=origins, size=spent)

    @property
    def extra(self) -> Document:
        """What exists in this environment only, as a spec file."""
        data = self.document.data
        kept = {key: data[key] for key in (*_EXTRA, "definitions") if key in data} if isinstance(data, dict) else {}
        return replace(self.document, data=kept)

    def unmatched(self, matched: Iterable[int], names: Iterable[str], files: Iterable[str]) -> list[Problem]:
        """A problem for each patch whose target nothing fits; `names` and `files` are what there is."""
        missing = sorted(set(range(len(self.patches))) - set(matched))
        return [self._unmatched(index, names, files) for index in missing]

    def _unmatched(self, index: int, names: Iterable[str], files: Iterable[str]) -> Problem:
        target = self.patches[index].target
        what = "work pool" if target.kind == POOL else "deployment"
        near = nearest(target.name, names) if target.name else nearest(target.file or "", files)
        path: Path = ("patches", index, "target")
        why = f"no {what} in the spec files fits it{near}; until one does everything stays as it is"
        return Problem(self.file, *self.document.locate(path), dotted(path), why)


def read(data: bytes, file: str, blob: str, operators: Mapping[str, Json]) -> Overlay:
    """The overlay in a file, under the operator's own variables. Never raises for what is in it."""
    document = load(data, file)
    found = Findings(document.faults)
    said = _checked(document, found)
    problems, _notes = found.located(document)
    if said is None or problems:
        return Overlay(file, blob, operators, problems=problems, document=document)
    return Overlay(
        file, blob, {**said.variables, **operators}, frozenset(said.variables.keys() - operators.keys()),
        said.patches, document=document,
    )  # fmt: skip


def broken(file: str, blob: str, message: str) -> Overlay:
    """An overlay that cannot be read at all."""
    return Overlay(file, blob, problems=(Problem(file, 1, 1, "", message),))


def _checked(document: Document, found: Findings) -> OverlayDocument | None:
    """The overlay, or None after telling every fault."""
    raw = document.data
    if raw is not None and not isinstance(raw, dict):
        found.problem((), "an overlay is a mapping with `variables` and `patches`")
        return None
    data = {key: value for key, value in (raw or {}).items() if value is not None}
    if data.get("patches") == {}:
        del data["patches"]
    if isinstance(data.get("patches"), dict):
        found.moved["patches", 0] = ("patches",)
        data["patches"] = [data["patches"]]
    if isinstance(data.get("patches"), list):
        data["patches"] = [_filled(item, ("patches", i), found) for i, item in enumerate(data["patches"])]
    extra = {key: data.pop(key) for key in _EXTRA if key in data}
    try:
        said: OverlayDocument | None = OverlayDocument.model_validate(data)
    except ValidationError as error:
        for where, message, on_key in explain(error, OverlayDocument, {**data, **extra}, found.few):
            found.problem(where, message, key=on_key)
        said = None
    listed = data.get("patches")
    for index, each in enumerate(listed if isinstance(listed, list) else ()):
        if isinstance(each, dict) and isinstance(each.get("patch"), dict):
            _check_keys(each, ("patches", index, "patch"), found)
    return said


def _check_keys(each: dict[str, Json], path: Path, found: Findings) -> None:
    target = each.get("target")
    kind = target.get("kind", DEPLOYMENT) if isinstance(target, dict) else DEPLOYMENT
    known = _KNOWN.get(kind) if isinstance(kind, str) else None
    for key in each["patch"].keys() - set(known or each["patch"]):
        found.problem((*path, key), f"unknown key{nearest(key, known or ()) if found.few() else ''}", key=True)


def _filled(item: Json, path: Path, found: Findings) -> Json:
    """A patch without what is null, its target's `tags` a list."""
    if not isinstance(item, dict):
        return item
    item = {key: value for key, value in item.items() if value is not None}
    target = item.get("target")
    if isinstance(target, dict):
        target = {key: value for key, value in target.items() if value is not None}
        if isinstance(target.get("tags"), str):
            found.moved[*path, "target", "tags", 0] = (*path, "target", "tags")
            target["tags"] = [target["tags"]]
        item["target"] = target
    return item


def _fits(each: Patch, raw: Json, kind: str, name: Json, file: str) -> bool:
    target = each.target
    if target.kind != kind or not isinstance(raw, dict):
        return False
    for pattern, value in ((target.name, name), (target.file, file), (target.entrypoint, raw.get("entrypoint"))):
        if pattern is not None and not _alike(pattern, value):
            return False
    tags = raw.get("tags")
    tags = [tags] if isinstance(tags, str) else tags if isinstance(tags, list) else []
    return not target.tags or any(_alike(pattern, tag) for pattern in target.tags for tag in tags)


def _alike(pattern: str, value: Json) -> bool:
    if not isinstance(value, str):
        return False
    globs = "*" in pattern or "?" in pattern or "[" in pattern
    return value == pattern or (globs and len(value) <= _LONGEST and fnmatchcase(value, pattern))


def _older_forms(raw: dict[str, Json], patch: Mapping[str, Json]) -> dict[str, Json]:
    """What is patched, in the form that the patch is in: a list or single mapping gives way to another whole."""
    data = dict(raw)
    for key in _LISTS:
        if isinstance(patch.get(key), dict):
            data.pop(key, None)
    for key, other in (("schedules", "schedule"), ("schedule", "schedules")):
        if key in patch and other not in patch:
            data.pop(other, None)
    limit = data.get("concurrency_limit")
    if isinstance(patch.get("concurrency_limit"), dict) and limit is not None and not isinstance(limit, dict):
        data["concurrency_limit"] = {"limit": limit}
    return data
