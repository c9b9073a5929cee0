"""A deployment as code writes it down: arguments of `serve` and `deploy` in the grammar of a spec file.

Called by serving.py and deploying.py, inside the user's process: standard library only. Git decides what is deployed;
what code says is a text to commit, or to compare with what git says.
"""

import difflib
import inspect
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from reconciler.model.errors import InvalidRequestError

PLAIN = ("parameters", "description", "version", "version_type", "paused", "enforce_parameter_schema", "sla")
RULES = ("cron", "interval", "rrule")
POOL = {"work_pool_name": "name", "work_queue_name": "work_queue_name", "job_variables": "job_variables"}
ARGUMENTS = (*RULES, "schedule", "schedules", "concurrency_limit", "tags", "triggers", *PLAIN, *POOL)
"""What `to_deployment`, `serve` and `deploy` take beside the name, as in Prefect."""

_SAFE = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*(?::[A-Za-z0-9_]+)?")
_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
_SHORT = 60


@dataclass(frozen=True, slots=True)
class Intended:
    """One deployment that code names: where it lies, and only those fields of its spec that were given."""

    flow_name: str
    name: str
    entrypoint: str
    top: Path
    """The work tree."""
    fields: Mapping[str, Any]

    @property
    def full_name(self) -> str:
        """`flow/deployment`."""
        return f"{self.flow_name}/{self.name}"

    @property
    def file(self) -> str:
        """Where its spec would lie, relative to the work tree."""
        return f"specs/{_file_name(self.flow_name)}-{_file_name(self.name)}.yaml"

    def is_here(self) -> bool:
        """Whether its code is a file of this work tree."""
        return (self.top / self.entrypoint.rpartition(":")[0]).is_file()

    def spec(self) -> dict[str, Any]:
        """One item of `deployments:`."""
        return {"name": self.name, "entrypoint": self.entrypoint, **self.fields}

    def yaml(self) -> str:
        """The spec file that declares it and nothing else."""
        return to_yaml({"deployments": [self.spec()]})


def of(flow: Any, name: str, given: Mapping[str, Any]) -> Intended:
    """The deployment of a flow that lies in a file of a repository. Raises InvalidRequestError."""
    top, entrypoint = where(flow)
    return Intended(flow.name, name, entrypoint, top, fields(given))


def where(flow: Any) -> tuple[Path, str]:
    """The work tree that a flow lies in, and its entrypoint there. Raises InvalidRequestError."""
    function = inspect.unwrap(flow.fn)
    file, word = function.__code__.co_filename, function.__qualname__
    if not Path(file).is_file():
        raise InvalidRequestError(
            f"flow {flow.name!r} is in no file ({file})", hint="a deployment runs what git has: put it into a .py file"
        )
    if not word.isidentifier():
        raise InvalidRequestError(
            f"flow {flow.name!r} is {word}, which no entrypoint can name", hint="define it at the top of its file"
        )
    path = Path(os.path.realpath(file))
    top = work_tree(path.parent)
    if top is None:
        raise InvalidRequestError(f"{path} is in no git repository", hint="git init, then commit it")
    return top, f"{path.relative_to(top).as_posix()}:{word}"


def work_tree(folder: Path) -> Path | None:
    """The top of the work tree around a folder."""
    return next((f for f in (folder, *folder.parents) if (f / ".git").exists()), None)


