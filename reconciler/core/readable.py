"""Field diffs in words, the parameter schema parameter by parameter. Called by whoever shows a plan.

What is said holds text of the repository: whoever prints it makes it safe for the place where it is printed.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping

from reconciler.core.diff import diff
from reconciler.model.plan import FieldDiff, Json
from reconciler.schedules import DECIDES

Said = tuple[str, str]
"""What changes, and how."""

SHOWN = 80
"""Characters of one value."""
_DEPTH = 6
_SCHEDULE = re.compile(r"schedules\[(.*)\]", re.DOTALL)
_TELLING = {"default", "title", "position", "description"}
"""Keys of a parameter that are told by themselves, or mean nothing to a reader."""


def said(fields: Iterable[FieldDiff]) -> Iterator[Said]:
    """Each change as (what, how), in the order of the fields."""
    for field in fields:
        schedule = _SCHEDULE.fullmatch(field.field)
        if field.field == "parameter_openapi_schema":
            yield from _parameters(field.before, field.after)
        elif schedule:
            yield from _schedule(schedule[1], field.before, field.after)
        elif field.field == "pull":
            yield from _pull(field.before, field.after)
        else:
            yield field.field, _move(field.before, field.after)


def given(spec: Mapping[str, Json]) -> Iterator[Said]:
    """What a new deployment is, but for what is left at its default."""
    yield "entrypoint", value(spec.get("entrypoint"))
    for name, each in _mapping(spec.get("parameters")).items():
        yield f"parameters.{name}", value(each)
    for rule in _list(spec.get("schedules")):
        slug = _mapping(rule).get("slug")
        yield f"schedule {slug}" if slug else "schedule", _rule(_mapping(rule))
    for key in ("paused", "concurrency_limit", "tags"):
        if spec.get(key):
            yield key, value(spec[key])
    pool = _mapping(spec.get("work_pool"))
    for key, default in (("name", "process"), ("work_queue_name", "default")):
        if pool.get(key, default) != default:
            yield f"work_pool.{key}", value(pool[key])


def value(found: Json, limit: int = SHOWN) -> str:
    """A JSON value in at most `limit` characters."""
    return _cut(json.dumps(found, ensure_ascii=False), limit)


def _cut(text: str, limit: int = SHOWN) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _move(before: Json, after: Json) -> str:
    if isinstance(before, str) and isinstance(after, str) and max(len(before), len(after)) >= SHOWN:
        both = enumerate(zip(before, after, strict=False))
        start = max(0, next((i for i, (a, b) in both if a != b), min(len(before), len(after))) - SHOWN // 4)
        lead = "… " if start else ""  # long texts are shown from where they begin to differ
        return f"{lead}{value(before[start:])} → {lead}{value(after[start:])}"
    return f"{value(before)} → {value(after)}"


# --- parameters ----------------------------------------------------------------------------------------------------


def _parameters(before: Json, after: Json) -> Iterator[Said]:
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        known = [name for name, _ in _ordered(after)] if isinstance(after, Mapping) else None
        what = "are not known any more: any are accepted" if known is None else f"are known now: {', '.join(known)}"
        yield "parameters", what
        return
    old, new = dict(_ordered(before)), dict(_ordered(after))
    needed = [set(_list(side.get("required"))) for side in (before, after)]
    for name in [*new, *(n for n in old if n not in new)]:
        if name not in old:
            yield f"parameter {name}", f"added, {_told(new[name], name in needed[1])}"
        elif name not in new:
            yield f"parameter {name}", f"removed, was {_told(old[name], name in needed[0])}"
        elif changes := list(_changed(old[name], new[name], (name in needed[0], name in needed[1]))):
            yield f"parameter {name}", "; ".join(changes)
    if [n for n in old if n in new] != [n for n in new if n in old]:
        yield "parameters", f"in another order: {', '.join(new)}"
    yield from _rest(before, after)


def _rest(before: Mapping[str, Json], after: Mapping[str, Json]) -> Iterator[Said]:
    """The types that parameters name, and what holds of all parameters."""
    for key in ("definitions", "$defs"):
        old, new = _mapping(before.get(key)), _mapping(after.get(key))
        for name in sorted(old.keys() | new.keys()):
            if name not in old or name not in new:
                yield f"type {name}", "added" if name in new else "removed"
            elif old[name] != new[name]:
                parts = (
                    f"{d.field} {_move(d.before, d.after)}"
                    for d in diff({"": old[name]}, {"": new[name]})
                    if not d.field.endswith((".title", ".position"))
                )
                yield f"type {name}", "; ".join(p.removeprefix(".") for p in parts) or "changed"
    skipped = {"properties", "required", "definitions", "$defs", "title"}
    left, right = ({k: v for k, v in side.items() if k not in skipped} for side in (before, after))
    for field in diff(left, right):
        yield f"parameters, {field.field}", _move(field.before, field.after)


def _changed(old: Json, new: Json, needed: tuple[bool, bool]) -> Iterator[str]:
    before, after = _mapping(old), _mapping(new)
    if (was := _type(before)) != (is_ := _type(after)):
        yield f"type {was} → {is_}"
    elif {k: v for k, v in before.items() if k not in _TELLING} != {
        k: v for k, v in after.items() if k not in _TELLING
    }:
        yield f"{value(_bare(before))} → {value(_bare(after))}"
    sides = [
        json.dumps(side["default"], ensure_ascii=False) if "default" in side else "none" for side in (before, after)
    ]
    if sides[0] != sides[1]:  # as text, for which 1 and true are not the same
        yield f"default {_cut(sides[0])} → {_cut(sides[1])}"
    if needed[0] != needed[1]:
        yield "required now" if needed[1] else "not required any more"
    if before.get("description") != after.get("description"):
        yield f"description {_move(before.get('description'), after.get('description'))}"


def _bare(schema: Mapping[str, Json]) -> Json:
    return {key: part for key, part in schema.items() if key not in _TELLING}


def _told(schema: Json, needed: bool) -> str:
    found = _mapping(schema)
    default = f"default {value(found['default'])}" if "default" in found else ""
    return ", ".join(filter(None, (f"of type {_type(found)}", default, "required" if needed else "")))


def _type(schema: Json, depth: int = 0) -> str:
    """The type that a schema names, as a reader would write it."""
    found = _mapping(schema)
    if depth > _DEPTH:
        return "…"
    if "$ref" in found:
        return str(found["$ref"]).rpartition("/")[2]
    for key in ("enum", "const"):
        if key in found:
            return f"one of {value(found[key])}" if key == "enum" else value(found[key])
    for key in ("anyOf", "oneOf", "allOf"):
        if isinstance(found.get(key), list):
            return (" and " if key == "allOf" else " or ").join(_type(part, depth + 1) for part in found[key][:SHOWN])
    kind = found.get("type")
    if isinstance(kind, list):
        return " or ".join(map(str, kind))
    if kind == "array" and "items" in found:
        return f"array of {_type(found['items'], depth + 1)}"
    return f"{kind} ({found['format']})" if kind and "format" in found else str(kind or "any")


def _ordered(schema: Json) -> list[tuple[str, Json]]:
    """The parameters in the order of the signature."""
    found = _mapping(_mapping(schema).get("properties"))
    return sorted(found.items(), key=lambda pair: _position(pair[1]))


def _position(schema: Json) -> float:
    place = _mapping(schema).get("position")
    return place if isinstance(place, (int, float)) else float("inf")


# --- schedules and steps -------------------------------------------------------------------------------------------


def _schedule(name: str, before: Json, after: Json) -> Iterator[Said]:
    if before is None or after is None:
        rule = _mapping(after or before)
        slug = rule.get("slug")
        yield f"schedule {slug}" if slug else "schedule", f"{'added' if before is None else 'removed'}: {_rule(rule)}"
        return
    parts = (f"{d.field} {_move(d.before, d.after)}" for d in diff(_mapping(before), _mapping(after)))
    yield f"schedule {name}", "; ".join(parts)


def _rule(rule: Mapping[str, Json]) -> str:
    first = [f"{key} {value(rule[key])}" for key in DECIDES if rule.get(key) is not None]
    rest = [f"{key} {value(rule[key])}" for key in sorted(rule.keys() - {*DECIDES, "id", "slug"})]
    return ", ".join(first + rest)


def _pull(before: Json, after: Json) -> Iterator[Said]:
    old, new = _steps(before), _steps(after)
    if [word for word, _ in old] != [word for word, _ in new]:
        sides = [", ".join(word for word, _ in side) or ("none" if side == [] else "") for side in (old, new)]
        yield "pull steps", " → ".join(sides)
    for number, ((word, was), (other, is_)) in enumerate(zip(old, new, strict=False), 1):
        for field in diff(was, is_) if word == other else ():
            yield f"pull step {number} {word}, {field.field}", _move(field.before, field.after)


def _steps(pull: Json) -> list[tuple[str, Mapping[str, Json]]]:
    if pull is None:
        return [("this repository at the source commit (the default)", {})]
    return [(str(step["step"]), {k: v for k, v in step.items() if k != "step"}) for step in _list(pull)]


def _mapping(given: Json) -> Mapping[str, Json]:
    return given if isinstance(given, Mapping) else {}


def _list(given: Json) -> list[Json]:
    return given if isinstance(given, list) else []
