"""What an entrypoint's code says of its flow: name, options, parameters. Read from the syntax tree, never imported.

Called by core/parse for each deployment, with a reader of the repository's files at one commit.
"""

import ast
import inspect
import keyword
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

from reconciler.core._flows import Flow, RefusedError, follow, options
from reconciler.core._modules import Code
from reconciler.core._names import Module
from reconciler.core._parameters import parameter_schema
from reconciler.core._reading import EntrypointProblem, Newer
from reconciler.model.plan import Json

__all__ = ["EntrypointProblem", "FlowFacts", "read_flow"]

MAX_ENTRYPOINT = 500
MAX_DESCRIPTION = 10_000
MAX_NOTES = 20
_SHOWN = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowFacts:
    """What the code says of one flow. Durations are in seconds."""

    name: str
    """The literal `@flow(name=...)`, else the function's name with `_` as `-`."""
    name_known: bool = True
    """False when the code could not be read so far: `name` is then the guess that the entrypoint allows."""
    description: str | None = None
    version: str | None = None
    retries: int | None = None
    retry_delay_seconds: float | list[float] | None = None
    retry_jitter_factor: float | None = None
    timeout_seconds: float | None = None
    log_prints: bool | None = None
    flow_run_name: str | None = None
    is_async: bool = False
    parameters: Mapping[str, Json] | None = None
    """JSON Schema of the parameters; None when the signature is unknown: any are accepted."""
    defines: str | None = None
    """The file that holds the function; None when it was not found."""
    line: int | None = None
    notes: tuple[str, ...] = ()

    def json(self) -> dict[str, Json]:
        """Every field as JSON; `load` is the inverse."""
        return {**{name: getattr(self, name) for name in self.__slots__}, "notes": list(self.notes)}

    @classmethod
    def load(cls, data: Mapping[str, Json]) -> Self:
        """The facts that `json` wrote."""
        return cls(**{**data, "notes": tuple(data["notes"])})


def read_flow(entrypoint: str, read: Callable[[str], bytes | None], *, root: str = "") -> FlowFacts | EntrypointProblem:
    """What the code behind an entrypoint says, or why the entrypoint is refused. Never raises.

    `entrypoint` is `path/to/file.py:function` or `package.module.function`, relative to the directory `root` of the
    repository. `read` gives the bytes of a file by its path in the repository, None where there is no regular file; it
    is asked for each path once, and the answers alone decide the result.
    """
    try:
        place = _place(entrypoint, root)
        return _read(place, read)
    except RefusedError as refused:
        return refused.problem
    except RecursionError:
        return EntrypointProblem(f"the code behind {_shown(entrypoint)} is nested too deeply to be read")


@dataclass(frozen=True, slots=True)
class _Place:
    """An entrypoint taken apart: a file or a dotted module, below a root, and the function's name."""

    root: str
    parts: tuple[str, ...]
    function: str
    is_file: bool


def _place(entrypoint: str, root: str) -> _Place:
    folder = _folder(root)
    if not entrypoint.strip():
        raise _refused("the entrypoint is empty", "write path/to/file.py:function")
    if len(entrypoint) > MAX_ENTRYPOINT:
        raise _refused(f"the entrypoint is longer than {MAX_ENTRYPOINT} characters", "write path/to/file.py:function")
    shown = _shown(entrypoint)
    if "\\" in entrypoint or not entrypoint.isprintable():
        raise _refused(f"the entrypoint {shown} has a backslash or a control character", "separate folders with /")
    path, colon, function = entrypoint.rpartition(":")
    if not colon and (entrypoint.endswith((".py", ".ipynb")) or "/" in entrypoint):
        if entrypoint.endswith(".ipynb"):
            raise _notebook(shown)
        raise _refused(f"the entrypoint {shown} names no function", f"write {entrypoint[:_SHOWN]}:function")
    if not colon:
        *parts, function = entrypoint.split(".")
        return _Place(folder, _module(tuple(parts), shown), _function(function, shown), is_file=False)
    return _Place(folder, _file(path, shown), _function(function, shown), is_file=True)


def _folder(root: str) -> str:
    if root.startswith("/") or "\\" in root or not (root.isprintable() or not root) or ".." in root.split("/"):
        raise _refused(f"the path {_shown(root)} is not a folder of this repository", "write it relative to the root")
    return "/".join(part for part in root.split("/") if part not in {"", "."})


