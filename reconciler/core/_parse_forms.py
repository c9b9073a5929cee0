"""The forms YAML may take, turned into the one canonical form, with a word about old keys. Called by core/parse."""

import re

from reconciler.core._document_marks import Path
from reconciler.core._parse_findings import Findings
from reconciler.core._parse_keys import BLANK, IN_DEPLOYMENT, NO_EFFECT, OLD
from reconciler.core.document import Document
from reconciler.model.plan import Json
from reconciler.model.spec import SpecDocument

_MODULE = re.compile(r"(?!.*\.(?:py|ipynb):)[^\W\d]\w*(?:\.[^\W\d]\w*)*:[^\W\d]\w*")
"""`package.module:function`, which means the same as with a dot."""
_TRIGGER_LISTS = ("expect", "after", "for_each")


def deployment(raw: dict[str, Json], path: Path, found: Findings) -> dict[str, Json]:
    """The canonical form of a deployment, without its `pull`. Null means not given."""
    known(raw, "deployment", path, found)
    given = {k: v for k, v in raw.items() if v is not None and k not in OLD["deployment"] and k != "pull"}
    given = _unblank(given, "deployment")
    if "schedule" in given:
        _legacy(given, path, found)
    if "schedules" in given:
        given["schedules"] = [
            schedule(item, (*path, "schedules", i), found)
            for i, item in enumerate(_list(given["schedules"], (*path, "schedules"), found))
        ]
    for key in ("triggers", "sla"):
        if key in given:
            given[key] = _list(given[key], (*path, key), found)
    if "triggers" in given:
        given["triggers"] = [trigger(item, (*path, "triggers", i), found) for i, item in enumerate(given["triggers"])]
    if "concurrency_limit" in given:
        given["concurrency_limit"] = _limit(given, (*path, "concurrency_limit"), found)
    if isinstance(given.get("tags"), str):
        found.moved[*path, "tags", 0] = (*path, "tags")
        given["tags"] = [given["tags"]]
    if isinstance(given.get("work_pool"), dict):
        given["work_pool"] = _work_pool(given["work_pool"], (*path, "work_pool"), found)
    if isinstance(given.get("entrypoint"), str):
        given["entrypoint"] = _entrypoint(given["entrypoint"], (*path, "entrypoint"), found)
    return given


def schedule(raw: Json, path: Path, found: Findings) -> Json:
    """The canonical form of a schedule."""
    if not isinstance(raw, dict):
        return raw
    known(raw, "schedule", path, found)
    given = {k: v for k, v in raw.items() if v is not None and k not in OLD["schedule"]}
    given = _unblank(given, "schedule")
    if isinstance(given.get("catchup"), bool):
        found.note((*path, "catchup"), "has no effect as true or false: write none, latest or all", key=True)
        del given["catchup"]
    return given


def trigger(raw: Json, path: Path, found: Findings) -> Json:
    """The canonical form of a trigger, its type inferred as Prefect infers it."""
    if not isinstance(raw, dict):
        return raw
    given = _filled(raw)
    if "type" not in given:
        nested = "triggers" in given
        metric = given.get("posture") == "Metric" or ("metric" in given and not nested)
        composed = ("compound" if "require" in given else "sequence") if nested else "event"
        given["type"] = "metric" if metric else composed
    for key in _TRIGGER_LISTS:
        if isinstance(given.get(key), str):
            found.moved[*path, key, 0] = (*path, key)
            given[key] = [given[key]]
    if "match" in given:
        given["match"] = _labels(given["match"], (*path, "match"), found)
    if "match_related" in given:
        where = (*path, "match_related")
        related = _list(given["match_related"], where, found)
        given["match_related"] = [_labels(item, (*where, i), found) for i, item in enumerate(related)]
    if "triggers" in given:
        where = (*path, "triggers")
        given["triggers"] = [
            trigger(item, (*where, i), found) for i, item in enumerate(_list(given["triggers"], where, found))
        ]
    return given


def pools(raw: Json, found: Findings) -> dict[str, Json]:
    """Work pools by name, from a mapping by name or a list of mappings with a `name`."""
    if isinstance(raw, dict):
        return {name: {} if pool is None else pool for name, pool in raw.items()}
    if not isinstance(raw, list):
        found.problem(("work_pools",), "must be a mapping of work pools by name")
        return {}
    result: dict[str, Json] = {}
    for index, item in enumerate(raw):
        name = item.get("name") if isinstance(item, dict) else None
        if not isinstance(name, str):
            found.problem(("work_pools", index), "a work pool in a list is a mapping with a `name`")
        elif name in result:
            found.problem(("work_pools", index, "name"), "a second work pool of this name")
        else:
            found.moved["work_pools", name] = ("work_pools", index)
            result[name] = {key: value for key, value in item.items() if key != "name"}
    return result