def fields(given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments as fields of a spec, without those left out. Raises TypeError, InvalidRequestError."""
    for word in given:
        if word not in ARGUMENTS:
            near = difflib.get_close_matches(word, ARGUMENTS, 1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(ARGUMENTS)}"
            raise TypeError(f"a deployment has no argument {word!r}{hint}")
    found: dict[str, Any] = {key: given[key] for key in PLAIN if given.get(key) is not None}
    if tags := list(given.get("tags") or ()):
        found["tags"] = tags
    if triggers := list(given.get("triggers") or ()):
        found["triggers"] = triggers
    if rules := _schedules(given):
        found["schedules"] = rules
    if (limit := given.get("concurrency_limit")) is not None:
        found["concurrency_limit"] = limit
    if pool := {to: given[key] for key, to in POOL.items() if given.get(key)}:
        found["work_pool"] = pool
    return {key: _data(value, key) for key, value in found.items()}


def _schedules(given: Mapping[str, Any]) -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = []
    for word in RULES:
        values = given.get(word)
        if values is not None:
            rules += [{word: v} for v in (values if isinstance(values, list | tuple) else [values])]
    more = [*(given.get("schedules") or ()), *([given["schedule"]] if given.get("schedule") is not None else [])]
    for rule in more:
        found = rule if isinstance(rule, Mapping) else getattr(rule, "__dict__", None)
        if not isinstance(found, Mapping) or not any(found.get(word) is not None for word in RULES):
            raise InvalidRequestError(
                f"{rule!r} is no schedule",
                hint="""write {"cron": "0 9 * * *", "timezone": "UTC"}, or cron="0 9 * * *" """,
            )
        rules.append({k: v for k, v in found.items() if v is not None})
    return rules


def _data(value: Any, where: str) -> Any:
    """The value as JSON, times as seconds or ISO 8601. Raises InvalidRequestError for what no spec can say."""
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
        return int(seconds) if seconds.is_integer() else seconds
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(k): _data(v, f"{where}.{k}") for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_data(v, where) for v in (sorted(value) if isinstance(value, set | frozenset) else value)]
    if isinstance(value, str) and ("{{" in value or "{%" in value):
        raise InvalidRequestError(f"{where}: {value!r} would be read as a template", hint="write the spec file by hand")
    if isinstance(value, str) and "\0" in value:
        raise InvalidRequestError(f"{where}: a NUL character cannot stand in a spec file")
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and value - value == 0:
        return value
    raise InvalidRequestError(f"{where}: {value!r} cannot stand in a spec file", hint="give JSON values")


# --- comparing with git ---------------------------------------------------------------------------------------------


def differences(intended: Intended, spec: Mapping[str, Any]) -> Iterator[str]:
    """A line for each field that code gives and git says otherwise; `spec` is the effective one of git."""
    for key, ours in {"entrypoint": intended.entrypoint, **intended.fields}.items():
        theirs = spec.get(key)
        for name, mine, other in _parts(key, ours, theirs, spec):
            if mine != other:
                yield f"{name}: git says {_shown(other)}, the code says {_shown(mine)}"


def _parts(key: str, ours: Any, theirs: Any, spec: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    if key == "work_pool":
        for name, mine in ours.items():
            yield f"work_pool.{name}", mine, (theirs or {}).get(name)
    elif key == "concurrency_limit" and isinstance(ours, Mapping):
        yield key, ours.get("limit"), theirs
        if ours.get("collision_strategy"):
            yield "collision_strategy", ours["collision_strategy"], spec.get("collision_strategy")
    elif key == "schedules":
        yield key, _in_order(ours), _in_order(theirs or ())
    elif key == "pull":
        yield key, _steps(ours), _steps(theirs or ())
    elif key == "tags":
        yield key, sorted(ours), sorted(theirs or ())
    else:
        yield key, ours, theirs


def _in_order(rules: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Schedules without what they leave at its default, in one order."""
    kept = [{k: v for k, v in rule.items() if k != "id" and (k, v) not in _DEFAULTS} for rule in rules]
    return sorted(kept, key=lambda rule: json.dumps(rule, sort_keys=True))


def _steps(steps: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Pull steps as `{word: inputs}`, as written or as kept."""
    return [{s["step"]: dict(s["inputs"])} if "inputs" in s else {k: dict(v) for k, v in s.items()} for s in steps]


_DEFAULTS: tuple[tuple[str, Any], ...] = (
    ("active", True),
    ("day_or", True),
    ("parameters", {}),
    ("catchup", "none"),
)


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= _SHORT * 3 else text[: _SHORT * 3] + "..."


# --- YAML -----------------------------------------------------------------------------------------------------------


def to_yaml(value: Mapping[str, Any]) -> str:
    """Block style, with every text quoted that could be read as anything else. Raises InvalidRequestError."""
    return "\n".join(_lines(value, 0)) + "\n"


def _lines(value: Any, depth: int) -> Iterator[str]:
    """The lines of a mapping or list that is not empty."""
    margin = "  " * depth
    if isinstance(value, Mapping):
        for key, item in value.items():
            if _is_leaf(item):
                yield f"{margin}{_scalar(str(key))}: {_scalar(item)}"
            else:
                yield f"{margin}{_scalar(str(key))}:"
                yield from _lines(item, depth + 1)
        return
    for item in value:
        if _is_leaf(item):
            yield f"{margin}- {_scalar(item)}"
            continue
        first, *rest = _lines(item, depth + 1)
        yield f"{margin}- {first.lstrip(' ')}"
        yield from rest


def _is_leaf(value: Any) -> bool:
    return not isinstance(value, Mapping | list) or not value


def _scalar(value: Any) -> str:
    if not isinstance(value, str):
        return json.dumps(value)
    if _SAFE.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return '"' + "".join(map(_character, value)) + '"'


def _character(c: str) -> str:
    """As a double-quoted scalar of YAML takes it."""
    if c in '"\\':
        return f"\\{c}"
    if c == "\n":
        return "\\n"
    code = ord(c)
    if 0xD800 <= code <= 0xDFFF:  # noqa: PLR2004 - half of a pair
        raise InvalidRequestError("half a character (a lone surrogate) cannot stand in a spec file")
    if c.isprintable():
        return c
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004


def _file_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.]+", "-", name).strip("-.") or "flow"