def _file(path: str, shown: str) -> tuple[str, ...]:
    if path.startswith("/"):
        raise _refused(f"the entrypoint {shown} is an absolute path", "write it relative to the repository")
    parts = tuple(part for part in path.split("/") if part not in {"", "."})
    if ".." in parts:
        raise _refused(f"the entrypoint {shown} leads out of its folder with `..`", "name the file from above it")
    if path.endswith(".ipynb"):
        raise _notebook(shown)
    if not path.endswith(".py") or not parts:
        dotted = bool(path) and all(part.isidentifier() for part in path.split("."))
        hint = f"write {path.replace('.', '/')}.py:function" if dotted else "write path/to/file.py:function"
        raise _refused(f"the entrypoint {shown} does not name a .py file", hint)
    return parts


def _module(parts: tuple[str, ...], shown: str) -> tuple[str, ...]:
    if not parts or not all(part.isidentifier() and not keyword.iskeyword(part) for part in parts):
        raise _refused(
            f"the entrypoint {shown} is neither a file nor a module with a function",
            "write path/to/file.py:function or package.module.function",
        )
    return parts


def _function(name: str, shown: str) -> str:
    name = unicodedata.normalize("NFKC", name)
    if "." in name:
        raise _refused(f"the entrypoint {shown} names a function within a class", "name one of the module itself")
    if not name.isidentifier() or keyword.iskeyword(name):
        raise _refused(f"the entrypoint {shown} does not end in the name of a function", "write file.py:function")
    return name


def _notebook(shown: str) -> RefusedError:
    hint = "export it (jupyter nbconvert --to script) and name a function of the .py file"
    return _refused(f"the entrypoint {shown} is in a notebook", hint)


def _read(place: _Place, read: Callable[[str], bytes | None]) -> FlowFacts | EntrypointProblem:
    here = "/".join([part for part in (place.root, *place.parts[:-1]) if part]) if place.is_file else place.root
    source = f"{place.root}/src" if place.root else "src"
    code = Code(read, tuple(dict.fromkeys((place.root, here, source))))
    module = _open(code, place, source)
    if isinstance(module, EntrypointProblem):
        return module
    if isinstance(module, Newer):
        return _facts(code, place, Flow(notes=[f"signature unknown: {module.note}; any parameters are accepted"]))
    return _facts(code, place, follow(code, module, place.function))


def _open(code: Code, place: _Place, source: str) -> Module | Newer | EntrypointProblem:
    if place.is_file:
        path = "/".join((place.root, *place.parts) if place.root else place.parts)
        found = code.file(path)
        hint = f"the entrypoint is taken relative to the path {place.root!r}" if place.root else ""
        return found or EntrypointProblem(f"there is no regular file {path!r} here", hint)
    found = code.package(place.root, place.parts) or code.package(source, place.parts)
    name = ".".join(place.parts)
    if found is None and any(code.package(base, place.parts[:1]) for base in (place.root, source)):
        return EntrypointProblem(f"there is no module {name!r} here", f"{place.parts[0]!r} is here, without it")
    return found or Newer(f"the module {name!r} is not in this repository, and taken as installed where the flow runs")


def _facts(code: Code, place: _Place, flow: Flow) -> FlowFacts:
    said = options(code, flow)
    function, module = flow.function, flow.module
    facts = {
        "name": place.function.replace("_", "-"),
        "name_known": "name" in said or (function is not None and "name" not in flow.options),
    }
    notes = list(flow.notes)
    if function is not None and module is not None:
        docstring = _docstring(function)
        schema, more = parameter_schema(code, module, function, docstring)
        if flow.changed_by and schema is not None:
            schema = {**schema, "required": [], "additionalProperties": True}
            more.append(f"`@{flow.changed_by}` may change the parameters: none is required, and others are accepted")
        facts |= {"name": function.name.replace("_", "-"), "description": docstring[:MAX_DESCRIPTION] or None}
        facts |= {"is_async": isinstance(function, ast.AsyncFunctionDef), "parameters": schema}
        facts |= {"defines": module.path, "line": function.lineno}
        notes += more
    return FlowFacts(**{**facts, **said, "notes": tuple(dict.fromkeys(notes))[:MAX_NOTES]})


def _docstring(function: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    text = ast.get_docstring(function, clean=False) or ""
    return inspect.cleandoc(text).encode(errors="replace").decode()


def _refused(message: str, hint: str) -> RefusedError:
    return RefusedError(EntrypointProblem(message, hint))


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")