def known(raw: dict[str, Json], where: str, path: Path, found: Findings) -> None:
    """Notes about the old keys of a mapping and about those that do nothing yet."""
    for key in raw.keys() & OLD.get(where, {}).keys():
        if raw[key] not in (None, [], {}):
            found.note((*path, key), OLD[where][key], key=True)
    for key in raw.keys() & NO_EFFECT.get(where, {}).keys():
        if raw[key] not in (None, [], {}, "none") and not isinstance(raw[key], bool):
            found.note((*path, key), NO_EFFECT[where][key], key=True)


def strays(top: dict[str, Json], document: Document, found: Findings) -> None:
    """Take the keys of a file that Prefect passes over, telling what becomes of them; misspelt ones are left."""
    for key in [key for key in top if key not in SpecDocument.model_fields and key != "prefect-version"]:
        if key[:2] == "x-" or key[:1] in "._":
            del top[key]
        elif key in IN_DEPLOYMENT:
            del top[key]
            told = "belongs to a deployment, in the list `deployments`: has no effect here"
            (found.note if top.get("deployments") else found.problem)((key,), told, key=True)
        elif any(anchored[:1] == (key,) for anchored in document.marks.names):
            del top[key]
            found.note((key,), "is read for its anchors only: `definitions` is the place for them", key=True)


def _entrypoint(given: str, path: Path, found: Findings) -> str:
    if "\\" in given:
        found.note(path, "the folders of an entrypoint are separated by /: read so")
        given = given.replace("\\", "/")
    return given.replace(":", ".") if _MODULE.fullmatch(given) else given


def _work_pool(raw: dict[str, Json], path: Path, found: Findings) -> dict[str, Json]:
    known(raw, "work_pool", path, found)
    given = {key: value for key, value in raw.items() if value is not None and key not in OLD["work_pool"]}
    return _unblank(given, "work_pool")


def _unblank(given: dict[str, Json], where: str) -> dict[str, Json]:
    """Without the empty texts that mean: not given."""
    return {key: value for key, value in given.items() if value != "" or key not in BLANK[where]}


def _legacy(given: dict[str, Json], path: Path, found: Findings) -> None:
    """`schedule`, a single one, from before there were several."""
    old = given.pop("schedule")
    if old == [] or (isinstance(old, dict) and all(value is None for value in old.values())):
        return
    if given.get("schedules"):
        found.problem((*path, "schedule"), "both `schedule` and `schedules`: keep `schedules`", key=True)
        return
    given["schedules"] = old
    found.moved[*path, "schedules"] = (*path, "schedule")
    if not isinstance(old, list):
        given["schedules"] = [old]
        found.moved[*path, "schedules", 0] = (*path, "schedule")


def _limit(given: dict[str, Json], path: Path, found: Findings) -> Json:
    raw = given["concurrency_limit"]
    if not isinstance(raw, dict):
        found.moved[*path, "limit"] = path
        return {"limit": raw}
    known(raw, "concurrency_limit", path, found)
    own, outer = raw.get("collision_strategy"), given.get("collision_strategy")
    if own is not None and outer is not None and own != outer:
        found.problem((*path, "collision_strategy"), "the deployment's `collision_strategy` says otherwise")
    return _filled(raw)


def _list(value: Json, path: Path, found: Findings) -> list[Json]:
    """A section as a list: null and {} are empty, a single mapping is a list of one."""
    if isinstance(value, list):
        return value
    if isinstance(value, dict):
        if not value:
            return []
        found.moved[*path, 0] = path
        return [value]
    found.problem(path, "must be a list")
    return []


def _labels(value: Json, path: Path, found: Findings) -> Json:
    """Labels with a list of values each."""
    if not isinstance(value, dict):
        return value
    for label, item in value.items():
        if isinstance(item, str):
            found.moved[*path, label, 0] = (*path, label)
    return {label: [item] if isinstance(item, str) else item for label, item in value.items()}


def _filled(raw: dict[str, Json]) -> dict[str, Json]:
    return {key: value for key, value in raw.items() if value is not None}
